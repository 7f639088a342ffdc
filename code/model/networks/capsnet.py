"""CapsNet as the paper draws it.

conv1 -> primary capsules -> class capsules (fig. 1) -> masked decoder (fig. 2)
"""
import math

import tensorflow as tf

from model import capsules
from model.convolution import Convolution
from model.losses import margin_loss, reconstruction_loss
from model.network import Network, Output, activity, targets, top_k
from model.routing import entropy, votes
from model.routings import Routing
from model.start import Start, start_of
from registry import module, names
from settings import Setting, one_of

SETTINGS = {
    "INIT": Setting(
        "keras", "how the weights of --model capsnet begin: keras (Keras' default convolutions), "
        "authors (as in the authors' code, with biases) or small (small routing weights)",
        "ours; authors: their code", one_of(("keras", "authors", "small"))),
    "ROUTING": Setting(
        "dynamic", "from votes to class capsules with --model capsnet: "
        f"{', '.join(names('model.routings'))}", "paper, sec. 2", one_of(names("model.routings"))),
}
SHORT = 0.1  # a primary capsule that is shorter says next to nothing: m- of the class capsules
KERNEL = 9  # both convolutions are 9 x 9: conv1 at stride 1, the primary capsules at stride 2


class CapsNet(Network):
    """The network of the paper: for 28 x 28 pixels and 10 classes 8,215,568 parameters.

    1,411,344 of them are the decoder's.
    """
    capabilities = frozenset({"capsules", "decoder", "routing"})

    def __init__(self, cfg, image_shape: tuple[int, int, int], classes: int, **kwargs):
        super().__init__(image_shape, classes, **kwargs)
        start = self.start(cfg)
        self.make_encoder(cfg, start)
        self.decoder = Decoder(image_shape, cfg.DECODER_UNITS, start, name="decoder")
        self.m_pos, self.m_neg, self.absent_weight = cfg.M_POS, cfg.M_NEG, cfg.LAMBDA
        self.reconstruction_weight = cfg.RECONSTRUCT_W
        self.make_variables()

    def start(self, cfg) -> Start:
        """Returns what the weights begin with."""
        return start_of(cfg.INIT)

    def make_encoder(self, cfg, start: Start):
        """Makes the layers conv1, primary_caps and digit_caps."""
        # conv1 has few input channels, so the Fourier form is never faster there. Of CONV_WAY it
        # obeys only "direct". next_stride is for speed: it orders the result for primary_caps.
        self.conv1 = Convolution(cfg.CONV1_CHANNELS, KERNEL, activation="relu", next_stride=2,
                                 form="direct" if cfg.CONV_WAY == "direct" else "auto",
                                 initializer=start.conv1, bias=start.bias, name="conv1")
        self.primary_caps = PrimaryCaps(cfg.PRIMARY_CAPS_CHANNELS, cfg.PRIMARY_DIM, cfg.CONV_WAY,
                                        start, name="primary_caps")
        routing = module("model.routings", cfg.ROUTING).build(cfg)
        self.digit_caps = DigitCaps(self.classes, cfg.DIGIT_DIM, routing, start, name="digit_caps")

    def call(self, images, labels=None, training=False) -> Output:
        """images [B, H, W, C] in [0, 1] -> Output

        labels [B, K]: for each of them the decoder gets that capsule, and zeros for all others
        (section 4.1). None: it gets the longest one, K = 1. `training` changes nothing.
        """
        v = self.encode(images)                                # [B, J, E]
        lengths = capsules.length(v)                           # [B, J]
        chosen = top_k(lengths, 1) if labels is None else labels
        return Output(lengths, v, self.decode(v, chosen))

    def encode(self, images):
        """images [B, H, W, C] in [0, 1] -> class capsules v [B, J, E]"""
        features = self.conv1(images)                          # [B, 20, 20, 256] for MNIST
        u = self.primary_caps(features)                        # [B, I, D] = [B, 1152, 8]
        return self.digit_caps(u)                              # [B, J, E] = [B, 10, 16]

    def encode_unrouted(self, images):
        """images [B, H, W, C] in [0, 1] -> class capsules [B, J, E], if all votes count the same
        """
        u = self.primary_caps(self.conv1(images))              # [B, I, D]
        return self.digit_caps.unrouted(u)                     # [B, J, E]

    def primary_rows(self) -> int:
        """Returns how many rows of positions the primary capsules have."""
        side = self.image_shape[0]
        for convolution in (self.conv1, self.primary_caps.conv):
            side = (side - KERNEL) // convolution.stride + 1
        return side

    def decode(self, v, labels):
        """Returns an image for each label [B, K, H, W, C] in [0, 1]

        v [B, J, E]: class capsules; labels [B, K]: the classes whose capsules are decoded
        """
        images = [self.decoder(capsules.mask(v, chosen)) for chosen in tf.unstack(labels, axis=1)]
        return tf.stack(images, axis=1)

    def health(self, images, labels) -> dict[str, tf.Tensor]:
        features = self.conv1(images)                          # [B, h, w, channels]
        u = self.primary_caps(features)                        # [B, I, D]
        lengths = capsules.length(self.digit_caps(u))          # [B, J]
        present = targets(labels, self.classes)                # [B, J]
        absent = 1 - present
        u_hat = votes(u, self.digit_caps.W)                    # [I, J, E, B]
        routing = self.digit_caps.routing
        couplings = routing.couplings(u_hat, self.digit_caps)  # [I, J, B] each
        is_short = tf.cast(capsules.length(u) < SHORT, tf.float32)
        return {
            **activity(features),
            "short_primary_capsules": tf.reduce_mean(is_short, axis=1),
            "length_correct": tf.reduce_sum(lengths * present, 1) / tf.reduce_sum(present, 1),
            "length_wrong": tf.reduce_sum(lengths * absent, 1) / tf.reduce_sum(absent, 1),
            "coupling_entropy": tf.reduce_mean(entropy(couplings[-1]), axis=0),
            "logit_change": routing.logit_changes(u_hat, couplings, self.digit_caps),
        }

    def loss_terms(self, output, labels, sources) -> dict[str, tf.Tensor]:
        """loss = margin + RECONSTRUCT_W * reconstruction, each [B].

        labels [B, K]; sources [B, K, H, W, C] in [0, 1]
        """
        present = targets(labels, self.classes)                # [B, J]
        margin = margin_loss(output.scores, present, self.m_pos, self.m_neg, self.absent_weight)
        reconstruction = reconstruction_loss(sources, output.reconstruction)
        loss = margin + self.reconstruction_weight * reconstruction
        return {"loss": loss, "margin": margin, "reconstruction": reconstruction}


class PrimaryCaps(tf.keras.layers.Layer):
    """A convolution whose channels are cut into capsules of D dimensions, squashed. [B, h, w,
    channels] -> [B, I, D]

    I = positions * types. There is no ReLU: a capsule may point anywhere.
    """

    def __init__(self, types: int, dim: int, conv_way: str, start: Start, **kwargs):
        super().__init__(**kwargs)
        self.types, self.dim = types, dim
        self.conv = Convolution(types * dim, KERNEL, stride=2, form=conv_way,
                                initializer=start.primary, bias=start.bias,
                                divisor=start.primary_divisor, name="conv")

    def call(self, features):
        s = self.conv(features)                                # [B, 6, 6, 256] for MNIST
        _, height, width, channels = s.shape
        u = tf.reshape(s, [-1, height * width * channels // self.dim, self.dim])
        return capsules.squash(u)                              # [B, I, D]


class DigitCaps(tf.keras.layers.Layer):
    """One capsule of E dimensions for each class, by routing. [B, I, D] -> [B, J, E]"""

    def __init__(self, classes: int, dim: int, routing: Routing, start: Start, **kwargs):
        super().__init__(**kwargs)
        self.classes, self.dim, self.routing, self.start = classes, dim, routing, start
        self.prior = self.bias = None

    def build(self, shape):
        _, I, D = shape
        self.W = self.add_weight(name="W", shape=(I, D, self.classes, self.dim),
                                 initializer=self.start.W())
        self.routing.add_weights(self)
        if self.start.class_bias:
            self.bias = self.add_weight(name="bias", shape=(self.classes, self.dim),
                                        initializer=tf.keras.initializers.Constant(self.start.bias))

    def call(self, u):
        return self.routing(u, self)

    def unrouted(self, u):
        """Every vote with the same coupling coefficient 1 / J. u [B, I, D] -> [B, J, E]"""
        s = tf.einsum("bid,idje->bje", u, self.W) / self.classes
        return self.routing.squash(s if self.bias is None else s + self.bias)


class Decoder(tf.keras.layers.Layer):
    """Three dense layers from the masked capsules [B, J, E] to an image [B, H, W, C] in [0, 1]."""

    def __init__(self, image_shape: tuple[int, int, int], units: int, start: Start, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)

        def dense(units, activation, name):
            bias = tf.keras.initializers.Constant(start.bias)
            return tf.keras.layers.Dense(units, activation, kernel_initializer=start.dense(),
                                         bias_initializer=bias, name=name)

        self.hidden1 = dense(units, "relu", "hidden1")
        self.hidden2 = dense(2 * units, "relu", "hidden2")
        self.pixels = dense(math.prod(self.image_shape), "sigmoid", "pixels")

    def call(self, masked):
        flat = tf.reshape(masked, [-1, masked.shape[1] * masked.shape[2]])     # [B, J E]
        pixels = self.pixels(self.hidden2(self.hidden1(flat)))                 # [B, H W C]
        return tf.reshape(pixels, [-1, *self.image_shape])                     # [B, H, W, C]


build = CapsNet  # what model.build looks for
