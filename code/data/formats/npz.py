"""The user's own images as one .npz file of np.savez: x_train, y_train and, if there, x_val, ..."""
from pathlib import Path
from typing import Any

import numpy as np

from data import remarks
from data.dataset import MAX_CLASSES, MIN_SIDE, Dataset, Split
from data.readers import numpy_file
from data.readers.files import expect
from data.readers.image_file import is_blank
from data.splits import PARTS, as_dataset
from settings import InputError

NAMES = [f"{kind}_{part}" for part in PARTS for kind in "xy"]


def load(path: Path, cfg) -> Dataset:
    """Returns the dataset in the file, as `from_arrays` says. InputError if there is none."""
    arrays = numpy_file.read(path)
    expect(isinstance(arrays, dict), path, "an .npz of np.savez", "a single array")
    return from_arrays(path.stem, path, arrays, cfg)


def from_arrays(name: str, where: Any, arrays: dict[str, np.ndarray], cfg) -> Dataset:
    """Returns the arrays x_train, y_train, x_val, y_val, x_test and y_test as a dataset.

    x_*: [N, H, W] or [N, H, W, C], H and W 17 or more, alike in all splits; uint8, or other numbers
    that become uint8 without loss. y_*: whole numbers [N] from 0, or one-hot [N, J]. There are as
    many classes as the largest label says. Training or test has to be there. InputError, beginning
    with `where`, for anything else.
    """
    # Take the splits that are there.
    expect(arrays.keys() <= set(NAMES), where, f"no arrays except {', '.join(NAMES)}",
           sorted(arrays))
    splits, classes = {}, 0
    for part in PARTS:
        images, labels = arrays.get(f"x_{part}"), arrays.get(f"y_{part}")
        if images is None and labels is None:
            continue
        expect(images is not None and labels is not None, where, f"both x_{part} and y_{part}",
               f"only {', '.join(sorted(arrays))}")
        splits[part] = as_split(images, labels, part, where)
        classes = max(classes, 1 + int(splits[part].labels.max()), *labels.shape[1:])
    expect("train" in splits or "test" in splits, where,
           "x_train and y_train, or at least x_test and y_test",
           ", ".join(sorted(arrays)) or "an empty archive")
    shapes = {f"x_{part}": split.images.shape[1:] for part, split in splits.items()}
    expect(len(set(shapes.values())) == 1, where, "images of one [H, W, C] in all splits", shapes)

    # Convert their pixels, by one rule for all.
    largest = max(float(split.images.max()) for split in splits.values())
    for part, split in splits.items():
        pixels = as_bytes(split.images, largest <= 1, f"x_{part}", where)
        splits[part] = split._replace(images=pixels)

    # Look at them.
    examples = sum(len(split.labels) for split in splits.values())
    expect(classes <= examples or "train" not in splits, where,
           f"labels below the number of examples, {examples:,}",
           f"the label {classes - 1:,}; number the classes from 0")
    blank = [f"x_{part}[{index}]" for part, split in splits.items()
             for index, image in enumerate(split.images) if is_blank(image)]
    remarks.say_blank(blank, examples, where)
    return as_dataset(name, where, splits, tuple(map(str, range(classes))), cfg)


def as_split(images: np.ndarray, labels: np.ndarray, part: str, where: Any) -> Split:
    """Returns images [N, H, W, C] of any numbers, and labels [N, 1].

    InputError if the arrays are not as `from_arrays` says.
    """
    labels = as_labels(labels, part, where)
    wanted, shape = f"x_{part} of numbers [N, H, W] or [N, H, W, C]", images.shape
    expect(images.dtype.kind in "biuf" and images.ndim in (3, 4), where, wanted,
           f"{images.dtype} {list(shape)}")

    # Other libraries have the images last, or [N, C, H, W].
    axes = None
    if shape[-1] == len(labels) != shape[0]:
        axes = (len(shape) - 1, *range(len(shape) - 1))
    elif len(shape) == 4 and shape[1] < MIN_SIDE <= min(shape[2:]):
        axes = 0, 2, 3, 1
    expect(axes is None, where, wanted,
           f"{list(shape)}; transpose it: x_{part}.transpose{axes}")

    images = images if images.ndim == 4 else images[..., None]
    n, height, width, channels = images.shape
    expect(min(height, width) >= MIN_SIDE and channels > 0, where,
           f"images in x_{part} of {MIN_SIDE}x{MIN_SIDE} pixels or more",
           f"{height}x{width}x{channels}")
    expect(n == len(labels), where, f"as many images in x_{part} as labels in y_{part}",
           f"{n:,} and {len(labels):,}")
    return Split(images, labels[:, None])


def as_bytes(images: np.ndarray, up_to_one: bool, name: str, where: Any) -> np.ndarray:
    """Returns the images as uint8, 0 to 255, if that loses nothing.

    Whole numbers from 0 to 255 stay as they are. Floats and truth values are multiplied by 255 if
    they are `up_to_one`. InputError, which says how to convert them, for anything else.
    """
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    low, high = float(images.min()), float(images.max())
    up_to_one = up_to_one and images.dtype.kind in "bf"
    way_out = f"np.interp({name}, ({low:g}, {high:g}), (0, 255))"
    if low >= 0 and high <= 255:
        scaled = images * 255.0 if up_to_one else images
        whole = np.rint(scaled).astype(np.uint8)
        if (np.abs(scaled - whole) < 1e-3).all():
            return np.ascontiguousarray(whole)
        way_out = f"(255.0 * {name})" if up_to_one else name
    raise InputError(f"{where}: expected {name} uint8, 0 to 255, or other numbers that become so "
                     f"without loss, received {images.dtype} from {low:g} to {high:g}; convert "
                     f"finite numbers by {way_out}.round().astype('uint8')")


def as_labels(labels: np.ndarray, part: str, where: Any) -> np.ndarray:
    """Returns the labels as int32 [N], from whole numbers [N] or [N, 1] of any type, or one-hot.

    InputError for anything else.
    """
    received = f"{labels.dtype} {list(labels.shape)}"
    is_number = labels.dtype.kind in "biuf"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    elif labels.ndim == 2 and is_number and np.isin(labels, (0, 1)).all() and (
            labels.sum(axis=1) == 1).all():
        labels = labels.argmax(axis=1)
    expect(labels.ndim == 1 and is_number and (labels == np.rint(labels)).all()
           and np.isfinite(labels).all(), where, f"y_{part} of whole numbers [N], or one-hot [N, J]",
           received)
    expect(len(labels) > 0, where, f"labels in y_{part}", "none")
    low, high = int(labels.min()), int(labels.max())
    expect(low >= 0 and high < MAX_CLASSES, where,
           f"labels in y_{part} from 0 to at most {MAX_CLASSES - 1}",
           f"{low} to {high}; number the classes from 0")
    return labels.astype(np.int32)
