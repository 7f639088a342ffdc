"""A valid correlation by the discrete Fourier transform (DFT), as three constant matrices.

A valid correlation of `out` positions by `taps` taps fits into a circular one of n = out + taps - 1
points (10 = 6 + 5 - 1): at the first `out` positions no tap wraps around the border, and the others
are not used. The DFT of n x n points turns the circular one into products, bin by bin:

    Y_k = X_k conj(W_k)

Of the n x n complex bins of real data, k and -k are conjugates, so one bin of each pair is enough.

By Gauss' trick, a complex product costs three real ones. So R, the number of products, is 3 for
each pair and 1 for each bin that is its own conjugate: 3 * 48 + 4 = 148 for 10 x 10.

    (a + ib)(c + id) = (m1 - m3) + i (m1 + m2)
    m1 = c (a + b), m2 = a (d - c), m3 = b (c + d)

Written down together this is one bilinear algorithm. B transforms the image x, G transforms the
kernel w, the R products are made row by row, and A transforms them back:

    y = A [(B x) * (G w)]     B: [R, n n], G: [R, taps taps], A: [out out, R]
"""
import functools
import math

import numpy as np

Size = tuple[int, int]  # (height, width)


@functools.cache
def matrices(out: Size, taps: Size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bilinear algorithm of a valid correlation, in float64.

    out, taps: sizes of the result and of the kernel; n = out + taps - 1 is that of the image.
    -> A [out_h * out_w, R], B [R, n_h * n_w], G [R, taps_h * taps_w] with y = A [(B x) * (G w)]
    """
    n = out[0] + taps[0] - 1, out[1] + taps[1] - 1
    A, B, G = [], [], []
    for k in np.ndindex(*n):
        conjugate = -k[0] % n[0], -k[1] % n[1]
        if conjugate < k:
            continue  # its bin is known from the other one
        angle_x, angle_w, angle_y = (_angles(k, n, shape) for shape in (n, taps, out))
        # X_k = a + ib, conj(W_k) = c + id. Y_k adds real * Re Y_k + imaginary * Im Y_k to y.
        a, b, c, d = np.cos(angle_x), -np.sin(angle_x), np.cos(angle_w), np.sin(angle_w)
        real, imaginary = np.cos(angle_y) / math.prod(n), -np.sin(angle_y) / math.prod(n)
        if conjugate == k:
            # a real bin: one product
            B += [a]
            G += [c]
            A += [real]
        else:
            # Gauss' m1, m2 and m3. They stand for the conjugate bin too, so they count twice:
            # 2 (real (m1 - m3) + imaginary (m1 + m2))
            B += [a + b, a, b]
            G += [c, d - c, c + d]
            A += [2 * (real + imaginary), 2 * imaginary, -2 * real]
    return np.stack(A, axis=1), np.stack(B), np.stack(G)


def _angles(k: Size, n: Size, shape: Size) -> np.ndarray:
    """2 pi (k_0 i / n_0 + k_1 j / n_1) at all points (i, j) of `shape`, flat.

    Each part is taken below 2 pi, which keeps sine and cosine exact.
    """
    i, j = np.indices(shape)
    turns = (k[0] * i % n[0]) / n[0] + (k[1] * j % n[1]) / n[1]
    return (2 * np.pi * turns).ravel()


@functools.cache
def passes(n: Size) -> tuple[np.ndarray, list[np.ndarray]]:
    """Two transforms in place of the one matrix B, in float64: over the height, then the width.

    Their rows come in the order of B's, so A and G stay the same.
    -> the first [n_h, n_h]: for each k from 0 to n_h // 2 a row for the real part p of the bin and
    one for its imaginary part q. A bin that is its own conjugate is real: it has no q.
    -> the second: for each k the matrix that makes its rows of B. Its input is p at all n_w points,
    then q if there is one.
    """
    first, second = [], []
    for k in range(n[0] // 2 + 1):
        x = 2 * np.pi * (k * np.arange(n[0]) % n[0]) / n[0]
        is_real = -k % n[0] == k
        first += [np.cos(x)] if is_real else [np.cos(x), -np.sin(x)]
        rows = []
        for l in range(n[1] // 2 + 1 if is_real else n[1]):  # of a real p the others are conjugates
            # (p + iq) (cos y - i sin y) = p cos y + q sin y + i (q cos y - p sin y)
            y = 2 * np.pi * (l * np.arange(n[1]) % n[1]) / n[1]
            a, b = np.cos(y), -np.sin(y)
            if not is_real:
                a, b = np.concatenate([a, -b]), np.concatenate([b, a])
            rows += [a] if is_real and -l % n[1] == l else [a + b, a, b]
        second.append(np.stack(rows))
    return np.stack(first), second
