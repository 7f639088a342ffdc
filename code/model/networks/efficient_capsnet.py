"""Efficient-CapsNet (Mazzia, Salvetti, Chiaberge 2021, Scientific Reports 11, 14634).

A CapsNet with 2 % of the parameters: 161,824 on 28 x 28 pixels, without the decoder. The paper
rounds them to 161 thousand. The statistics of the batch normalisation are 576 further numbers.

    four convolutions, each with ReLU and then batch normalisation
    -> depthwise convolution of the whole map -> 16 primary capsules of 8 dimensions
    -> 10 class capsules of 16 dimensions, by attention routing -> the decoder of CapsNet

Details are those of the authors' code, EscVM/Efficient-CapsNet, which made their numbers:

- Attention is divided by the root of E, the dimensions of a vote. The paper writes those of the
  lower capsules.
- The learnt prior is added after the softmax, so the couplings of an image need not add up to 1.
- From 36 pixels on, the third convolution has stride 2, as in their network for MultiMNIST.

Four things are not theirs:

- The depthwise kernel always spans the whole map, as theirs does for MNIST and smallNORB. For
  MultiMNIST they have 5 x 5 taps on a map of 6 x 6. That leaves the last 7 rows and columns of
  pixels unseen, ours the last 3. Ours has 156,064 parameters there, theirs 154,656.
- The decoder begins with Keras' default weights, theirs with He's. For smallNORB, theirs has
  convolutions, and its encoder another first layer and another normalisation.
- Pixels are divided by 255, theirs by 256.
- Training is that of this repository. They train 150 epochs of batches of 16 with a learning rate
  of 0.0005, which is multiplied by 0.97 after each epoch down to 0.00005. Their images are also
  rotated, squeezed and partly erased. Their best epoch is chosen on the test split.

Of the settings of the network it obeys PRIMARY_DIM, DIGIT_DIM, DECODER_UNITS and CONV_WAY.
"""
from functools import partial

import tensorflow as tf

from model.capsules import EPSILON
from model.convolution import Convolution
from model.networks.capsnet import CapsNet, DigitCaps
from model.routings.attention import Attention
from model.start import Start

TYPES = 16  # primary capsules: they have one position
LARGE = 36  # pixels of the longer side, from which on the third convolution has stride 2


def squash(s: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Keeps the direction of s and maps its length n to 1 - exp(-n), between 0 and 1.

    s: capsules along `axis`. -> the same shape. Short capsules keep their length, where equation 1
    of Sabour and others squares it.
    """
    n = tf.sqrt(tf.reduce_sum(tf.square(s), axis=axis, keepdims=True) + EPSILON)
    return s * (1 - tf.exp(-n)) / n


class EfficientAttention(Attention):
    """Attention routing with the squash of this network."""
    squash = staticmethod(squash)


class EfficientCapsNet(CapsNet):
    """For 28 x 28 pixels and 10 classes 161,824 parameters, and 1,411,344 of the decoder.

    With training=True, which Keras passes on to all layers, the batch normalisation takes mean and
    variance of the batch. Otherwise it takes the moving ones.
    """

    def start(self, cfg) -> Start:
        # Our kernels are [k, k, filters, C]: the inputs of a filter are what Keras calls fan-out.
        he = partial(tf.keras.initializers.VarianceScaling, 2.0, "fan_out", "truncated_normal")
        glorot = tf.keras.initializers.GlorotUniform
        return Start(he, primary=glorot, W=tf.keras.initializers.HeNormal, dense=glorot)

    def make_encoder(self, cfg, start: Start):
        stride = 2 if max(self.image_shape[:2]) >= LARGE else 1
        self.conv1 = convolution(1, 32, cfg, start, kernel=5)
        self.primary_caps = PrimaryCaps(stride, cfg, start, name="primary_caps")
        routing = EfficientAttention(cfg)
        self.digit_caps = DigitCaps(self.classes, cfg.DIGIT_DIM, routing, start, name="digit_caps")

    def primary_rows(self) -> int:
        return 1


def convolution(number: int, filters: int, cfg, start: Start, kernel: int = 3,
                stride: int = 1) -> Convolution:
    return Convolution(filters, kernel, stride, form=cfg.CONV_WAY, activation="relu",
                       initializer=start.conv1, name=f"conv{number}")


class PrimaryCaps(tf.keras.layers.Layer):
    """All that is between the first convolution and the routing. [B, h, w, 32] -> [B, I, D]"""

    def __init__(self, stride: int, cfg, start: Start, **kwargs):
        """stride: of the third convolution"""
        super().__init__(**kwargs)
        self.types, self.dim = TYPES, cfg.PRIMARY_DIM
        self.conv2 = convolution(2, 64, cfg, start)
        self.conv3 = convolution(3, 64, cfg, start, stride=stride)
        self.conv4 = convolution(4, TYPES * self.dim, cfg, start, stride=2)
        for number in range(1, 5):  # momentum 0.99 and epsilon 0.001, Keras' defaults
            setattr(self, f"norm{number}",
                    tf.keras.layers.BatchNormalization(name=f"norm{number}"))
        self.depthwise = Depthwise(start, name="depthwise")

    def call(self, features):
        x = self.norm1(features)                               # [B, 24, 24, 32] for MNIST
        x = self.norm2(self.conv2(x))                          # [B, 22, 22, 64]
        x = self.norm3(self.conv3(x))                          # [B, 20, 20, 64]
        x = self.norm4(self.conv4(x))                          # [B, 9, 9, I D] = [B, 9, 9, 128]
        return squash(tf.reshape(self.depthwise(x), [-1, self.types, self.dim]))


class Depthwise(tf.keras.layers.Layer):
    """A depthwise convolution at one position: its kernel is as large as the map. [B, h, w, C] ->
    [B, C]
    """

    def __init__(self, start: Start, **kwargs):
        super().__init__(**kwargs)
        self.initializer = start.primary

    def build(self, shape):
        _, h, w, C = shape
        # the shape of a grouped convolution's kernel, by which Glorot's limit is computed
        self.kernel = self.add_weight(name="kernel", shape=(h, w, 1, C),
                                      initializer=self.initializer())
        self.bias = self.add_weight(name="bias", shape=(C,), initializer="zeros")

    def call(self, x):
        return tf.reduce_sum(x * self.kernel[:, :, 0], axis=[1, 2]) + self.bias


build = EfficientCapsNet  # what model.build looks for
