"""The networks that the paper compares the CapsNet with: convolutions, dense layers, no capsules.

Three of them, by `--cnn_layers`:

mnist       The paper's, for table 1: 35,445,522 parameters on 28 x 28 pixels.
multimnist  The paper's, for section 6.2: 24,563,978 parameters on 36 x 36 pixels.
pooled      Ours, for affNIST. The paper gives no layers in section 5.2, only "max pooling and
            dropout" and as many parameters as the CapsNet. This is the MNIST network with max
            pooling after each convolution, and with dense layers so wide that it has about as many
            parameters as the CapsNet: 13,129,738 on 40 x 40 pixels, 97 %. It is meant as a fair
            opponent.
            Its last convolution sees 32 x 32 pixels, which is a whole digit, at places 4 pixels
            apart, 8 after pooling. A digit that moves by 8 pixels has the same features at another
            place. With direct convolutions a prediction is about as much arithmetic: 0.84 billion
            products, the CapsNet's 0.80 billion.

Scores are logits, not probabilities: an attack on a softmax that has reached 1 would find no
gradient, and the network would look more robust than it is.
"""
from typing import NamedTuple

import tensorflow as tf

from model.convolution import Convolution
from model.network import Chain, Network, Output, Step, activity, targets
from settings import Setting, one_of

SETTINGS = {
    "CNN_LAYERS": Setting(
        "mnist", "the layers of --model cnn: mnist and multimnist are the paper's, pooled is ours "
        "for affNIST", "paper, sec. 4, 6.2 and 5.2", one_of(("mnist", "pooled", "multimnist"))),
}
DROPOUT = 0.5  # share of the units that are dropped; the paper gives none


class Layers(NamedTuple):
    """What one of the networks is made of. Each convolution is SAME, of stride 1, with ReLU."""
    kernels: tuple[int, ...]   # side of each convolution's kernel
    filters: tuple[int, ...]   # of each convolution
    dense: tuple[int, ...]     # units of each dense layer, with ReLU
    pooled: bool               # the largest of 2 x 2 after each convolution
    dropped: tuple[bool, ...]  # dropout after each dense layer
    exclusive: bool            # softmax, one class at a time; otherwise a sigmoid for each class


LAYERS = {
    "mnist": Layers((5, 5, 5), (256, 256, 128), (328, 192), pooled=False,
                    dropped=(False, True), exclusive=True),
    "pooled": Layers((5, 5, 5), (256, 256, 256), (1280, 1280), pooled=True,
                     dropped=(True, True), exclusive=True),
    "multimnist": Layers((9, 5), (512, 256), (1024,), pooled=True,
                         dropped=(False,), exclusive=False),
}


class CNN(Network):
    """The network called cfg.CNN_LAYERS."""

    def __init__(self, cfg, image_shape: tuple[int, int, int], classes: int, **kwargs):
        super().__init__(image_shape, classes, **kwargs)
        self.layout = LAYERS[cfg.CNN_LAYERS]
        # Each layer is an attribute of its own: a checkpoint does not save layers in a list.
        sizes = zip(self.layout.filters, self.layout.kernels, strict=True)
        for number, (filters, kernel) in enumerate(sizes, 1):
            layer = Convolution(filters, kernel, form=cfg.CONV_WAY, activation="relu", same=True,
                                name=f"conv{number}")
            setattr(self, layer.name, layer)
        for number, units in enumerate(self.layout.dense, 1):
            layer = tf.keras.layers.Dense(units, activation="relu", name=f"dense{number}")
            setattr(self, layer.name, layer)
        self.scores = tf.keras.layers.Dense(classes, name="scores")
        dropped = zip(self.layout.dense, self.layout.dropped, strict=True)
        self.noise_count = sum(units for units, is_dropped in dropped if is_dropped)
        self.make_variables()

    @property
    def convolutions(self) -> list[Convolution]:
        """The convolutions, in order."""
        return [getattr(self, f"conv{n}") for n in range(1, 1 + len(self.layout.filters))]

    @property
    def dense(self) -> list[tf.keras.layers.Dense]:
        """The dense layers before that of the scores, in order."""
        return [getattr(self, f"dense{n}") for n in range(1, 1 + len(self.layout.dense))]

    def call(self, images, labels=None, training=False, noise=None) -> Output:
        """images [B, H, W, C] in [0, 1] -> Output with the logits as scores.

        noise [B, self.noise_count], uniform in [0, 1): says which units training drops.
        """
        x = images
        for convolution in self.convolutions:
            x = convolution(x)                                 # [B, h, w, filters]
            x = max_pool(x) if self.layout.pooled else x       # [B, h // 2, w // 2, filters]
        x = tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])
        for dense, is_dropped in zip(self.dense, self.layout.dropped, strict=True):
            x = dense(x)                                       # [B, units]
            if training and is_dropped:
                x = drop(x, noise[:, :x.shape[1]])
                noise = noise[:, x.shape[1]:]
        return Output(self.scores(x))                          # [B, J]

    def chain(self) -> Chain:
        steps = []
        for convolution in self.convolutions:
            steps.append(Step("convolution", convolution))
            if self.layout.pooled:
                steps.append(Step("max_pool"))
        steps += [Step("dense", layer) for layer in (*self.dense, self.scores)]
        return Chain(steps, "softmax" if self.layout.exclusive else "sigmoid")

    def health(self, images, labels) -> dict[str, tf.Tensor]:
        return activity(self.conv1(images))

    def loss_terms(self, output, labels, sources) -> dict[str, tf.Tensor]:
        """The cross-entropy as "loss" [B], with a softmax, or summed over sigmoids of the classes.

        labels [B, K]. Where an image has several, the softmax is to give each the same share.
        """
        present = targets(labels, self.classes)                # [B, J]
        if self.layout.exclusive:
            share = present / tf.reduce_sum(present, axis=1, keepdims=True)
            return {"loss": tf.nn.softmax_cross_entropy_with_logits(share, output.scores)}
        losses = tf.nn.sigmoid_cross_entropy_with_logits(present, output.scores)
        return {"loss": tf.reduce_sum(losses, axis=1)}


def max_pool(x: tf.Tensor) -> tf.Tensor:
    """The largest of every 2 x 2 positions. [B, h, w, C] -> [B, h // 2, w // 2, C]

    The same numbers as tf.nn.max_pool2d, whose gradient XLA computes slowly on a CPU. Where
    several are the largest they share the gradient.
    """
    _, h, w, C = x.shape
    x = x[:, :h // 2 * 2, :w // 2 * 2]
    x = tf.reshape(x, [-1, h // 2, 2, w // 2, 2, C])
    return tf.reduce_max(x, axis=[2, 4])


def drop(x: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Dropout: a share DROPOUT of the units becomes zero. Dividing the others keeps the mean.

    x [B, units]; noise [B, units], uniform in [0, 1)
    """
    return x * tf.cast(noise >= DROPOUT, x.dtype) / (1 - DROPOUT)


build = CNN  # what model.build looks for
