"""A valid correlation by the discrete Fourier transform (DFT), as three constant matrices.

A valid correlation of `out` positions by `taps` taps fits into a circular one of n = out + taps - 1
points (10 = 6 + 5 - 1). The DFT of n x n points turns that one into products, bin by bin:

    Y_k = X_k conj(W_k)

Of the n x n complex bins of real data, k and -k are conjugates. So n x n real numbers are
independent.

By Gauss' trick, a complex product costs three real ones:

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
        x, w, y = (_angles(k, n, shape) for shape in (n, taps, out))
        # X_k = a + ib, conj(W_k) = c + id, and what Y_k adds to the result.
        a, b, c, d = np.cos(x), -np.sin(x), np.cos(w), np.sin(w)
        real, imaginary = np.cos(y) / math.prod(n), -np.sin(y) / math.prod(n)
        if conjugate == k:  # a real bin: one product
            B += [a]
            G += [c]
            A += [real]
        else:               # Gauss' m1, m2 and m3, which stand for the conjugate bin too
            B += [a + b, a, b]
            G += [c, d - c, c + d]
            A += [2 * (real + imaginary), 2 * imaginary, -2 * real]
    return np.stack(A, axis=1), np.stack(B), np.stack(G)


def _angles(k: Size, n: Size, shape: Size) -> np.ndarray:
    """2 pi (k_0 i / n_0 + k_1 j / n_1) at all points (i, j) of `shape`, flat."""
    i, j = np.indices(shape)
    turns = (k[0] * i % n[0]) / n[0] + (k[1] * j % n[1]) / n[1]
    return (2 * np.pi * turns).ravel()


def passes(n: Size) -> tuple[np.ndarray, list[np.ndarray]]:
    """Two transforms in place of the one matrix B, in float64: over the height, then the width.

    -> the first [n_h, n_h]: for each k_0 from 0 to n_h // 2 a row for the real part of the bin and
    one for its imaginary part. A bin that is its own conjugate has no imaginary part.
    -> the second: for each k_0 the matrix that makes its rows of B. Its input is the real part at
    all n_w points, then the imaginary part if there is one.
    """
    first, second = [], []
    for k in range(n[0] // 2 + 1):
        x = 2 * np.pi * (k * np.arange(n[0]) % n[0]) / n[0]
        if -k % n[0] == k:  # p, the only part of a real bin
            first += [np.cos(x)]
            second.append(np.stack(_rows_of_real(n[1])))
        else:               # p + iq
            first += [np.cos(x), -np.sin(x)]
            second.append(np.stack(_rows_of_complex(n[1])))
    return np.stack(first), second


def _rows_of_real(n: int) -> list[np.ndarray]:
    """-> rows [n] that make B's of a real p, for l from 0 to n // 2: the others are conjugates"""
    rows = []
    for l in range(n // 2 + 1):
        # p (cos y - i sin y)
        a, b = _wave(l, n)
        rows += [a] if -l % n == l else [a + b, a, b]  # one row where the bin is real
    return rows


def _rows_of_complex(n: int) -> list[np.ndarray]:
    """-> rows [2 n] that make B's of p and then q, for all l"""
    rows = []
    for l in range(n):
        # (p + iq) (cos y - i sin y) = p cos y + q sin y + i (q cos y - p sin y)
        cosine, minus_sine = _wave(l, n)
        a = np.concatenate([cosine, -minus_sine])
        b = np.concatenate([minus_sine, cosine])
        rows += [a + b, a, b]
    return rows


def _wave(l: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """-> cos y and -sin y with y = 2 pi l j / n at all n points j"""
    y = 2 * np.pi * (l * np.arange(n) % n) / n
    return np.cos(y), -np.sin(y)


# ---- in float32, each made once ----

@functools.cache
def constants(out: Size, taps: Size) -> tuple[np.ndarray, ...]:
    """-> `matrices`"""
    return tuple(matrix.astype(np.float32) for matrix in matrices(out, taps))


@functools.cache
def constant_passes(n: Size) -> tuple[np.ndarray, list[np.ndarray]]:
    """-> `passes`"""
    first, second = passes(n)
    return first.astype(np.float32), [matrix.astype(np.float32) for matrix in second]
