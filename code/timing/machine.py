"""How fast this machine multiplies matrices, and how fast it moves memory."""
import tensorflow as tf

from timing.clock import median_ms

SHAPES = ((2048, 2048, 2048), (4096, 1024, 4096), (3600, 20736, 256))  # m, k, n of the products


def speed() -> dict:
    """-> both, and TensorFlow's version"""
    return {"matmul_peak_gflops": matmul_peak(), "memory_gb_per_s": bandwidth(),
            "tensorflow": tf.__version__}


def matmul_peak() -> float:
    """-> GFLOP/s of the fastest of a few large products, TensorFlow's and XLA's."""
    best = 0.0
    for m, k, n in SHAPES:
        a, b = tf.random.normal([m, k]), tf.random.normal([k, n])
        for jit in (False, True):
            product = tf.function(tf.matmul, jit_compile=jit)
            product(a, b)
            ms = median_ms(lambda a=a, b=b, product=product: product(a, b)[0, 0].numpy())
            best = max(best, 2e-6 * m * k * n / ms)
    return best


def bandwidth() -> float:
    """-> GB/s of reading 128 MiB and writing as much."""
    x = tf.zeros([2 ** 25])
    double = tf.function(lambda x: x + x, jit_compile=True)
    double(x)
    return 2 * 4 * 2 ** 25 / 1e6 / median_ms(lambda: double(x)[0].numpy())
