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
    received = f"{images.dtype} {list(images.shape)}"
    expect(images.dtype.kind in "biuf" and images.ndim in (3, 4), where,
           f"x_{part} of numbers [N, H, W] or [N, H, W, C]", received)
    received += "; np.transpose brings the axes into that order"
    expect(len(images) == len(labels), where, f"N images in x_{part} [N, H, W, C], as many as "
           f"labels in y_{part}, {len(labels):,}", received)
    images = images if images.ndim == 4 else images[..., None]
    _, height, width, channels = images.shape
    expect(min(height, width) >= MIN_SIDE and channels > 0, where,
           f"x_{part} [N, H, W, C] of {MIN_SIDE}x{MIN_SIDE} pixels or more", received)
    return Split(images, labels[:, None])


def as_bytes(images: np.ndarray, up_to_one: bool, name: str, where: Any) -> np.ndarray:
    """Returns the images as uint8, 0 to 255, if that loses nothing.

    Whole numbers from 0 to 255 stay as they are. Floats and truth values are multiplied by 255 if
    they are `up_to_one`. InputError for anything else.
    """
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    low, high = float(images.min()), float(images.max())
    if up_to_one and images.dtype.kind in "bf":
        images = images * 255.0
    with np.errstate(invalid="ignore"):  # of numbers that are none
        whole = np.rint(np.clip(images, 0, 255)).astype(np.uint8)
    expect((np.abs(images - whole) < 1e-3).all(), where,
           f"{name} uint8, 0 to 255, or other numbers that become so without loss",
           f"{images.dtype} from {low:g} to {high:g}; scale them so that black is 0 and white 255, "
           f"then {name}.round().astype('uint8')")
    return np.ascontiguousarray(whole)


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
    expect(labels.ndim == 1 and is_number and np.isfinite(labels).all()
           and (labels == np.rint(labels)).all(), where,
           f"y_{part} of whole numbers [N], or one-hot [N, J]",
           f"{received}; np.searchsorted(NAMES, y_{part}) numbers names, alike in every split if "
           "NAMES is the sorted list of all of them")
    expect(len(labels) > 0, where, f"labels in y_{part}", "none")
    low, high = int(labels.min()), int(labels.max())
    expect(low >= 0 and high < MAX_CLASSES, where,
           f"labels in y_{part} from 0 to at most {MAX_CLASSES - 1}",
           f"{low} to {high}; number the classes from 0")
    return labels.astype(np.int32)
