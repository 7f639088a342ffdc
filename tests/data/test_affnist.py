"""Expanded MNIST and affNIST: where digits lie, which file is taken, and the cache of synthetic images."""
import numpy as np
import pytest

import config
import data
from config import TRAIN, Config
from data.augment import random_shift
from data.dataset import Dataset, Split, training_batch
from data.datasets import affnist
from data.making import affine
from data.readers import files
from settings import InputError
from untrusted import CANVASES, DIGITS, refusal
from untrusted import mat as content


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """MNIST of a few digits: 16 x 14 bright pixels around the middle of each."""
    def split(count, seed):
        images = np.zeros((count, 28, 28, 1), np.uint8)
        images[:, 6:22, 7:21] = np.random.default_rng(seed).integers(1, 256, (count, 16, 14, 1), np.uint8)
        return Split(images, (np.arange(count, dtype=np.int32) % 10)[:, None])

    digits = Dataset("mnist", split(40, 0), split(9, 1), split(11, 2), tuple("0123456789"))
    monkeypatch.setattr(affnist.mnist, "load", lambda cfg: digits)
    monkeypatch.setattr(affnist, "ROOT", tmp_path / "repository")
    monkeypatch.setattr(affnist, "COPIES", 3)
    return digits


def load(tmp_path, **changes):
    cfg = Config(TRAIN, {"DATASET": "affnist", "DATA_DIR": str(tmp_path), **affnist.DEFAULTS, **changes})
    return data.load(cfg)


def place_of(image):
    """-> the upper left corner of its ink"""
    rows, columns = np.nonzero(image[..., 0].any(axis=1))[0], np.nonzero(image[..., 0].any(axis=0))[0]
    return rows[0], columns[0]


def test_training_places_the_digit_anywhere_and_loses_nothing(tmp_path, digits):
    dataset = load(tmp_path)
    assert dataset.image_shape == (40, 40, 1) and dataset.classes == 10 and dataset.name == "affnist"
    np.testing.assert_array_equal(dataset.train.images[:, 6:34, 6:34], digits.train.images)
    places = []
    for step in range(20):
        batch = training_batch(dataset, 5, step, 40)
        assert np.isclose(batch.images.sum(), digits.train.images.sum() / 255, rtol=1e-5)
        places += [place_of(image) for image in batch.images]
    rows, columns = np.array(places).T
    assert set(rows) == set(range(6, 19)) and set(columns) == set(range(7, 20)), "0 to 12 of the 28 x 28 pixels"


def test_validation_and_test_have_the_places_of_earlier_versions_whatever_the_seed(tmp_path, digits):
    """By the code that made the published accuracies. Seed 0 makes them."""
    dataset, other = load(tmp_path), load(tmp_path, SEED=3)
    assert dataset.digest == other.digest
    for part, first in {"val": [(11, 19), (6, 19), (18, 15), (9, 18)],
                        "test": [(11, 9), (14, 9), (18, 17), (7, 13)]}.items():
        mine, original = getattr(dataset, part), getattr(digits, part)
        np.testing.assert_array_equal(mine.labels, original.labels)
        places = [place_of(image) for image in mine.images]
        assert places[:4] == first
        for image, digit, (row, column) in zip(mine.images, original.images, places, strict=True):
            np.testing.assert_array_equal(image[row:row + 16, column:column + 14], digit[6:22, 7:21])
    first = affine.Transforms(*(values[0] for values in affnist.transforms_of(digits.test)))
    expected = affine.Transforms(
        rotation=-14.838885716447612, shear=0.051415396271662195, horizontal=1.0155549531430772,
        vertical=0.8106092136331329, right=0.8444098634478046, down=-3.313921949898667)
    np.testing.assert_allclose(first, expected, rtol=1e-9)


def test_the_dataset_brings_its_own_defaults_and_a_shift_is_one_on_the_larger_canvas(tmp_path, digits, monkeypatch):
    assert config.filled_in("original", "affnist") == affnist.DEFAULTS == {"SHIFT": 6, "CNN_LAYERS": "pooled"}
    monkeypatch.setattr(affnist.mnist, "load", lambda cfg: random_shift(cfg.SHIFT, (28, 28, 1)) and digits)
    assert load(tmp_path, SHIFT=30).image_shape == (40, 40, 1)
    with pytest.raises(InputError, match="40x40"):
        load(tmp_path, SHIFT=40)


# ---- affNIST ----

def test_without_its_files_affnist_is_synthetic_and_made_once(tmp_path, digits, monkeypatch):
    made, apply = [], affine.apply
    monkeypatch.setattr(affine, "apply", lambda *given: made.append(given[1]) or apply(*given))

    def split():
        return load(tmp_path).further["synthetic affNIST"]()

    assert list(load(tmp_path).further) == ["centred MNIST", "synthetic affNIST"] and not made, "not before it is asked"
    first = split()
    assert first.images.shape == (33, 40, 40, 1) and len(made) == 1
    np.testing.assert_array_equal(first.labels, np.repeat(digits.test.labels, 3, axis=0))
    transforms = affnist.transforms_of(digits.test)
    np.testing.assert_array_equal(first.images, apply(np.repeat(digits.test.images, 3, axis=0), transforms, 40))
    np.testing.assert_array_equal(split().images, first.images)
    assert len(made) == 1, "the second time from the cache"

    # the parameters of the digits in the middle are the same; the cache is of these digits
    for a, b in zip(affnist.transforms_of(affnist.centred(digits.test)), transforms, strict=True):
        np.testing.assert_allclose(a, b)
    digits.test.images[0, 10, 10] ^= 1
    assert not np.array_equal(split().images, first.images) and len(made) == 2


@pytest.mark.parametrize("place", ["test.mat", "affnist/test.mat", "affnist/test.mat.zip"])
def test_its_own_files_are_taken_where_they_lie(tmp_path, digits, place):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content())
    further = load(tmp_path).further
    assert list(further) == ["centred MNIST", "affNIST"]
    np.testing.assert_array_equal(further["affNIST"]().images[..., 0], CANVASES)
    path.write_bytes(content()[:-900])
    assert str(path) in refusal(load(tmp_path).further["affNIST"]), "damaged, not replaced by synthetic ones"


def test_a_download_is_tried_only_if_it_is_asked_for(tmp_path, digits, monkeypatch):
    asked = []

    def fetch(url, limit):
        asked.append(url)
        return replies.pop(0)

    replies = [b"<html>some page</html>", content(True)]
    monkeypatch.setattr(files, "fetch", fetch)
    load(tmp_path).further["synthetic affNIST"]()
    assert not asked
    make = load(tmp_path, AFFNIST_DOWNLOAD=True).further["affNIST"]
    message = refusal(make)
    assert "test.mat.zip could not be downloaded" in message and "leave --affnist_download out" in message
    assert not (tmp_path / "affnist").exists()
    np.testing.assert_array_equal(make().labels[:, 0], DIGITS)
    assert asked == [affnist.URL] * 2
    assert (tmp_path / "affnist" / "test.mat.zip").read_bytes() == content(True)
