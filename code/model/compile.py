"""One tf.function, with or without XLA."""
from collections.abc import Callable

import tensorflow as tf


def compiled(function: Callable, cfg) -> Callable:
    """Returns `function` as one tf.function, compiled by XLA as the settings JIT and CONV_WAY say.

    JIT auto leaves XLA out only for a convolution that it would slow down many times: CONV_WAY
    direct on a CPU. CONV_WAY auto never takes that one on a CPU.
    """
    is_slow = cfg.CONV_WAY == "direct" and not tf.config.get_visible_devices("GPU")
    jit = cfg.JIT == "on" or (cfg.JIT == "auto" and not is_slow)
    return tf.function(function, jit_compile=jit)
