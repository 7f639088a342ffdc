"""Checks of what a file of datasets/ or formats/ has loaded: it is as dataset.py says."""
import numpy as np

from data.dataset import MAX_CLASSES, MIN_SIDE, Dataset, Examples, Split
from data.readers.files import expect


def is_light(split: Examples) -> bool:
    """Returns whether most images of the split are light: dark ink on light ground.

    The mean pixel at an image's border shows its ground. At most about 1,000 images are looked at,
    spread evenly over the split. No images are not light.
    """
    count = len(split.labels)
    if count == 0:
        return False
    images = split.take(slice(0, None, max(1, count // 1000))).images          # [N, H, W, C]
    edges = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    border = np.concatenate(edges, axis=1)                                     # [N, 2 H + 2 W, C]
    return bool(np.median(border.mean(axis=(1, 2))) > 127)


def check(dataset: Dataset, where: str, test_only_ok: bool = False):
    """InputError, beginning with `where`, for the first thing that is not as dataset.py says.

    test_only_ok: whether there may be no training images
    """
    names, size = dataset.class_names, np.shape(dataset.train.images)[1:]
    expect(2 <= len(names) <= MAX_CLASSES, where, f"2 to {MAX_CLASSES} names of classes",
           len(names))
    expect(len(size) == 3 and min(size) > 0 and min(size[:2]) >= MIN_SIDE, f"{where}, train",
           f"images [N, H, W, C] of {MIN_SIDE} x {MIN_SIDE} pixels or more", f"images of {size}")
    for part in ("train", "val", "test"):
        check_split(getattr(dataset, part), len(names), size, f"{where}, {part}")
    expect(len(dataset.test.labels) > 0, f"{where}, test", "an image or more", "none")
    if test_only_ok and len(dataset.train.labels) == 0:
        return

    # What training makes of its images: the first two stand for all.
    expect(len(dataset.train.labels) > 0, f"{where}, train", "an image or more",
           "none; a test split alone can be evaluated")
    index = np.arange(2) % len(dataset.train.labels)
    augmented = dataset.augment(dataset.train, index, np.random.default_rng(0))
    check_split(augmented, len(names), size, f"{where}, augment")
    expect(len(augmented.labels) == 2, f"{where}, augment", "as many images as indices, 2",
           len(augmented.labels))


def check_split(split: Examples, classes: int, size: tuple[int, ...], where: str):
    """InputError unless the labels and the first image of the split are as they should be.

    size: (H, W, C)
    """
    labels = np.asarray(split.labels)
    expect(labels.dtype == np.int32 and labels.ndim == 2 and labels.shape[1] > 0, where,
           "labels int32 [N, K], K for each image", f"{labels.dtype} {list(labels.shape)}")
    expect(np.isin(labels, np.arange(classes)).all(), where,
           f"labels from 0 to {classes - 1}, one for each class name", np.unique(labels))
    ordered = np.sort(labels, axis=1)
    expect((ordered[:, 1:] > ordered[:, :-1]).all(), where, "K different labels of each image",
           "an image that has one twice")

    # The first image stands for all: they may be made when they are taken.
    images, _, sources = split.take(slice(0, 1))
    images = np.asarray(images)
    expect(images.dtype == np.uint8 and images.shape[1:] == size, where,
           f"images uint8, 0 to 255, each of the shape {size}",
           f"{images.dtype} {images.shape[1:]}")
    if isinstance(split, Split):
        expect(len(split.images) == len(labels), where, "as many images as labels",
               f"{len(split.images):,} and {len(labels):,}")
    if sources is not None:
        wanted = (labels.shape[1], *size)
        expect(sources.dtype == np.uint8 and sources.shape[1:] == wanted, where,
               f"sources uint8, each of the shape {wanted}", f"{sources.dtype} {sources.shape[1:]}")
