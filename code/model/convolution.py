"""A convolution layer, the forms in which it can be computed, and the choice of the fastest.

    direct     tf.nn.conv2d: the fastest on a GPU, very slow where XLA compiles it for a CPU
    patches    one product of matrices (patches.py)
    fourier    fewer products for each image, and a price for each batch (fourier.py)
"""
import math

import tensorflow as tf

from model import fourier, patches


class Convolution(tf.keras.layers.Layer):
    """A convolution without padding, with bias. [B, H, W, C] -> [B, out_h, out_w, filters]

    out = (H - k) // stride + 1. form: "direct", "patches", "fourier", or "auto" for the fastest,
    which depends on B. All have the same variables: kernel [k, k, filters, C] and bias [filters].
    """

    def __init__(self, filters: int, kernel: int, stride: int = 1, form: str = "auto",
                 activation=None, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.stride = filters, (kernel, kernel), stride
        self.form = form
        self.activation = tf.keras.activations.get(activation)

    def build(self, shape):
        kernel_shape = (*self.kernel_size, self.filters, shape[-1])
        self.kernel = self.add_weight(name="kernel", shape=kernel_shape)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, images):
        form = self.form
        if form == "auto":
            form = fastest(images.shape, self.kernel.shape, self.stride)
        if form == "direct":
            kernel = tf.transpose(self.kernel, [0, 1, 3, 2])             # [k, k, C, filters]
            y = tf.nn.conv2d(images, kernel, self.stride, "VALID")
        elif form == "patches":
            y = patches.convolve(images, self.kernel, self.stride)
        else:
            y = fourier.convolve(images, self.kernel, self.stride)
        return self.activation(y + self.bias)


# ---- the choice ----

# Products that a CPU makes while it makes, writes and reads one number of a transformed kernel.
PRODUCTS_FOR_A_NUMBER = 60  # TODO-NUMBER


def fastest(image_shape: tuple, kernel_shape: tuple, stride: int) -> str:
    """-> the fastest form for images (B, H, W, C) and a kernel (k_h, k_w, O, C).

    On a GPU that is its library's own convolution. On a CPU the Fourier form saves products with
    every image. For every batch it has a price, the transformed kernel: 155 MB in the paper's
    network, whatever B is. A B that is unknown, None, counts as large.
    """
    if tf.config.get_visible_devices("GPU"):
        return "direct"
    costs = fourier.costs(image_shape[1:], kernel_shape, stride)
    saved = costs.direct - costs.fourier
    batch = image_shape[0] or math.inf
    if batch * saved > PRODUCTS_FOR_A_NUMBER * costs.kernel:
        return "fourier"
    return "patches"


def is_slow_in_xla(form: str) -> bool:
    """Whether XLA would compile this form many times slower than TensorFlow runs it: on a CPU."""
    return form == "direct" and not tf.config.get_visible_devices("GPU")
