"""A convolution as one product of matrices: the patch of the image under each position, times the
filters.

XLA's own convolution is many times slower than its product of matrices on a CPU. A compiled step
needs this form wherever the Fourier form does not pay: for conv1, whose images have one channel,
and for small batches. TODO-NUMBER
"""
import numpy as np
import tensorflow as tf


def convolve(images: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """A convolution without padding, to float32 rounding the numbers of tf.nn.conv2d.

    images [N, H, W, C], kernel [k_h, k_w, O, C] -> [N, out_h, out_w, O] with out = (H - k) //
    stride + 1
    """
    (H, W, C), (kh, kw, O, _) = images.shape[1:], kernel.shape
    h, w = (H - kh) // stride + 1, (W - kw) // stride + 1

    # Which pixel each tap (a, b) reads at each position (i, j).
    i, j, a, b = np.ogrid[:h, :w, :kh, :kw]
    pixel = (i * stride + a) * W + j * stride + b                        # [h, w, kh, kw]

    # A row for each position, a column for each filter, and their product.
    x = tf.gather(tf.reshape(images, [-1, H * W, C]), pixel.ravel(), axis=1)
    x = tf.reshape(x, [-1, kh * kw * C])                                 # [N h w, kh kw C]
    filters = tf.reshape(tf.transpose(kernel, [0, 1, 3, 2]), [kh * kw * C, O])
    return tf.reshape(tf.matmul(x, filters), [-1, h, w, O])
