"""CapsNet as the paper draws it: conv1 -> primary capsules -> class capsules (fig. 1) -> masked decoder (fig. 2)."""
from typing import NamedTuple

import tensorflow as tf

import capsules
from convolutions import Convolution

KERNEL = 9  # both convolutions are 9 x 9 without padding, conv1 at stride 1 and the primary capsules at stride 2


class Output(NamedTuple):
    """What CapsNet returns."""
    v: tf.Tensor               # class capsules [B, J, E]
    lengths: tf.Tensor         # ||v|| [B, J], between 0 and 1
    reconstruction: tf.Tensor  # [B, H, W, C] in [0, 1]


class PrimaryCaps(tf.keras.layers.Layer):
    """A convolution whose channels are cut into capsules of D dimensions, squashed. [B, h, w, channels] -> [B, I, D]

    I = positions * types. There is no ReLU: a capsule may point anywhere.
    """

    def __init__(self, types, dim, conv_way, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.conv = Convolution(types * dim, KERNEL, stride=2, way=conv_way, name="conv")

    def call(self, features):
        s = self.conv(features)                                # [B, 6, 6, 256] for MNIST
        positions, channels = s.shape[1] * s.shape[2], s.shape[3]
        u = tf.reshape(s, [-1, positions * channels // self.dim, self.dim])
        return capsules.squash(u)


class DigitCaps(tf.keras.layers.Layer):
    """One capsule of E dimensions per class, by routing the primary capsules' votes. [B, I, D] -> [B, J, E]"""

    def __init__(self, classes, dim, iterations, way, prior_training, **kwargs):
        super().__init__(**kwargs)
        self.classes, self.dim = classes, dim
        self.iterations, self.way, self.prior_training = iterations, way, prior_training
        self.prior = None

    def build(self, shape):
        _, I, D = shape
        # stddev 0.1 as in the authors' code: with Keras' default for four axes the votes are too small to learn from.
        self.W = self.add_weight(name="W", shape=(I, D, self.classes, self.dim),
                                 initializer=tf.keras.initializers.TruncatedNormal(stddev=0.1))
        if self.prior_training:
            self.prior = self.add_weight(name="prior", shape=(I, self.classes), initializer="zeros")

    def call(self, u):
        u_hat = capsules.votes(u, self.W)                      # [I, J, E, B]
        return capsules.route(u_hat, self.iterations, self.way, self.prior)


class Decoder(tf.keras.layers.Layer):
    """Three dense layers from the masked capsules [B, J, E] to an image [B, H, W, C] in [0, 1]."""

    def __init__(self, image_shape, units, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)
        self.hidden1 = tf.keras.layers.Dense(units, activation="relu", name="hidden1")
        self.hidden2 = tf.keras.layers.Dense(2 * units, activation="relu", name="hidden2")
        height, width, channels = self.image_shape
        self.pixels = tf.keras.layers.Dense(height * width * channels, activation="sigmoid", name="pixels")

    def call(self, masked):
        flat = tf.reshape(masked, [-1, masked.shape[1] * masked.shape[2]])  # [B, J * E]
        pixels = self.pixels(self.hidden2(self.hidden1(flat)))
        return tf.reshape(pixels, [-1, *self.image_shape])


class CapsNet(tf.keras.Model):
    """The network of the paper for images of `image_shape` (H, W, C) and J `classes`.

    8,215,568 parameters for 28x28x1 and 10 classes, 6,804,224 of them outside the decoder. Its variables exist as soon
    as it does: restoring a checkpoint into a network that was never called would go wrong silently.
    """

    def __init__(self, cfg, image_shape, classes, **kwargs):
        super().__init__(**kwargs)
        self.conv1 = Convolution(cfg.CONV1_CHANNELS, KERNEL, way="direct" if cfg.CONV_WAY == "direct" else "auto",
                                 activation="relu", stride_after=2, name="conv1")
        self.primary_caps = PrimaryCaps(cfg.PRIMARY_CAPS_CHANNELS, cfg.PRIMARY_DIM, cfg.CONV_WAY, name="primary_caps")
        self.digit_caps = DigitCaps(classes, cfg.DIGIT_DIM, cfg.ROUTING_ITERS, cfg.ROUTING_WAY, cfg.PRIOR_TRAINING,
                                    name="digit_caps")
        self.decoder = Decoder(image_shape, cfg.DECODER_UNITS, name="decoder")
        tf.function(self).get_concrete_function(tf.TensorSpec([1, *image_shape]))  # makes variables, computes nothing

    def call(self, images, labels=None):
        """images [B, H, W, C] in [0, 1] -> Output. The decoder sees the capsule of `labels` [B], else the longest."""
        v = self.encode(images)
        lengths = capsules.length(v)                           # [B, J]
        chosen = tf.argmax(lengths, axis=-1) if labels is None else labels
        return Output(v, lengths, self.decode(v, chosen))

    def encode(self, images):
        """images [B, H, W, C] in [0, 1] -> class capsules v [B, J, E]"""
        features = self.conv1(images)                          # [B, 20, 20, 256] for MNIST
        u = self.primary_caps(features)                        # [B, I, D] = [B, 1152, 8]
        return self.digit_caps(u)

    def decode(self, v, chosen):
        """class capsules v [B, J, E], the class `chosen` [B] for each -> images [B, H, W, C] in [0, 1]"""
        return self.decoder(capsules.mask(v, chosen))
