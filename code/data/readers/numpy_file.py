"""NumPy's own files, .npy and .npz, and caches of arrays. Python objects are never loaded."""
import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.readers.files import damage, expect, is_there
from output import write_whole
from settings import InputError


def read(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """Returns the array in an .npy, or the arrays in an .npz by name.

    InputError if the file is missing, is damaged, or holds anything but numbers.
    """
    kind = path.suffix.lower() or "file of NumPy"
    expect(os.path.isfile(path), path, f"an {kind}",  # opening a pipe would wait for ever
           "something else" if is_there(path) else "no such file")
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            arrays = {name: content[name] for name in content}
    except Exception as error:  # damaged bytes make zipfile and NumPy raise a dozen kinds
        # What NumPy says of pickled objects is how to load them unsafely.
        reason = "other content" if "pickle" in str(error) else damage(error)
        raise InputError(f"{path}: expected an undamaged {kind} of numbers (Python objects "
                         f"are never loaded), received: {reason}") from None
    for name, array in arrays.items():
        expect(isinstance(array, np.ndarray), path, f"an array {name}", "something else")
    return arrays


def cached(path: Path, names: list[str],
           make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns the arrays of these names in the .npz at `path`; if it has others, those of `make`.

    These are then kept there. A file that is damaged or cannot be written costs time, not results.
    """
    with contextlib.suppress(InputError):
        arrays = read(path)
        if isinstance(arrays, dict) and arrays.keys() == set(names):
            return arrays
    arrays, content = make(), io.BytesIO()
    np.savez_compressed(content, **arrays)
    with contextlib.suppress(OSError):
        write_whole(path, content.getvalue())
    return arrays
