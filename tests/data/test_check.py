"""A dataset of one's own that is not as dataset.py says is refused before anything is trained."""
import dataclasses

import numpy as np
import pytest

import data
import registry
from data.check import check
from data.dataset import Dataset, Split
from data.making.overlay import Pairs
from settings import InputError
from untrusted import settings

NAMES = ("lying", "standing", "neither")
IMAGES = np.zeros((6, 18, 17, 1), np.uint8)
LABELS = np.arange(6, dtype=np.int32)[:, None] % 3


def dataset(split=None, class_names=NAMES, part="train"):
    """A dataset, with `split` in place of one part."""
    splits = dict.fromkeys(("train", "val", "test"), Split(IMAGES, LABELS)) | ({part: split} if split else {})
    return Dataset("mine", class_names=class_names, **splits)


def test_what_is_as_it_should_be_passes():
    nothing = Split(IMAGES[:0], LABELS[:0])
    no_pairs = Pairs(nothing, 2, 4, "validation")
    pairs = Split(IMAGES, np.hstack([LABELS, (LABELS + 1) % 3]), np.zeros((6, 2, 18, 17, 1), np.uint8))
    for one in (dataset(), dataset(nothing, part="val"), dataset(no_pairs, part="val"), dataset(pairs, part="test")):
        check(one, "mine")


@pytest.mark.parametrize("split, words", [
    (Split(IMAGES.astype(np.float32), LABELS), "images uint8 .*, received float32"),
    (Split(IMAGES.astype(bool), LABELS), "images uint8 .*, received bool"),
    (Split(IMAGES[..., 0], LABELS), r"images uint8 \[N, H, W, C\], .*, received uint8 \[N, 18, 17\]"),
    (Split(None, LABELS), "images, received none"),
    (Split(np.uint8(3), LABELS), "images uint8 .*, received uint8"),
    (Split(np.array(3, np.uint8), LABELS), r"images uint8 .*, received uint8 \[\]"),
    (Split(IMAGES, [[1], [1, 2]]), r"labels int32 \[N, K\], .*, received list"),
    (Split(IMAGES, LABELS[:, 0]), r"labels int32 \[N, K\], .*, received int32 \[N\]"),
    (Split(IMAGES, LABELS[:, :0]), "a label or more for each image, received none"),
    (Split(IMAGES, LABELS.astype(np.int64)), "labels int32 .*, received int64"),
    (Split(IMAGES, LABELS + 1), "labels from 0 to 2, .*, received 1 to 3"),
    (Split(IMAGES, LABELS - 1), "labels from 0 to 2, .*, received -1 to 1"),
    (Split(IMAGES, np.repeat(LABELS, 2, axis=1)), "K different labels of each image, received"),
    (Split(IMAGES[:5], LABELS), "as many images as labels, received 5 and 6"),
    (Split(IMAGES[:, :16], LABELS), "images of 17 x 17 pixels or more"),
    (Split(IMAGES, LABELS, IMAGES), "sources uint8"),
    (Split(IMAGES, LABELS, IMAGES[:5, None]), "as many sources as labels, received 5 and 6"),
    (Split(IMAGES, LABELS, IMAGES[:, None, 1:]), r"sources of \(1, 1, 18, 17, 1\)"),
    ((IMAGES, LABELS), "a Split, received tuple")])
def test_a_wrong_split_is_refused(split, words):
    with pytest.raises(InputError, match=f"^mine, test: expected {words}"):
        check(dataset(split, part="test"), "mine")


def test_splits_are_alike_and_not_empty():
    larger = Split(np.zeros((6, 20, 20, 1), np.uint8), LABELS)
    with pytest.raises(InputError, match=r"mine, val: expected images of \[H, W, C\] \(18, 17, 1\) as in train"):
        check(dataset(larger, part="val"), "mine")
    for part in ("train", "test"):
        with pytest.raises(InputError, match=f"mine, {part}: expected an image or more, received none"):
            check(dataset(Split(IMAGES[:0], LABELS[:0]), part=part), "mine")


def test_training_has_its_images_in_memory():
    with pytest.raises(InputError, match="mine, train: expected a Split, with images in memory, received Pairs"):
        check(dataset(Pairs(Split(IMAGES, LABELS), 2, 4, "training")), "mine")


@pytest.mark.parametrize("names, words", [(NAMES[:1], "names for 2 to 1000 classes, received 1"),
                                          (None, "a tuple of class names, received None"),
                                          ((0, 1, 2), "a tuple of class names, received"),
                                          (NAMES[:2], "mine, train: expected labels from 0 to 1, .* received 0 to 2")])
def test_every_class_has_a_name(names, words):
    with pytest.raises(InputError, match=words):
        check(dataset(class_names=names), "mine")


@pytest.mark.parametrize("augment, words", [
    (None, "mine: expected augment, a function, received None"),
    (lambda split, index, rng: split.take(index)._replace(images=np.zeros((2, 18, 17, 1), np.float32)),
     "mine, augment: expected images uint8"),
    (lambda split, index, rng: split, "mine, augment: expected as many images as indices, 2, received 6"),
    (lambda split, index, rng: split.take(index).images, "mine, augment: expected a Split, received ndarray")])
def test_what_training_makes_of_its_images_is_checked(augment, words):
    with pytest.raises(InputError, match=words):
        check(dataclasses.replace(dataset(), augment=augment), "mine")


def test_every_dataset_is_checked_when_it_is_loaded(monkeypatch):
    monkeypatch.setattr(registry.module("data.datasets", "glyphs"), "load", lambda cfg: "no dataset")
    with pytest.raises(InputError, match="--dataset glyphs: expected a Dataset, received str"):
        data.load(settings(DATASET="glyphs"))
