"""The glyphs: MNIST's format and framing, the same bytes from a seed, test fonts not trained on."""
import matplotlib
import numpy as np
import pytest

from data.making import glyphs

SIZES = {"train": 500, "val": 50, "test": 200}


@pytest.fixture(scope="module")
def data():
    return glyphs.make(0, **SIZES)


@pytest.fixture(scope="module")
def images(data):
    """All splits together, [750, 28, 28]."""
    return np.concatenate([data[f"x_{split}"] for split in SIZES])


def bounds(images):
    """-> first and last inked row and column of each image, [N, 4] as top, bottom, left, right."""
    ends = []
    for ink in ((images > 0).any(2), (images > 0).any(1)):
        ends += [ink.argmax(1), 27 - ink[:, ::-1].argmax(1)]
    return np.stack(ends, 1)


def centres(images):
    """-> row and column of each centre of mass, [N, 2]."""
    mass = images / images.sum((1, 2), keepdims=True, dtype=float)
    return np.stack([mass.sum(2) @ np.arange(28), mass.sum(1) @ np.arange(28)], 1)


@pytest.mark.parametrize("split", SIZES)
def test_format_is_that_of_mnist_and_classes_are_balanced(data, split):
    images, labels = data[f"x_{split}"], data[f"y_{split}"]
    assert images.shape == (SIZES[split], 28, 28) and images.dtype == np.uint8
    assert labels.shape == (SIZES[split],) and labels.dtype == np.int32
    assert np.bincount(labels).tolist() == [SIZES[split] // 10] * 10
    assert (np.diff(labels) < 0).any()  # not in order of class


def test_the_same_seed_gives_the_same_bytes_whatever_the_sizes_of_other_splits(data):
    again = glyphs.make(0, **SIZES)
    assert list(again) == ["x_train", "y_train", "x_val", "y_val", "x_test", "y_test"]
    assert all(again[name].tobytes() == data[name].tobytes() for name in data)
    fewer = glyphs.make(0, train=500, val=10, test=200)
    assert all(fewer[name].tobytes() == data[name].tobytes() for name in ("x_train", "y_train", "x_test", "y_test"))
    other = glyphs.make(1, train=100, val=100, test=13)
    assert not np.array_equal(other["x_test"], data["x_test"][:13]) and len(other["x_test"]) == 13
    assert not np.array_equal(other["y_train"], other["y_val"]), "splits of a size are drawn independently"


def test_white_ink_on_a_background_of_exactly_zero(images):
    assert len(np.unique(images, axis=0)) == len(images), "none is drawn twice"
    share = (images > 0).mean((1, 2))
    assert share.min() > 0.05 and share.max() < 0.5
    assert (images.max((1, 2)) > 180).all()
    assert 28 < images.mean() < 39  # MNIST: 33
    assert 0.05 < ((images > 0) & (images < 255)).mean() < 0.15  # antialiased; MNIST: 0.12


def test_digits_fill_mnist_s_box_are_centred_by_their_mass_and_keep_off_the_edge(images):
    top, bottom, left, right = bounds(images).T
    longer = np.maximum(bottom - top, right - left) + 1
    assert longer.min() >= 15 and longer.max() <= 23  # 17 to 20 before the bend
    assert (longer <= 20).mean() > 0.9
    assert (bounds(images) % 27 == 0).any(1).mean() < 0.02
    offset = centres(images) - 14
    assert np.abs(offset).max() < 3.5
    assert (np.abs(offset.mean(0)) < 0.15).all()
    assert (offset.std(0) > 0.4).all() and (offset.std(0) < 0.9).all()  # shifted by up to 1 pixel


@pytest.fixture
def still(monkeypatch):
    """Turns all variation off."""
    fixed = dict.fromkeys(["SHEAR", "ROTATION", "GROWTH", "SHIFT"], (0, 0))
    fixed |= {"SIZE": (20, 20), "STRETCH": (1, 1), "BEND": 0}
    for name, value in fixed.items():
        monkeypatch.setattr(glyphs, name, value)


def test_without_variation_a_digit_is_fitted_and_centred_exactly(still):
    data = glyphs.make(0, train=100, val=0, test=100)
    images = np.concatenate([data["x_train"], data["x_test"]])
    top, bottom, left, right = bounds(images).T
    longer = np.maximum(bottom - top, right - left) + 1
    assert set(longer) <= {19, 20}  # 20 pixels from within a pixel cover the centres of 19 or 20
    assert np.abs(centres(images) - 14).max() < 0.2


def test_the_bend_alone_makes_every_image_differ(monkeypatch, still):
    for bend, fewest, most in ((0, 91, 10 * len(glyphs.TRAIN_FONTS)), (0.6, 300, 300)):
        monkeypatch.setattr(glyphs, "BEND", bend)
        images = glyphs.make(0, train=300, val=0, test=0)["x_train"]
        assert fewest <= len(np.unique(images, axis=0)) <= most, "without it 300 draws from 120: about 110"


def test_training_and_validation_are_drawn_from_the_training_fonts_alone(monkeypatch, data):
    monkeypatch.setattr(glyphs, "TEST_FONTS", glyphs.TRAIN_FONTS)
    other = glyphs.make(0, **SIZES)
    assert np.array_equal(other["x_train"], data["x_train"])
    assert np.array_equal(other["x_val"], data["x_val"])
    assert not np.array_equal(other["x_test"], data["x_test"])


def test_a_dark_matplotlib_style_does_not_change_the_digits(monkeypatch, data):
    monkeypatch.setitem(matplotlib.rcParams, "figure.facecolor", "black")
    glyphs._masters.cache_clear()
    np.testing.assert_array_equal(glyphs.make(0, **SIZES)["x_val"], data["x_val"])


def test_digits_are_upright_and_not_mirrored(data):
    """The mass of a 7 is near its top; the upper bow of a 2 is open to the left."""
    images, labels = data["x_train"], data["y_train"]
    above, below = 14 - bounds(images)[:, 0], bounds(images)[:, 1] - 14
    assert above[labels == 7].mean() < below[labels == 7].mean() - 1
    two = images[labels == 2].mean(0)
    assert two[8:13, 15:].sum() > 2 * two[8:13, :14].sum()


def test_labels_can_be_learnt_and_carry_over_to_unseen_fonts(data):
    """The nearest of ten mean images, the weakest of classifiers; by chance it would reach 10 %."""
    means = np.stack([data["x_train"][data["y_train"] == digit].mean(0) for digit in range(10)])
    distance = ((data["x_test"][:, None] - means) ** 2).sum((2, 3))  # [200, 10]
    right = distance.argmin(1) == data["y_test"]
    assert right.mean() > 0.6
    assert all(right[data["y_test"] == digit].mean() > 0.25 for digit in range(10))
