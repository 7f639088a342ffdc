"""The constant matrices of the Fourier convolution, in float64, against SciPy and one another."""
import numpy as np
import pytest
from scipy import signal

from model import dft


@pytest.mark.parametrize("out, taps", [((6, 6), (5, 5)), ((1, 1), (3, 2)), ((4, 7), (2, 5)),
                                       ((3, 3), (1, 1))])
def test_the_bilinear_algorithm_is_the_valid_correlation(out, taps):
    """On one channel: y = A [(B x) * (G w)]."""
    A, B, G = dft.matrices(out, taps)
    random = np.random.default_rng(0)
    n = out[0] + taps[0] - 1, out[1] + taps[1] - 1
    x, w = random.normal(size=n), random.normal(size=taps)
    received = A @ ((B @ x.ravel()) * (G @ w.ravel()))
    expected = signal.correlate(x, w, mode="valid", method="direct").ravel()
    np.testing.assert_allclose(received, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n", [(14, 14), (10, 10), (9, 12), (7, 7), (5, 8), (1, 3), (2, 2)])
def test_two_passes_are_the_transform_in_one(n):
    _, B, _ = dft.matrices(n, (1, 1))
    x = np.random.default_rng(0).normal(size=(*n, 3))
    first, second = dft.passes(n)
    z, rows, start = np.tensordot(first, x, 1), [], 0
    for matrix in second:
        count = matrix.shape[1] // n[1]
        rows.append(matrix @ z[start:start + count].reshape(-1, 3))
        start += count
    assert start == n[0]
    np.testing.assert_allclose(np.concatenate(rows), B @ x.reshape(-1, 3), atol=1e-12)
