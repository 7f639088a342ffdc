"""One tf.function, with or without XLA."""
from collections.abc import Callable

import tensorflow as tf

from model.convolution import is_slow_in_xla


def compiled(function: Callable, cfg) -> Callable:
    """Returns `function` as one tf.function, compiled by XLA as the settings JIT and CONV_WAY say.

    cfg: settings of a training. JIT auto leaves XLA out only for a convolution that it would slow
    down: CONV_WAY direct on a CPU. CONV_WAY auto never takes that one on a CPU.
    """
    jit = cfg.JIT == "on" or (cfg.JIT == "auto" and not is_slow_in_xla(cfg.CONV_WAY))
    return tf.function(function, jit_compile=jit)
