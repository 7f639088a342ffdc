"""A convolution layer with three exchangeable ways to compute the same numbers, and the choice between them."""
import numpy as np
import tensorflow as tf

import fourier


class Convolution(tf.keras.layers.Layer):
    """A convolution without padding, with bias. [B, H, W, C] -> [B, (H - k) // stride + 1, ..., filters]

    way: "direct" is tf.nn.conv2d, "fourier" is fourier.py, "patches" is below, "auto" takes what `choose` says. The
    variables are the same: kernel [k, k, filters, C], bias [filters].
    stride_after: of the layer that reads the result, which "patches" then lays out in the order that "fourier" reads.
    """

    def __init__(self, filters, kernel, stride=1, way="auto", activation=None, stride_after=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.stride, self.way = filters, (kernel, kernel), stride, way
        self.activation, self.stride_after = tf.keras.activations.get(activation), stride_after

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(*self.kernel_size, self.filters, shape[-1]))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, images):
        way = choose(images.shape, self.kernel.shape, self.stride) if self.way == "auto" else self.way
        if way == "direct":
            kernel = tf.transpose(self.kernel, [0, 1, 3, 2])
            return self.activation(tf.nn.conv2d(images, kernel, self.stride, "VALID") + self.bias)
        if way == "fourier":
            return self.activation(fourier.convolve(images, self.kernel, self.stride) + self.bias)
        return by_patches(images, self.kernel, self.bias, self.activation, self.stride, self.stride_after)


def choose(image_shape, kernel_shape, stride):
    """-> the fastest way for images (B, H, W, C) and a kernel (k, k, filters, C): "direct", "fourier" or "patches".

    On a GPU its library's own convolution is the fastest. On a CPU the form with fewer products is; where that is the
    direct one, it is written as one product of matrices: XLA's own convolution is many times slower there.
    """
    if tf.config.get_visible_devices("GPU"):
        return "direct"
    by_fourier, by_direct = fourier.products(image_shape[1:], kernel_shape, stride, image_shape[0])
    return "fourier" if by_fourier < by_direct else "patches"


def by_patches(images, kernel, bias, activation, stride, stride_after):
    """The convolution as one product, a patch of the image per row, a filter per column: [B, H, W, C] -> [B, h, w, O]

    Its rows are in the order in which fourier.convolve reads them: compiled by XLA, their two transposes cancel out.
    """
    (H, W, C), (kh, kw, O, _) = images.shape[1:], kernel.shape
    h, w = (H - kh) // stride + 1, (W - kw) // stride + 1
    s = stride_after if h % stride_after == w % stride_after == 0 else 1
    shape = h // s, w // s, s, s
    u, v, py, px, a, b, c = np.ogrid[tuple(map(slice, (*shape, kh, kw, C)))]
    pixel = (((u * s + py) * stride + a) * W + (v * s + px) * stride + b) * C + c  # which one tap (a, b, c) reads
    pixel = pixel.transpose(4, 5, 6, 0, 1, 2, 3).reshape(kh * kw * C, h * w // s ** 2, s * s)
    patches = tf.gather(tf.reshape(images, [-1, H * W * C]), pixel, axis=1)
    patches = tf.reshape(tf.transpose(patches, [1, 2, 0, 3]), [kh * kw * C, -1])   # [kh kw C, hw/ss B ss]
    kernel = tf.reshape(tf.transpose(kernel, [0, 1, 3, 2]), [kh * kw * C, O])
    y = activation(tf.matmul(patches, kernel, transpose_a=True) + bias)            # [hw/ss B ss, O]
    y = tf.reshape(y, [h // s, w // s, -1, s, s, O])
    return tf.reshape(tf.transpose(y, [2, 0, 3, 1, 4, 5]), [-1, h, w, O])
