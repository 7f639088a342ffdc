"""A dataset that is not as dataset.py says is refused before anything is trained; light is told from dark."""
import dataclasses

import numpy as np
import pytest

import data
import registry
from data.check import check, is_light
from data.dataset import Dataset, Split
from data.making.overlay import Pairs
from settings import InputError
from untrusted import settings

NAMES = ("lying", "standing", "neither")
IMAGES = np.zeros((6, 18, 17, 1), np.uint8)
LABELS = np.arange(6, dtype=np.int32)[:, None] % 3
NOTHING = Split(IMAGES[:0], LABELS[:0])


def dataset(split=None, class_names=NAMES, part="train"):
    """A dataset, with `split` in place of one part."""
    splits = dict.fromkeys(("train", "val", "test"), Split(IMAGES, LABELS)) | ({part: split} if split else {})
    return Dataset("mine", class_names=class_names, **splits)


def test_what_is_as_it_should_be_passes():
    no_pairs = Pairs(NOTHING, 2, 4, "validation")
    pairs = Split(IMAGES, np.hstack([LABELS, (LABELS + 1) % 3]), np.zeros((6, 2, 18, 17, 1), np.uint8))
    for one in (dataset(), dataset(NOTHING, part="val"), dataset(no_pairs, part="val"), dataset(pairs, part="test")):
        check(one, "mine")


SHAPE = r"\(18, 17, 1\)"


@pytest.mark.parametrize("split, words", [
    (Split(IMAGES.astype(np.float32), LABELS), "images uint8.*, received float32"),
    (Split(IMAGES[..., 0], LABELS), f"images uint8.*{SHAPE}, received uint8 .18, 17."),
    (Split(IMAGES[:, :16], LABELS), f"images uint8.*{SHAPE}, received uint8 .16, 17, 1."),
    (Split(IMAGES[:5], LABELS), "as many images as labels, received 5 and 6"),
    (Split(IMAGES.tolist(), LABELS), "images uint8.*, received int64"),
    (Split(IMAGES, LABELS.tolist()), r"labels int32 \[N, K\], .*, received int64"),
    (Split(IMAGES, LABELS[:, 0]), r"labels int32 \[N, K\], .*, received int32 \[6\]"),
    (Split(IMAGES, LABELS[:, :0]), r"labels int32 \[N, K\], .*, received int32 \[6, 0\]"),
    (Split(IMAGES, LABELS.astype(np.int64)), "labels int32 .*, received int64"),
    (Split(IMAGES, LABELS + 1), "labels from 0 to 2, .*, received .*3"),
    (Split(IMAGES, LABELS - 1), "labels from 0 to 2, .*, received .*-1"),
    (Split(IMAGES, np.repeat(LABELS, 2, axis=1)), "K different labels of each image"),
    (Split(IMAGES, LABELS, IMAGES), "sources uint8"),
    (Split(IMAGES, LABELS, IMAGES[:, None].astype(float)), "sources uint8.*, received float64"),
    (Split(IMAGES, LABELS, IMAGES[:, None, 1:]), r"sources uint8.*\(1, 18, 17, 1\)"),
    (NOTHING, "an image or more, received none")])
def test_a_wrong_split_is_refused(split, words):
    with pytest.raises(InputError, match=f"^mine, test: expected {words}"):
        check(dataset(split, part="test"), "mine")


def test_training_has_images_and_classes_or_the_caller_only_evaluates():
    with pytest.raises(InputError, match="mine, train: expected an image or more, received none; a test split alone"):
        check(dataset(NOTHING), "mine")
    check(dataset(NOTHING), "mine", test_only_ok=True)
    for images in (IMAGES[:, 2:], IMAGES[..., :0], IMAGES[..., 0]):
        small = Split(images, LABELS)
        with pytest.raises(InputError, match="mine, train: expected images .* of 17 x 17 pixels or more"):
            check(Dataset("mine", small, small, small, NAMES), "mine")
    with pytest.raises(InputError, match="mine: expected 2 to 1000 names of classes, received 1"):
        check(dataset(class_names=NAMES[:1]), "mine")


@pytest.mark.parametrize("augment, words", [
    (lambda split, index, rng: split.take(index)._replace(images=np.zeros((2, 18, 17, 1), np.float32)),
     "expected images uint8"),
    (lambda split, index, rng: split, "expected as many images as indices, 2, received 6")])
def test_what_training_makes_of_its_images_is_checked(monkeypatch, augment, words):
    wrong = dataclasses.replace(dataset(), augment=augment)
    monkeypatch.setattr(registry.module("data.datasets", "glyphs"), "load", lambda cfg: wrong)
    with pytest.raises(InputError, match=f"--dataset glyphs, augment: {words}"):
        data.load(settings(DATASET="glyphs"))


def test_light_ground_is_seen_at_the_border_of_most_images():
    """Ink in the middle does not count, nor do a few images of the other kind."""
    ground = np.array([255, 255, 250, 255, 0, 0], np.uint8).reshape(6, 1, 1, 1)
    light = np.full((6, 18, 17, 3), ground)
    light[:, 1:-1, 1:-1] = 0
    dark = 255 - light
    assert is_light(Split(light, LABELS)) is True and is_light(Split(dark, LABELS)) is False
    sides = np.zeros((6, 60, 17, 1), np.uint8)
    sides[:, :, [0, -1]] = 255
    assert is_light(Split(sides, LABELS))
    assert not is_light(NOTHING) and not is_light(Pairs(Split(IMAGES, LABELS), 2, 1, "test"))
    assert is_light(Split(np.repeat(light, 500, axis=0), np.repeat(LABELS, 500, axis=0)))
