"""Weights in half the bytes: float16 on disk, float32 as soon as they are read.

float16 keeps 11 significant bits: an error of at most 0.05 % of a weight, or of 3e-8 for weights
below 0.00006. The file stays a checkpoint of TensorFlow, with a checksum for each tensor.
"""
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from output import writing
from settings import InputError


def narrow(prefix: str | Path):
    """Rewrites the checkpoint at `prefix`, float32 as float16.

    InputError, and nothing is changed, if a weight is above 65,504, the largest of float16.
    """
    tensors = _read(prefix, np.float32, np.float16)
    for name, tensor in tensors.items():
        if getattr(tensor, "dtype", None) == np.float16 and not np.isfinite(tensor).all():
            raise InputError("expected weights up to 65,504, which float16 can hold, received "
                             f"larger ones in {name}")
    _write(prefix, tensors)


@contextlib.contextmanager
def widened(prefix: str | Path) -> Iterator[str]:
    """Yields the prefix of the same checkpoint in float32: itself, or a temporary copy.

    InputError if the copy cannot be written.
    """
    dtypes = tf.train.load_checkpoint(str(prefix)).get_variable_to_dtype_map()
    if tf.float16 not in dtypes.values():
        yield str(prefix)
        return
    tensors = _read(prefix, np.float16, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        with writing(f"a float32 copy of {prefix}", advice=lambda reason: "; see TMPDIR"):
            _write(f"{folder}/float32", tensors)
        yield f"{folder}/float32"


def _read(prefix: str | Path, before: type, after: type) -> dict[str, np.ndarray | bytes]:
    """Returns all tensors by name, those of type `before` cast to `after`."""
    reader = tf.train.load_checkpoint(str(prefix))
    tensors = {}
    for name in reader.get_variable_to_shape_map():
        tensor = reader.get_tensor(name)  # numbers as NumPy has them, or bytes, which stay
        if getattr(tensor, "dtype", None) == before:
            with np.errstate(over="ignore"):  # infinity says it
                tensor = tensor.astype(after)
        tensors[name] = tensor
    return tensors


def _write(prefix: str | Path, tensors: dict[str, np.ndarray | bytes]):
    """Writes the tensors as a checkpoint in one file and its index."""
    whole = [""] * len(tensors)  # no tensor is a slice of a larger one
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=list(tensors), shape_and_slices=whole,
                      tensors=[tf.constant(tensor) for tensor in tensors.values()])
