"""What every network offers to training and evaluation."""
import hashlib
from typing import NamedTuple

import tensorflow as tf


class Output(NamedTuple):
    """What a network says of B images. What it does not have is None."""
    scores: tf.Tensor                          # [B, J] lengths of the capsules, otherwise logits
    capsules: tf.Tensor | None = None          # [B, J, E]
    reconstruction: tf.Tensor | None = None    # [B, K, H, W, C] in [0, 1], one for each label


class Step(NamedTuple):
    """One step of a chain."""
    kind: str  # "convolution" (SAME, stride 1), "max_pool" (2 x 2), or "dense" of the flat input
    # A convolution.Convolution or a Keras Dense, with bias, and a ReLU or no activation.
    layer: tf.keras.layers.Layer | None = None


class Chain(NamedTuple):
    """What a network computes, where each step reads the result of the one before and no other."""
    steps: list[Step]   # from the images [B, H, W, C] to the scores [B, J]
    probabilities: str  # what makes them of the scores: "softmax", or "sigmoid" of each


class Network(tf.keras.Model):
    """A network for images [H, W, C] in [0, 1] and J classes.

    `capabilities` says what evaluation may ask for beyond scores: "capsules" (Output.capsules),
    "routing" (`encode_unrouted`) and "decoder" (Output.reconstruction and `decode`). A network with
    routing or a decoder has capsules, too. With capsules, the scores are their lengths, in [0, 1].

    `noise_count` is how many random numbers a training step draws for each image. If there are any,
    `call` gets them as `noise` [B, n], uniform in [0, 1), with training=True. They follow from seed
    and step, and each image has its own: a run resumes exactly, on any number of devices.

    Variables that are not trained, such as the moving statistics of a batch normalisation, take at
    the end of a training step what `call` assigned to them: the mean over the images of all
    replicas. They are float32. Checkpoints have them, and the averages of EMA leave them as they
    are.
    """
    capabilities: frozenset[str] = frozenset()
    noise_count = 0

    def __init__(self, image_shape: tuple[int, int, int], classes: int, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.classes = tuple(image_shape), classes

    def make_variables(self):
        """Makes all variables, and computes nothing. The last line of a network's constructor.

        A checkpoint would be restored wrongly into a network that was never called, and would not
        have a layer that is in a list: TypeError if there is one.
        """
        tf.function(self).get_concrete_function(tf.TensorSpec([2, *self.image_shape]))
        saved = {id(one) for one in tf.train.TrackableView(self).descendants()}
        lost = [variable.path for variable in self.variables if id(variable) not in saved]
        if lost:
            raise TypeError("expected each layer as an attribute of its own; received variables "
                            f"that a checkpoint would not have: {', '.join(lost)}")

    def digest(self) -> str:
        """Returns the SHA-256 of all weights, hexadecimal: it tells networks of one name apart"""
        digest = hashlib.sha256()
        for variable in self.variables:
            digest.update(variable.numpy().tobytes())
        return digest.hexdigest()

    def call(self, images, labels=None, training=False) -> Output:
        """images [B, H, W, C] in [0, 1], labels [B, K] to decode, None: the best one -> Output"""
        raise NotImplementedError

    def chain(self) -> Chain | None:
        """Returns the steps of a prediction, for who computes it anew; None: it is no chain."""
        return None

    def decode(self, capsules, labels):
        """capsules [B, J, E], labels [B, K] -> an image for each label [B, K, H, W, C] in [0, 1]"""
        raise NotImplementedError

    def health(self, images, labels) -> dict[str, tf.Tensor]:
        """Numbers that tell whether the layers are alive, each [B], or [B, n] for n channels."""
        return {}

    def encode_unrouted(self, images):
        """images [B, H, W, C] in [0, 1] -> the class capsules [B, J, E] without any routing"""
        raise NotImplementedError

    def loss_terms(self, output: Output, labels, sources) -> dict[str, tf.Tensor]:
        """Returns what training minimises, as "loss" [B], and the terms it is made of, each [B].

        labels [B, K]; sources [B, K, H, W, C] in [0, 1], what each label shows alone.
        """
        raise NotImplementedError


def targets(labels, classes: int):
    """labels [B, K] -> [B, J] float32, 1 where a class is present"""
    return tf.reduce_max(tf.one_hot(labels, classes), axis=1)


def activity(features) -> dict[str, tf.Tensor]:
    """What `Network.health` says of the first convolution, whose ReLU gives features [B, h, w, C].

    -> "fires" [B, C], 1 where a channel is positive anywhere; "positive_activations" [B], the
    fraction of all that are positive
    """
    positive = tf.cast(features > 0, tf.float32)                               # [B, h, w, C]
    return {"fires": tf.reduce_max(positive, axis=[1, 2]),
            "positive_activations": tf.reduce_mean(positive, axis=[1, 2, 3])}


def top_k(scores, count: int):
    """scores [B, J] -> classes of the largest [B, count], in order; of equals the lower first"""
    return tf.math.top_k(scores, count).indices


def exact_match(scores, labels):
    """Returns 1.0 where the K largest scores [B, J] are those of the K labels [B, K], else 0.0; [B]
    """
    predicted = tf.sort(top_k(scores, labels.shape[1]), axis=1)
    return tf.cast(tf.reduce_all(predicted == tf.sort(labels, axis=1), axis=1), tf.float32)
