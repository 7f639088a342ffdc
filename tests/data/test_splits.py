"""Splits that are missing are tenths of training, by class or as older runs had them; others stay as they are."""
import json

import numpy as np
import pytest

from config import TRAIN, Config
from data import splits
from data.dataset import Dataset, Split
from runs.config import RunConfig, load_config, save_config
from untrusted import IMAGES, LABELS, refusal, settings


def first(count: int, labels=LABELS) -> Split:
    return Split(IMAGES[:count, ..., None], labels[:count, None].astype(np.int32))


def made(given: dict[str, Split], how: str = "by_class", seed: int = 5, classes: int = 4, files=None) -> Dataset:
    return splits.as_dataset("own", "images", given, tuple(map(str, range(classes))), settings(SPLIT=how, SEED=seed),
                             files)


def places(split: Split) -> list[int]:
    """-> where in IMAGES each image is."""
    return [int((image[..., 0] == IMAGES).all((1, 2)).argmax()) for image in split.images]


def parts(dataset: Dataset) -> dict[str, list[int]]:
    for part in splits.PARTS:
        split = getattr(dataset, part)
        np.testing.assert_array_equal(split.labels[:, 0], LABELS[places(split)])
    return {part: places(getattr(dataset, part)) for part in splits.PARTS}


def test_random_splits_are_tenths_of_the_seed_s_permutation_as_in_older_runs():
    order = np.random.default_rng([5, 0, 2]).permutation(39).tolist()
    assert parts(made({"train": first(39)}, "random")) == {"train": order[6:], "val": order[:3], "test": order[3:6]}


@pytest.mark.parametrize("given, missing", [("val", "test"), ("test", "val")])
@pytest.mark.parametrize("how", ["random", "by_class"])
def test_one_missing_split_is_taken_from_training(given, missing, how):
    order = np.random.default_rng([5, 0, 2]).permutation(20).tolist()
    found = parts(made({"train": first(20), given: first(3)}, how))
    assert found[given] == [0, 1, 2] and sorted(found["train"] + found[missing]) == list(range(20))
    if how == "random":
        assert found[missing] == order[:2]
    else:
        assert sorted(LABELS[found[missing]]) == [0, 1, 2, 3], "one of each class"


@pytest.mark.parametrize("counts, val, test", [
    ([20, 10, 10], [2, 1, 1], [2, 1, 1]), ([29, 8, 3], [2, 1, 1], [2, 1, 1]), ([37, 2, 1], [3, 0, 0], [3, 1, 0])])
def test_every_class_gives_a_tenth_and_keeps_an_image_for_training(counts, val, test, capsys):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(3), counts))
    dataset = made({"train": first(40, labels)}, classes=3)
    found = {part: np.bincount(getattr(dataset, part).labels[:, 0], minlength=3) for part in splits.PARTS}
    assert found["val"].tolist() == val and found["test"].tolist() == test
    assert found["train"].min() > 0 and sum(found.values()).tolist() == counts
    same, other = (made({"train": first(40, labels)}, seed=seed, classes=3) for seed in (5, 6))
    assert same.digest == dataset.digest != other.digest
    out = capsys.readouterr().out
    if 0 in val:
        assert "2 of 3 classes have no validation images: 1, 2; 1 of 3 classes have no test images: 2" in out
    assert (out == "") == (0 not in val + test)


@pytest.mark.parametrize("dataset, split", [("/somewhere/photos", "random"), ("mnist", "by_class")])
def test_a_run_that_does_not_record_how_it_was_split_took_random_tenths(tmp_path, dataset, split):
    """A run of MNIST, which is not split, does not record it either way."""
    for how in ("by_class", "random"):
        cfg = Config(TRAIN, {"DATASET": dataset, "SPLIT": how})
        save_config(tmp_path, RunConfig(cfg, (28, 28, 1), 2, "0123", ("a", "b")))
        assert how == load_config(tmp_path).settings.SPLIT
        saved = json.loads((tmp_path / "config.json").read_text())
        saved["settings"].pop("SPLIT", None)
        (tmp_path / "config.json").write_text(json.dumps(saved))
        assert split == load_config(tmp_path).settings.SPLIT


def test_where_classes_cannot_give_images_the_tenths_are_random(capsys):
    dataset = made({"train": first(10, np.arange(40))}, classes=10)
    assert [len(getattr(dataset, part).labels) for part in splits.PARTS] == [8, 1, 1]
    assert "2 of 10 classes have no training images" in capsys.readouterr().out


def test_a_test_split_alone_can_be_loaded_and_files_go_with_their_images():
    dataset = made({"test": first(3)}, files={"test": ["a", "b", "c"]})
    assert parts(dataset) == {"train": [], "val": [], "test": [0, 1, 2]}
    assert dataset.image_shape == (20, 18, 1) and dataset.test_files == ("a", "b", "c")
    for how in ("random", "by_class"):
        dataset = made({"train": first(40)}, how, files={"train": [str(place) for place in range(40)]})
        assert dataset.test_files == tuple(map(str, parts(dataset)["test"]))
    assert made({"train": first(40)}).test_files is None


def test_too_few_images_or_one_class_only_are_refused():
    made({"train": first(10)})
    message = refusal(made, {"train": first(9)})
    assert message.startswith("images: ") and "10 images or more" in message
    assert "only the label 3" in refusal(made, {"train": Split(first(20).images, np.full((20, 1), 3, np.int32))})
    labels = np.zeros(20, int)
    labels[np.random.default_rng([5, 0, 2]).permutation(20)[0]] = 1  # which goes into validation
    made({"train": first(20, labels)}, classes=2)
    assert "only the label 0" in refusal(made, {"train": first(20, labels)}, "random", classes=2)
