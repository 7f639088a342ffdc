"""The convolution of the primary capsules with a fraction of its multiplications: exact, by the
Fourier transform. It serves any large convolution without padding.

PrimaryCaps is over 90 % of a CapsNet's arithmetic: 9 x 9 taps at 36 positions between 256 and 256
channels. Two ideas divide that by 2.9 in batches of 100 images, transforms included, with no
approximation beyond rounding:

1. *Phases.* Every second row and column of the image is a smaller image. A convolution of stride s
   is the sum over the s x s phases of convolutions of stride 1, each with its share of the taps: 5
   x 5 (zeros fill the last row and column) instead of 9 x 9, on 10 x 10 instead of 20 x 20 pixels.
   Phases add up like channels: 4 x 256 -> 256.
2. *Fourier.* The discrete Fourier transform turns a convolution of stride 1 into products. dft.py
   writes it as three constant matrices:

       y = A [(B x) * (G w)]     B: [R, n n], G: [R, taps taps], A: [out out, R]

   where * is a product of matrices over the channels for each of the R rows. The paper's network
   has 148 such products, over the 4 * 256 channels of the phases. The direct convolution has
   36 * 81 over 256 channels. That is as much work as 729 of the others, or 4.9 times as much. The
   transforms are work, too: 2.9 times are left. Gradients come from automatic differentiation.

R grows with the number of positions computed at once, and with it the transformed kernel. So a
large result is computed in *tiles*: each is the convolution of a piece of the image, and the pieces
overlap by taps - 1 pixels of each phase. They share one transformed kernel.
"""
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model import dft
from model.dft import Size

# Up to so many points, one product with B transforms the images: 10 x 10 for 28 x 28 pixels. Above,
# two passes take half of the time: 14 x 14 for 36 x 36 pixels. The limit keeps the results on
# 28 x 28 pixels as they were before there were two passes, to the last bit.
MOST_POINTS_AT_ONCE = 100


class Geometry(NamedTuple):
    """The sizes that a convolution has to do with."""
    out: Size     # of the result
    taps: Size    # of the kernel of one phase
    tile: Size    # of the part of the result that is computed at once
    n: Size       # of the piece of one phase's image that a tile reads: tile + taps - 1
    tiles: Size   # how many cover the result: rows and columns of them, T in all


def geometry(size: Size, kernel: Size, stride: int, tile: Size | None = None) -> Geometry:
    """Returns the sizes of a convolution of images of `size`; tile: None for the whole result."""
    out = tuple((side - k) // stride + 1 for side, k in zip(size, kernel, strict=True))
    taps = tuple(math.ceil(k / stride) for k in kernel)
    tile = tile or out
    n = tuple(t + k - 1 for t, k in zip(tile, taps, strict=True))
    tiles = tuple(math.ceil(o / t) for o, t in zip(out, tile, strict=True))
    return Geometry(out, taps, tile, n, tiles)


# ---- the convolution ----

def convolve(images: tf.Tensor, kernel: tf.Tensor, stride: int,
             tile: Size | None = None) -> tf.Tensor:
    """Returns a convolution without padding: to float32 rounding, the numbers of tf.nn.conv2d.

    images [N, H, W, C], kernel [k_h, k_w, O, C] -> [N, out_h, out_w, O] with out = (H - k) //
    stride + 1. tile: the positions of the result that are computed at once; None: all.
    """
    sizes = geometry(images.shape[1:3], kernel.shape[:2], stride, tile)
    A, B, G = (matrix.astype(np.float32) for matrix in dft.matrices(sizes.tile, sizes.taps))

    # Transform both. T N stands for columns and rows of the tiles, then the images, in this order.
    X = transform_images(images, B, sizes, stride)           # [R, T N, s s C]
    W = transform_kernel(kernel, G, sizes.taps, stride)      # [R, O, s s C]

    # One product of matrices for each row of the transform.
    Y = tf.matmul(X, W, transpose_b=True)                    # [R, T N, O]

    # Transform back, and put the tiles side by side.
    TN, O = tf.shape(X)[1], kernel.shape[2]
    y = tf.matmul(A, tf.reshape(Y, [-1, TN * O]))            # [tile tile, T N O]
    return join(y, sizes, tf.shape(images)[0], O)


def transform_images(images: tf.Tensor, B: np.ndarray, sizes: Geometry, stride: int) -> tf.Tensor:
    """Returns the phases of the images, as channels, cut into the pieces of T tiles, times B.

    images [N, H, W, C], B [R, n n] -> [R, T N, s s C]
    """
    N, (H, W, C), s = tf.shape(images)[0], images.shape[1:], stride

    # The tiles need h x w pixels of each phase. Further pixels are dropped, missing ones are zero.
    h, w = ((count - 1) * tile + n
            for count, tile, n in zip(sizes.tiles, sizes.tile, sizes.n, strict=True))
    used_h, used_w = min(H, h * s), min(W, w * s)
    missing = [[0, 0], [0, h * s - used_h], [0, w * s - used_w], [0, 0]]
    x = tf.pad(images[:, :used_h, :used_w], missing)         # [N, h s, w s, C]

    # Phases: the pixel (u s + p, v s + q) is the pixel (u, v) of the phase (p, q). The phases stand
    # beside the channels, the points of the transform in front.
    x = tf.reshape(x, [N, h, s, w, s, C])
    x = tf.transpose(x, [1, 3, 0, 2, 4, 5])                  # [h, w, N, s, s, C]

    # Tiles, and the transform of each.
    x = cut(x, sizes)                                        # [n, n, columns, rows, N, s, s, C]
    points = math.prod(sizes.n)
    x = tf.reshape(x, [points, -1])
    X = in_two_passes(x, sizes.n) if points > MOST_POINTS_AT_ONCE else tf.matmul(B, x)
    return tf.reshape(X, [len(B), -1, s * s * C])


def in_two_passes(x: tf.Tensor, n: Size) -> tf.Tensor:
    """Returns B x [R, M] by a transform over the height and one over the width. x [n n, M]

    For n x n points, B has about 1.5 n^4 numbers, these passes have about 3 n^3 of them.
    """
    first, second = dft.passes(n)

    # Over the height: one product for all columns of points.
    M = x.shape[1] or tf.shape(x)[1]
    x = tf.reshape(x, [n[0], n[1] * M])
    z = tf.matmul(first.astype(np.float32), x)               # [n, n M], real and imaginary parts

    # Over the width: each row of bins has a matrix of its own.
    parts, start = [], 0
    for matrix in second:
        count = matrix.shape[1] // n[1]                      # 1 if the bin is real, otherwise 2
        part = tf.reshape(z[start:start + count], [count * n[1], M])
        parts.append(tf.matmul(matrix.astype(np.float32), part))
        start += count
    return tf.concat(parts, axis=0)


def transform_kernel(kernel: tf.Tensor, G: np.ndarray, taps: Size, stride: int) -> tf.Tensor:
    """Returns the phases of the kernel, side by side as channels, times G.

    kernel [k_h, k_w, O, C], G [R, taps taps] -> [R, O, s s C]
    """
    (_, _, O, C), s = kernel.shape, stride
    phases = []
    for row, column in np.ndindex(s, s):
        phase = kernel[row::s, column::s]                    # every s-th tap
        missing = [taps[0] - phase.shape[0], taps[1] - phase.shape[1]]
        phases.append(tf.pad(phase, [[0, missing[0]], [0, missing[1]], [0, 0], [0, 0]]))
    w = tf.stack(phases, axis=3)                             # [taps, taps, O, s s, C]
    W = tf.matmul(G, tf.reshape(w, [taps[0] * taps[1], O * s * s * C]))
    return tf.reshape(W, [-1, O, s * s * C])


# ---- tiles ----

def cut(x: tf.Tensor, sizes: Geometry) -> tf.Tensor:
    """Returns the pieces of an image [h, w, ...] that tiles read: [n, n, columns, rows, ...].

    Neighbours overlap by taps - 1 points. A single piece is the image itself, [n, n, ...].
    """
    if sizes.tiles == (1, 1):
        return x
    (rows, columns), (height, width), (n, m) = sizes.tiles, sizes.tile, sizes.n
    x = tf.stack([x[k * height:k * height + n] for k in range(rows)], axis=2)
    return tf.stack([x[:, k * width:k * width + m] for k in range(columns)], axis=2)


def join(y: tf.Tensor, sizes: Geometry, N: tf.Tensor, O: int) -> tf.Tensor:
    """Joins the tiles of N images. [tile tile, columns rows N O] -> [N, out_h, out_w, O]"""
    (rows, columns), (height, width), out = sizes.tiles, sizes.tile, sizes.out
    if sizes.tiles == (1, 1):
        return tf.transpose(tf.reshape(y, [*out, N, O]), [2, 0, 1, 3])
    y = tf.reshape(y, [height, width, columns, rows, N, O])
    y = tf.transpose(y, [4, 3, 0, 2, 1, 5])                  # [N, rows, height, columns, width, O]
    y = tf.reshape(y, [N, rows * height, columns * width, O])
    return y[:, :out[0], :out[1]]


# ---- its cost ----

class Costs(NamedTuple):
    """What decides which form of a convolution is the fastest."""
    direct: int     # products for each image of the other forms, "direct" and "patches"
    fourier: int    # products for each image
    kernel: int     # numbers of the transformed kernel, made once for all images


def costs(image_shape: tuple, kernel_shape: tuple, stride: int, tile: Size | None = None) -> Costs:
    """Counts. image_shape [H, W, C], kernel_shape [k_h, k_w, O, C]; tile as in `convolve`"""
    *kernel, filters, channels = kernel_shape
    sizes = geometry(image_shape[:2], kernel, stride, tile)
    direct = math.prod(sizes.out) * math.prod(kernel) * channels * filters

    # R: one row for a bin that is its own conjugate, three for each pair of others.
    real = math.prod(2 - side % 2 for side in sizes.n)
    R = real + 3 * (math.prod(sizes.n) - real) // 2
    # B counts as one product, also where two passes take less: the tile was chosen by that.
    phases = stride * stride * channels
    transforms = math.prod(sizes.n) * phases + math.prod(sizes.tile) * filters   # by B and by A
    products = math.prod(sizes.tiles) * R * (transforms + phases * filters)
    return Costs(direct, products, R * phases * filters)


def possible_tiles(image_shape: tuple, kernel_shape: tuple, stride: int) -> list[Size]:
    """Returns tiles to choose from, for the arguments of `costs`: the whole result, or parts of it.

    A part smaller than the taps of a phase would mostly read pixels that its neighbours read, too.
    """
    sizes = geometry(image_shape[:2], kernel_shape[:2], stride)
    H, W = sizes.out
    parts = [(math.ceil(H / count), math.ceil(W / count)) for count in range(2, max(H, W) + 1)]
    return [sizes.out] + [part for part in parts if min(np.subtract(part, sizes.taps)) >= 0]
