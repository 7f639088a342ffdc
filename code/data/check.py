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
    expect(isinstance(dataset, Dataset), where, "a Dataset", type(dataset).__name__)
    names = dataset.class_names
    expect(isinstance(names, tuple) and all(isinstance(name, str) for name in names)
           and 2 <= len(names) <= MAX_CLASSES, where,
           f"a tuple of the names of 2 to {MAX_CLASSES} classes", repr(names))
    expect(isinstance(dataset.train, Split), f"{where}, train", "a Split, with images in memory",
           type(dataset.train).__name__)
    for part in ("train", "val", "test"):
        check_split(getattr(dataset, part), dataset, f"{where}, {part}")
    expect(len(dataset.test.labels) > 0, f"{where}, test", "an image or more", "none")
    if test_only_ok and len(dataset.train.labels) == 0:
        return

    # what training makes of its images: the first two stand for all
    expect(len(dataset.train.labels) > 0, f"{where}, train", "an image or more",
           "none; a test split alone can be evaluated")
    index = np.arange(2) % len(dataset.train.labels)
    augmented = dataset.augment(dataset.train, index, np.random.default_rng(0))
    check_split(augmented, dataset, f"{where}, augment")
    expect(len(augmented.labels) == 2, f"{where}, augment", "as many images as indices, 2",
           len(augmented.labels))


def check_split(split: Examples, dataset: Dataset, where: str):
    """InputError unless the labels and the first image of the split are as they should be."""
    labels = getattr(split, "labels", None)
    check_array(labels, np.int32, 2, where, "a Split with labels int32 [N, K], K for each image")
    expect(np.isin(labels, np.arange(dataset.classes)).all(), where,
           f"labels from 0 to {dataset.classes - 1}, one for each class name",
           f"{np.unique(labels)}")
    ordered = np.sort(labels, axis=1)
    expect((ordered[:, 1:] > ordered[:, :-1]).all() and labels.shape[1] > 0, where,
           "K different labels of each image, one or more", f"K = {labels.shape[1]}")

    # The first image stands for all, which may be made only when they are taken.
    first, size = split.take(slice(0, 1)), dataset.image_shape
    check_array(first.images, np.uint8, 4, where, "images uint8 [N, H, W, C], 0 to 255")
    expect(first.images.shape[1:] == size, where, f"images of [H, W, C] {size} as in train",
           first.images.shape[1:])
    expect(min(size[:2]) >= MIN_SIDE and size[2] > 0, where,
           f"images of {MIN_SIDE} x {MIN_SIDE} pixels or more", size)
    if isinstance(split, Split):
        expect(len(split.images) == len(labels), where, "as many images as labels",
               f"{len(split.images):,} and {len(labels):,}")
    if first.sources is not None:
        check_array(first.sources, np.uint8, 5, where, "sources uint8 [N, K, H, W, C]")
        wanted = (*first.labels.shape, *size)
        expect(first.sources.shape == wanted, where, f"sources of {wanted}", first.sources.shape)


def check_array(array: np.ndarray, dtype: type, ndim: int, where: str, expected: str):
    """InputError unless it is an array of that type and that many dimensions."""
    is_array = isinstance(array, np.ndarray)
    received = f"{array.dtype} {list(array.shape)}" if is_array else type(array).__name__
    expect(is_array and array.dtype == dtype and array.ndim == ndim, where, expected, received)
