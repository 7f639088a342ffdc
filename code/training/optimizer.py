"""Adam: its learning rate, and the moving average of the weights that --ema keeps."""
import contextlib
from collections.abc import Iterator

import tensorflow as tf


class Decay(tf.keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of step s: LR * DECAY_RATIO ** (s / STEP_SIZE).

    The exponent is rounded down with STAIRCASE. In the first WARMUP steps a factor rises linearly
    to 1, which it has in the last of them. In the last COOLDOWN steps before MAX_ITERS another one
    falls linearly from 1 to 0. The rate is never below LR_FLOOR.
    """

    def __init__(self, cfg):
        self.warmup, self.cooldown = cfg.WARMUP, cfg.COOLDOWN
        self.end, self.floor = cfg.MAX_ITERS, cfg.LR_FLOOR
        self.decay = tf.keras.optimizers.schedules.ExponentialDecay(
            cfg.LR, cfg.STEP_SIZE, cfg.DECAY_RATIO, staircase=cfg.STAIRCASE)

    def __call__(self, step):
        rate = self.decay(step)
        if self.warmup:
            begun = tf.cast(step + 1, tf.float32)
            rate *= tf.minimum(begun / self.warmup, 1.0)
        if self.cooldown:
            left = tf.cast(self.end - step, tf.float32)
            rate *= tf.minimum(left / self.cooldown, 1.0)
        return tf.maximum(rate, self.floor)


def make_optimizer(cfg) -> tf.keras.optimizers.Optimizer:
    """Returns Adam with the epsilon of TensorFlow 1, which the paper used. Keras has another one.

    With EMA it also keeps a moving average of the weights, see `averaged`.
    """
    return tf.keras.optimizers.Adam(Decay(cfg), epsilon=1e-8, use_ema=cfg.EMA > 0,
                                    ema_momentum=cfg.EMA)


@contextlib.contextmanager
def averaged(optimizer: tf.keras.optimizers.Optimizer, variables: list) -> Iterator[None]:
    """Gives the trainable `variables` their moving averages as values, until it is left.

    The moving statistics of a batch normalisation stay: they are those of the last 100 steps.
    """
    trained = [tf.identity(variable) for variable in variables]
    optimizer.finalize_variable_values(variables)  # Keras writes the averages into them
    try:
        yield
    finally:
        for variable, value in zip(variables, trained, strict=True):
            variable.assign(value)


def step_of(optimizer: tf.keras.optimizers.Optimizer) -> int:
    """Returns the number of steps done so far."""
    # int() alone does not know the mirrored variables of several devices.
    return int(optimizer.iterations.numpy())
