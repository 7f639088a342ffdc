"""The moving average of the weights, which --ema keeps beside the weights that are trained."""
import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def averaged(optimizer: tf.keras.optimizers.Optimizer, variables: list) -> Iterator[None]:
    """While it is entered, the trainable `variables` have their moving averages as values."""
    trained = [tf.identity(variable) for variable in variables]
    optimizer.finalize_variable_values(variables)  # Keras writes the averages into them
    try:
        yield
    finally:
        for variable, value in zip(variables, trained, strict=True):
            variable.assign(value)
