"""A convolution as one product of matrices: the patch of the image at each position, times filters.

XLA's own convolution is many times slower than its product of matrices on a CPU. A compiled step
needs this form where the Fourier form does not pay: for conv1 and for small batches.
"""
import numpy as np
import tensorflow as tf


def convolve(images: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """A convolution without padding, to float32 rounding the numbers of tf.nn.conv2d.

    images [N, H, W, C], kernel [k_h, k_w, O, C] -> [N, h, w, O] with h = (H - k_h) // stride + 1
    """
    (H, W, C), (kh, kw, O, _) = images.shape[1:], kernel.shape
    h, w = (H - kh) // stride + 1, (W - kw) // stride + 1

    # Which pixel each tap (a, b) reads at each position (i, j).
    i, j, a, b = np.ogrid[:h, :w, :kh, :kw]
    pixel = (i * stride + a) * W + j * stride + b                        # [h, w, kh, kw]

    # A row for each position, a column for each filter, and their product.
    x = tf.gather(tf.reshape(images, [-1, H * W, C]), pixel.ravel(), axis=1)
    x = tf.reshape(x, [-1, kh * kw * C])                                 # [N h w, kh kw C]
    filters = columns_of(kernel)                                         # [kh kw C, O]
    return tf.reshape(tf.matmul(x, filters), [-1, h, w, O])


def convolve_for_fourier(images: tf.Tensor, kernel: tf.Tensor, stride: int, s: int) -> tf.Tensor:
    """The same numbers, for a convolution of stride s by fourier.py, which reads the result.

    That one takes the position (i, j) = (u s + p, v s + q) as the place (u, v) of the phase (p, q),
    with u and v in front, then the batch N, then p and q. This product makes its rows in that
    order, so that XLA drops the transposes between the two: 4 to 6 % of a prediction of 100 images
    of MNIST, 1 % of a training step. h and w are multiples of s.
    """
    (H, W, C), (kh, kw, O, _) = images.shape[1:], kernel.shape
    h, w = (H - kh) // stride + 1, (W - kw) // stride + 1

    # Which pixel and channel each tap (a, b, c) reads at each position.
    u, v, p, q, a, b, c = np.ogrid[:h // s, :w // s, :s, :s, :kh, :kw, :C]
    i, j = u * s + p, v * s + q
    pixel = ((i * stride + a) * W + j * stride + b) * C + c
    pixel = pixel.transpose(4, 5, 6, 0, 1, 2, 3)                         # [kh, kw, C, u, v, p, q]
    pixel = pixel.reshape(kh * kw * C, h * w // s ** 2, s * s)           # [kh kw C, u v, p q]

    # A column for each position, with N between u v and p q, one for each filter, their product.
    x = tf.gather(tf.reshape(images, [-1, H * W * C]), pixel, axis=1)    # [N, kh kw C, u v, p q]
    x = tf.reshape(tf.transpose(x, [1, 2, 0, 3]), [kh * kw * C, -1])     # [kh kw C, u v N p q]
    filters = columns_of(kernel)                                         # [kh kw C, O]
    y = tf.matmul(x, filters, transpose_a=True)                          # [u v N p q, O]

    # Back to images.
    y = tf.reshape(y, [h // s, w // s, -1, s, s, O])                     # [u, v, N, p, q, O]
    y = tf.transpose(y, [2, 0, 3, 1, 4, 5])                              # [N, u, p, v, q, O]
    return tf.reshape(y, [-1, h, w, O])


def columns_of(kernel: tf.Tensor) -> tf.Tensor:
    """kernel [k_h, k_w, O, C] -> a column for each filter [k_h k_w C, O]"""
    kh, kw, O, C = kernel.shape
    return tf.reshape(tf.transpose(kernel, [0, 1, 3, 2]), [kh * kw * C, O])
