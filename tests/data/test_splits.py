"""Splits that are missing are random tenths of training; those that are there stay as they are."""
import numpy as np
import pytest

from data.dataset import Split
from data.splits import complete
from untrusted import IMAGES, LABELS, refusal


def first(count: int) -> Split:
    return Split(IMAGES[:count, ..., None], LABELS[:count, None].astype(np.int32))


def places(split: Split) -> list[int]:
    """-> where in IMAGES each image is."""
    return [int((image[..., 0] == IMAGES).all((1, 2)).argmax()) for image in split.images]


def test_missing_splits_are_tenths_of_the_seed_s_permutation():
    splits = complete({"train": first(39)}, 5, "images")
    order = np.random.default_rng([5, 0, 2]).permutation(39)
    assert list(splits) == ["train", "val", "test"]
    assert places(splits["val"]) == order[:3].tolist()
    assert places(splits["test"]) == order[3:6].tolist()
    assert places(splits["train"]) == order[6:].tolist()
    for split in splits.values():
        np.testing.assert_array_equal(split.labels[:, 0], LABELS[places(split)])


@pytest.mark.parametrize("given, missing", [("val", "test"), ("test", "val")])
def test_one_missing_split_takes_one_tenth(given, missing):
    splits = complete({"train": first(20), given: first(3)}, 0, "images")
    order = np.random.default_rng([0, 0, 2]).permutation(20)
    assert places(splits[given]) == [0, 1, 2]
    assert places(splits[missing]) == order[:2].tolist()
    assert places(splits["train"]) == order[2:].tolist()


def test_complete_splits_stay_as_they_are():
    given = {"train": first(2), "val": first(1), "test": first(3)}
    splits = complete(given, 0, "images")
    assert {part: places(split) for part, split in splits.items()} == {
        "train": [0, 1], "val": [0], "test": [0, 1, 2]}


def test_too_few_images_or_one_class_only_are_refused():
    complete({"train": first(10)}, 0, "images")
    message = refusal(complete, {"train": first(9)}, 0, "images")
    assert message.startswith("images: ") and "10 images or more" in message
    same = Split(first(20).images, np.full((20, 1), 3, np.int32))
    assert "only the label 3" in refusal(complete, {"train": same}, 0, "images")
