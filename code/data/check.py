"""Checks that what a file of datasets/ or formats/ has loaded is a dataset, as dataset.py says."""
import numpy as np

from data.dataset import MAX_CLASSES, MIN_SIDE, Dataset, Examples, Split
from data.readers.files import expect


def check(dataset: Dataset, where: str):
    """InputError, beginning with `where`, for the first thing that is not as dataset.py says."""
    expect(isinstance(dataset, Dataset), where, "a Dataset", type(dataset).__name__)
    names = dataset.class_names
    expect(isinstance(names, tuple) and all(isinstance(name, str) for name in names), where,
           "a tuple of class names", repr(names))
    expect(2 <= len(names) <= MAX_CLASSES, where, f"names for 2 to {MAX_CLASSES} classes",
           len(names))
    expect(isinstance(dataset.train, Split), f"{where}, train", "a Split, with images in memory",
           type(dataset.train).__name__)
    for part in ("train", "val", "test"):
        check_split(getattr(dataset, part), dataset, f"{where}, {part}")
    for part in ("train", "test"):  # validation may be empty
        expect(len(getattr(dataset, part).labels) > 0, f"{where}, {part}", "an image or more",
               "none")

    # what training makes of its images: the first two stand for all
    expect(callable(dataset.augment), where, "augment, a function", repr(dataset.augment))
    index = np.arange(2) % len(dataset.train.labels)
    augmented = dataset.augment(dataset.train, index, np.random.default_rng(0))
    check_split(augmented, dataset, f"{where}, augment")
    expect(len(augmented.labels) == 2, f"{where}, augment", "as many images as indices, 2",
           len(augmented.labels))


def check_split(split: Examples, dataset: Dataset, where: str):
    """InputError unless the labels and the first image of the split are as they should be."""
    offers_all = all(hasattr(split, name) for name in ("labels", "take", "content"))
    expect(offers_all, where, "a Split", type(split).__name__)

    # labels
    labels = split.labels
    check_array(labels, np.int32, 2, where, "labels int32 [N, K], K classes for each image")
    expect(labels.shape[1] > 0, where, "a label or more for each image", "none")
    if len(labels):
        low, high = int(labels.min()), int(labels.max())
        expect(low >= 0 and high < dataset.classes, where,
               f"labels from 0 to {dataset.classes - 1}, one for each class name",
               f"{low} to {high}")
        ordered = np.sort(labels, axis=1)
        expect((ordered[:, 1:] > ordered[:, :-1]).all(), where,
               "K different labels of each image", "an image that has one twice")

    # images: the first stands for all, which may be made only when they are taken
    if isinstance(split, Split):
        expect(split.images is not None, where, "images", "none")
        check_images(split, where)
        for name in ("images", "sources"):
            array = getattr(split, name)
            if array is not None:
                expect(len(array) == len(labels), where, f"as many {name} as labels",
                       f"{len(array):,} and {len(labels):,}")
    first = split.take(slice(0, 1))
    check_images(first, where)
    shape = first.images.shape[1:]
    expect(min(shape[:2]) >= MIN_SIDE and shape[2] > 0, where,
           f"images of {MIN_SIDE} x {MIN_SIDE} pixels or more", list(shape))
    expect(shape == dataset.image_shape, where,
           f"images of [H, W, C] {dataset.image_shape} as in train", shape)
    if first.sources is not None:
        wanted = (*first.labels.shape, *shape)
        expect(first.sources.shape == wanted, where, f"sources of {wanted}", first.sources.shape)


def check_images(split: Split, where: str):
    """InputError unless images and sources, if there are any, are arrays of bytes."""
    check_array(split.images, np.uint8, 4, where, "images uint8 [N, H, W, C], 0 to 255")
    if split.sources is not None:
        check_array(split.sources, np.uint8, 5, where, "sources uint8 [N, K, H, W, C]")


def check_array(array: np.ndarray, dtype: type, ndim: int, where: str, expected: str):
    """InputError unless it is an array of that type and that many dimensions."""
    received = type(array).__name__
    if isinstance(array, np.ndarray):
        shape = ", ".join(["N", *map(str, array.shape[1:])] if array.ndim else [])
        received = f"{array.dtype} [{shape}]"
    expect(isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == ndim, where,
           expected, received)
