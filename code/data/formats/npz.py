"""The user's own images as one .npz file of np.savez: x_train, y_train and, if there, x_val, ...

A file's own claims about its sizes are never trusted with memory: nothing is allocated or
inflated beyond the bytes that are there.
"""
import contextlib
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from data.augment import random_shift
from data.dataset import MAX_CLASSES, MIN_SIDE, Dataset, Split
from data.readers.files import damage, expect, is_there
from data.splits import PARTS, complete
from output import write_whole
from settings import InputError

MAX_EXPANSION = 100   # times its size that an archive may hold; digits need 5 to 10
SMALL = 2 ** 24       # bytes that any archive may hold
NAMES = [f"{kind}_{part}" for part in PARTS for kind in "xy"]
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of np.savez and np.savez_compressed
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0,
           (2, 0): np.lib.format.read_array_header_2_0}


def load(path: Path, cfg) -> Dataset:
    """x_*: uint8 [N, H, W] or [N, H, W, C], H and W 17 or more, alike in all splits.

    y_*: integers [N] from 0. There are as many classes as the largest label says. A missing
    validation or test split is a tenth of x_train. InputError for anything else.
    """
    return as_dataset(path.stem, path, read(path), cfg)


# ---- arrays -> dataset ----

def as_dataset(name: str, where: Any, arrays: dict[str, np.ndarray], cfg) -> Dataset:
    """The arrays x_train, y_train, ... as a dataset; InputError, beginning with `where`."""
    # Take the splits that are there.
    splits = {}
    for part in PARTS:
        names = {f"x_{part}", f"y_{part}"}
        if part != "train" and not names & arrays.keys():
            continue
        expect(names <= arrays.keys(), where, f"both x_{part} and y_{part}",
               f"only {', '.join(sorted(arrays)) or 'an empty archive'}")
        splits[part] = as_split(arrays[f"x_{part}"], arrays[f"y_{part}"], part, where)
        shape, wanted = splits[part].images.shape[1:], splits["train"].images.shape[1:]
        expect(shape == wanted, where, f"x_{part} of [H, W, C] {wanted} as x_train", shape)

    # Count the classes.
    classes = 1 + max(int(split.labels.max()) for split in splits.values())
    examples = sum(len(split.labels) for split in splits.values())
    expect(classes <= examples, where, f"labels below the number of examples, {examples:,}",
           f"the label {classes - 1:,}; number the classes from 0")

    splits = complete(splits, cfg.SEED, where)
    return Dataset(
        name=name,
        **splits,
        class_names=tuple(map(str, range(classes))),
        augment=random_shift(cfg.SHIFT, splits["train"].images.shape[1:]),
    )


def as_split(images: np.ndarray, labels: np.ndarray, part: str, where: Any) -> Split:
    """Arrays as they come -> Split. InputError if they are not as `load` says."""
    expect(images.dtype == np.uint8 and images.ndim in (3, 4), where,
           f"x_{part} uint8 [N, H, W] or [N, H, W, C], 0 to 255 "
           "(for floats in [0, 1]: (255 * x).astype('uint8'))",
           f"{images.dtype} {list(images.shape)}")
    images = images if images.ndim == 4 else images[..., None]
    n, height, width, channels = images.shape
    expect(min(height, width) >= MIN_SIDE and channels > 0, where,
           f"images in x_{part} of {MIN_SIDE}x{MIN_SIDE} pixels or more",
           f"{height}x{width}x{channels}")
    expect(labels.dtype.kind in "iu" and labels.ndim == 1, where, f"y_{part} integers [N]",
           f"{labels.dtype} {list(labels.shape)}")
    expect(n == len(labels) > 0, where,
           f"as many images in x_{part} as labels in y_{part}, one or more",
           f"{n:,} and {len(labels):,}")
    low, high = int(labels.min()), int(labels.max())
    expect(low >= 0 and high < MAX_CLASSES, where,
           f"labels in y_{part} from 0 to at most {MAX_CLASSES - 1}",
           f"{low} to {high}; number the classes from 0")
    return Split(images, labels[:, None].astype(np.int32))


# ---- a cache: arrays -> file -> arrays ----

def write_cache(path: Path, arrays: dict[str, np.ndarray]):
    """Writes an archive. One that cannot be written costs time, not results."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    with contextlib.suppress(OSError):
        write_whole(path, content.getvalue())


def read_cache(path: Path, names: list[str]) -> dict[str, np.ndarray] | None:
    """-> the arrays, which have these names, or None if they are not there, or damaged"""
    try:
        arrays = read(path, names)
    except InputError:
        return None
    return arrays if arrays.keys() == set(names) else None


# ---- file -> arrays ----

def read(path: Path, names: list[str] = NAMES) -> dict[str, np.ndarray]:
    """-> the arrays of the file that have these `names`, of any type except Python objects.

    np.load would allocate what an array's header claims, and inflate what an archive claims.
    InputError if the file is not an undamaged .npz of arrays with these names.
    """
    found = "something else" if is_there(path) else "no such file"
    try:
        expect(path.is_file(), path, "an .npz file", found)
        with zipfile.ZipFile(path) as archive:
            return read_members(archive, path, names)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # damaged bytes make zipfile and NumPy raise a dozen kinds
        raise InputError(f"{path}: expected an undamaged .npz of np.savez, "
                         f"received: {damage(error)}") from None


def read_members(archive: zipfile.ZipFile, path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """-> {name: array}. InputError if the archive has other names, or claims too much."""
    # Judge the archive's table of contents first.
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    expect(members.keys() <= set(names), path, f"no arrays except {', '.join(names)}",
           sorted(members))
    size = path.stat().st_size
    claim = sum(member.file_size for member in members.values())
    expect(claim <= max(SMALL, MAX_EXPANSION * size), path,
           f"an archive that expands to at most {MAX_EXPANSION} times its {size:,} bytes "
           "(np.savez does not compress)", f"{claim:,} bytes")

    arrays = {}
    for name, member in members.items():
        expect(member.compress_size <= size and member.compress_type in METHODS, path,
               f"{name} as np.savez writes it", "another kind of entry")
        with archive.open(member) as stream:
            content = stream.read(member.file_size)  # inflates no more; verifies the checksum
        arrays[name] = parse_npy(content, f"{path}: {name}")
    return arrays


def parse_npy(content: bytes, where: str) -> np.ndarray:
    """-> the array in the bytes of an .npy, sharing their memory where possible.

    InputError for Python objects or a wrong size; ValueError, KeyError and others if damaged.
    """
    stream = io.BytesIO(content)
    read_header = HEADERS[np.lib.format.read_magic(stream)]
    shape, fortran, dtype = read_header(stream)
    expect(not dtype.hasobject, where, "numbers", "pickled Python objects, which are never loaded")

    start, size = stream.tell(), math.prod(shape) * dtype.itemsize
    expect(size == len(content) - start, where, f"{size:,} bytes for {dtype} {list(shape)}",
           f"{len(content) - start:,}")
    array = np.frombuffer(content, dtype, offset=start) if size else np.empty(0, dtype)
    return np.ascontiguousarray(array.reshape(shape, order="F" if fortran else "C"))
