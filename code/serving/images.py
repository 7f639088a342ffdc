"""Pictures of the user -> images as a network takes them: float32 [H, W, C] in [0, 1]."""
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data.dataset import scale
from data.readers import image_file, numpy_file
from data.readers.files import expect
from settings import InputError

LARGEST = 1024  # pixels, of the longer side of a picture before it is prepared
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")

Shape = tuple[int, int, int]                       # (H, W, C)
Prepare = Callable[[np.ndarray, int], np.ndarray]  # grey uint8 [h, w], side -> [side, side, 1]


def find(paths: Sequence[str]) -> list[Path]:
    """-> the files, and in place of each folder the images in it, sorted, subfolders included.

    InputError if a folder has none, or if it or a subfolder cannot be read.
    """
    found = []
    for path in map(Path, paths):
        if not os.path.isdir(path):
            found.append(path)
            continue
        inside = sorted(file for file in files_in(path) if file.suffix.lower() in SUFFIXES)
        expect(len(inside) > 0, path, f"a folder with images ({', '.join(SUFFIXES)})", "none in it")
        found += inside
    return found


def files_in(folder: Path) -> list[Path]:
    """-> all files in the folder and its subfolders. InputError if one cannot be read."""

    def refuse(error: OSError):
        raise InputError(f"{error.filename} cannot be read: {error.strerror}")

    found = []
    for inside, _, names in os.walk(folder, onerror=refuse):
        found += [Path(inside, name) for name in names]
    return found


def read(path: Path, image_shape: Shape, prepare: Prepare | None) -> np.ndarray:
    """A PNG, JPEG or BMP file -> float32 [H, W, C] in [0, 1].

    prepare: how to make a grey picture fit; None: it is fitted whole, centred, on black. InputError
    if the file is no image.
    """
    height, width, channels = image_shape
    expect(height == width and channels in (1, 3), path,
           "a network for square images, grey or in colour", f"one for [H, W, C] {image_shape}")
    try:
        if prepare:
            return scale(prepare(image_file.read_grey(path, LARGEST), height))
        return scale(image_file.read(path, height, colour=channels == 3))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def read_npy(path: Path, image_shape: Shape) -> np.ndarray:
    """An .npy file of images as the network takes them -> float32 [N, H, W, C] in [0, 1].

    InputError if it is something else, or damaged.
    """
    array = numpy_file.read(path)
    expect(isinstance(array, np.ndarray), path, "an .npy", "an .npz")
    return as_network_takes(array, image_shape, path)


def as_network_takes(array: np.ndarray, image_shape: Shape, where) -> np.ndarray:
    """uint8 or float in [0, 1], [N, H, W, C] or [N, H, W] -> float32 [N, H, W, C] in [0, 1]

    InputError, beginning with `where`, for anything else.
    """
    height, width, channels = image_shape
    wanted = f"images [N, {height}, {width}, {channels}], uint8 or float in [0, 1]"
    if array.ndim == 3:
        array = array[..., None]
    known = array.dtype == np.uint8 or array.dtype.kind == "f"
    expect(array.ndim == 4 and array.shape[1:] == image_shape and known, where, wanted,
           f"{array.dtype} {list(array.shape)}")
    if array.dtype == np.uint8:
        return scale(array)
    array = array.astype(np.float32)
    expect(array.size == 0 or (array.min() >= 0 and array.max() <= 1), where, wanted,
           "values beyond that, or not a number")
    return array


def stack(pictures: Sequence[np.ndarray], image_shape: Shape) -> np.ndarray:
    """Pictures [H, W, C] -> float32 [N, H, W, C], also of none"""
    return np.stack(pictures) if len(pictures) else np.empty((0, *image_shape), np.float32)
