"""A convolution layer, the forms in which it can be computed, and the choice of the fastest.

    direct     tf.nn.conv2d: for a GPU; very slow where XLA compiles it for a CPU
    patches    one product of matrices (patches.py)
    fourier    fewer products for each image, but each batch transforms the kernel (fourier.py)
"""
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from model import fourier, patches


class Convolution(tf.keras.layers.Layer):
    """A convolution with bias. [B, H, W, C] -> [B, out_h, out_w, filters]

    out = (H - k) // stride + 1 without padding. same: zeros around the image let out be H; only at
    stride 1. form: "direct", "patches", "fourier", or "auto" for the fastest, which depends on B.
    All have the same variables: kernel [k, k, filters, C] and bias [filters]. next_stride: that of
    the convolution that reads the result; "patches" orders its result for the Fourier form of it.
    initializer: makes the initializer of the kernel; bias: its first value; divisor: what the
    products are divided by before the bias is added.
    """

    def __init__(self, filters: int, kernel: int, stride: int = 1, form: str = "auto",
                 activation=None, next_stride: int = 1, same: bool = False,
                 initializer: Callable = tf.keras.initializers.GlorotUniform, bias: float = 0.0,
                 divisor: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.stride = filters, (kernel, kernel), stride
        self.form, self.next_stride, self.same = form, next_stride, same
        self.activation = tf.keras.activations.get(activation)
        self.initializer, self.first_bias, self.divisor = initializer, bias, divisor

    def build(self, shape):
        kernel_shape = (*self.kernel_size, self.filters, shape[-1])
        self.kernel = self.add_weight(name="kernel", shape=kernel_shape,
                                      initializer=self.initializer())
        self.bias = self.add_weight(name="bias", shape=(self.filters,),
                                    initializer=tf.keras.initializers.Constant(self.first_bias))

    def call(self, images):
        if self.same:  # one zero more below and to the right if the kernel is even
            around = [[(k - 1) // 2, k // 2] for k in self.kernel_size]
            images = tf.pad(images, [[0, 0], *around, [0, 0]])

        # the products, in the form that is asked for
        form = self.form
        if form == "auto":
            form = fastest(images.shape, self.kernel.shape, self.stride)
        if form == "direct":
            kernel = tf.transpose(self.kernel, [0, 1, 3, 2])             # [k, k, C, filters]
            y = tf.nn.conv2d(images, kernel, self.stride, "VALID")
        elif form == "patches" and self._is_ordered(images):
            y = patches.convolve_for_fourier(images, self.kernel, self.stride, self.next_stride)
        elif form == "patches":
            y = patches.convolve(images, self.kernel, self.stride)
        else:
            tile = best_tile(images.shape, self.kernel.shape, self.stride)
            y = fourier.convolve(images, self.kernel, self.stride, tile)

        # bias and activation
        if self.divisor != 1:
            y /= self.divisor
        return self.activation(y + self.bias)

    def _is_ordered(self, images) -> bool:
        """Whether the next convolution has phases, all equally large."""
        sizes = fourier.geometry(images.shape[1:3], self.kernel_size, self.stride)
        return self.next_stride > 1 and not np.any(np.mod(sizes.out, self.next_stride))


# ---- the choice ----

# A number of a transformed kernel, computed, written and read, takes a CPU as long as 60 products.
# So the paper's network takes the Fourier form from 18 images on. Measured on two AVX-512 cores, in
# ms for 16 and 20 images: training 154 and 187 by patches, 159 and 142 by Fourier; prediction 57
# and 68 by patches, 87 and 63 by Fourier.
PRODUCTS_FOR_A_NUMBER = 60
LARGE = 10_000  # images in a batch whose number is unknown


def fastest(image_shape: tuple, kernel_shape: tuple, stride: int) -> str:
    """Returns the fastest form for images (B, H, W, C) and a kernel (k_h, k_w, O, C).

    On a GPU the choice is left to its library. On a CPU the Fourier form saves products with every
    image, and has a price for every batch: the transformed kernel, 155 MB in the paper's network. A
    B that is unknown, None, counts as large.
    """
    if tf.config.get_visible_devices("GPU"):
        return "direct"
    tile = best_tile(image_shape, kernel_shape, stride)
    costs = fourier.costs(image_shape[1:], kernel_shape, stride, tile)
    saved = costs.direct - costs.fourier  # "patches" makes as many products as "direct"
    batch = image_shape[0] or LARGE
    if batch * saved > PRODUCTS_FOR_A_NUMBER * costs.kernel:
        return "fourier"
    return "patches"


def best_tile(image_shape: tuple, kernel_shape: tuple, stride: int) -> fourier.Size:
    """Returns the tile with which the Fourier form is the fastest, for the same arguments."""
    batch = image_shape[0] or LARGE

    def price(tile):
        costs = fourier.costs(image_shape[1:], kernel_shape, stride, tile)
        return batch * costs.fourier + PRODUCTS_FOR_A_NUMBER * costs.kernel

    return min(fourier.possible_tiles(image_shape[1:], kernel_shape, stride), key=price)
