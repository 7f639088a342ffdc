"""Makes the user's pictures images as a network takes them: float32 [H, W, C] in [0, 1]."""
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data.dataset import scale
from data.readers import image_file
from data.readers.files import expect
from settings import InputError

LARGEST = 1024  # pixels, of the longer side of a picture before it is prepared

Shape = tuple[int, int, int]                       # (H, W, C)
Prepare = Callable[[np.ndarray, int], np.ndarray]  # uint8 [h, w] or [h, w, 3], side -> an image


def find(paths: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Returns the files, with the images in it in place of each folder, and those passed over.

    Subfolders are included, hidden files are in neither list. InputError if a folder has no image,
    or if it or a subfolder cannot be read.
    """

    def refuse(error: OSError):
        raise InputError(f"{error.filename} cannot be read: {error.strerror}")

    found, passed_over = [], []
    for path in map(Path, paths):
        if not os.path.isdir(path):
            found.append(path)
            continue
        files = []
        for inside, folders, names in os.walk(path, onerror=refuse):
            folders[:] = [name for name in folders if not image_file.is_hidden(name)]
            files += [Path(inside, name) for name in names if not image_file.is_hidden(name)]
        pictures = sorted(file for file in files if file.suffix.lower() in image_file.SUFFIXES)
        expect(len(pictures) > 0, path, f"a folder with images ({', '.join(image_file.SUFFIXES)})",
               "none in it")
        found += pictures
        passed_over += sorted(set(files) - set(pictures))
    return found, passed_over


def read(path: Path, image_shape: Shape, prepare: Prepare | None) -> np.ndarray:
    """Returns the image in a file, float32 [H, W, C] in [0, 1].

    prepare: how to make a picture fit; None: it is fitted whole, centred, on black. InputError if
    the file is no image.
    """
    height, width, channels = image_shape
    expect(height == width and channels in (1, 3), path,
           "a network for square images, grey or in colour",
           f"one for [H, W, C] {image_shape}; give it an .npy of such images")
    try:
        if prepare:
            return scale(prepare(image_file.read_whole(path, LARGEST, channels == 3), height))
        return scale(image_file.read(path, height, colour=channels == 3))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def as_network_takes(array: np.ndarray, image_shape: Shape, where) -> np.ndarray:
    """Returns images as float32 [N, H, W, C] in [0, 1].

    array: uint8 or float in [0, 1], [N, H, W, C] or [N, H, W]. InputError, beginning with `where`,
    for anything else.
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
