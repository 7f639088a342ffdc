"""Tweaked capsules, and the effects that are found on synthetic shapes."""
import numpy as np
import pytest
from scipy import stats

import toy
from evaluation.capsules import effects, shapes
from evaluation.modes import cap_tweak
from evaluation.network.predictor import Predictor

VALUES = np.array([-0.2, -0.1, 0, 0.1, 0.2])


def test_the_tweaked_grid_equals_decoding_by_hand(network, images):
    capsule = network.encode(images[:1]).numpy()[0, 2]
    grid = cap_tweak.tweaked(Predictor(network, toy.settings(), 7), capsule, 2, VALUES)
    assert grid.shape == (4, 5, *toy.IMAGE_SHAPE)
    for e, k in np.ndindex(4, 5):
        masked = np.zeros((1, toy.CLASSES, 4), np.float32)
        masked[0, 2] = capsule
        masked[0, 2, e] += VALUES[k]
        np.testing.assert_allclose(grid[e, k], network.decoder(masked)[0], atol=1e-6)


def synthetic(slopes, noise, seed=0, E=3):
    """measured [N, E, K, M]: dimension 1 changes the width by slopes [N] per 1; noise otherwise."""
    random = np.random.default_rng(seed)
    before = random.normal(10, 2, (len(slopes), 1, 1, len(shapes.MEASURES)))
    measured = before * np.ones((1, E, len(VALUES), 1))
    measured += random.normal(0, noise, measured.shape)
    measured[:, 1, :, 2] += slopes[:, None] * VALUES
    return measured


def effects_of(measured, labels=None, digits=None):
    """Each image is of class 0, and of a digit of its own, unless told otherwise."""
    labels = np.zeros(len(measured), int) if labels is None else labels
    digits = np.arange(len(measured)) if digits is None else digits
    return effects.measure_effects(measured, labels, labels.max() + 1, VALUES, digits)


def test_effects_find_a_known_slope_with_students_interval():
    slopes = np.random.default_rng(1).normal(-15, 1, 40)
    labels = np.repeat([0, 2], 20)
    measured = synthetic(slopes, noise=0)
    found = effects_of(measured, labels)
    mine = slopes[labels == 2] * 0.2
    assert found.per == 0.2 and list(found.images) == [20, 0, 20]
    assert found.slope[2, 1, 2] == pytest.approx(mine.mean())
    expected = stats.t.interval(0.95, 19, mine.mean(), stats.sem(mine))
    np.testing.assert_allclose([found.low[2, 1, 2], found.high[2, 1, 2]], expected)
    spread = measured[labels == 2][:, 1, 2, 2].std(ddof=1)
    assert found.standard[2, 1, 2] == pytest.approx(mine.mean() / spread)
    assert found.significant[2, 1, 2] and found.significant.sum() == 2
    assert np.isnan(found.slope[1]).all(), "a class without images"
    assert not found.significant[1].any()

    words = f"width {mine.mean():+.1f} px ({-mine.mean() / spread:.1f} sd)"
    described = found.describe(2, 1)
    assert found.strongest(2, 1) == described["strongest"] == words
    assert described["width"] == {
        "unit": "px", "slope": found.slope[2, 1, 2], "low": found.low[2, 1, 2],
        "high": found.high[2, 1, 2], "standard": found.standard[2, 1, 2], "significant": True}
    assert found.strongest(2, 0) is None is found.describe(2, 0)["strongest"]


def test_an_effect_is_significant_from_the_corrected_level_on():
    """One class, one dimension, seven measures, of which one moves: t of 14 images by hand."""
    wanted = stats.t.ppf(1 - 0.05 / 2 / 7, 13)
    noise = np.random.default_rng(0).normal(size=14)
    noise = (noise - noise.mean()) / stats.sem(noise)              # standard error 1, mean 0
    for factor, significant in ((1.01, True), (0.99, False)):
        measured = np.zeros((14, 1, len(VALUES), 7))
        measured[:, 0, :, 3] = (noise + factor * wanted)[:, None] * VALUES
        found = effects_of(measured)
        assert found.significant[0, 0, 3] == significant == found.significant.sum()


@pytest.mark.parametrize("noise", [0, 1e-6])
def test_a_constant_measure_is_not_significant(noise):
    """Up to the rounding of float32, which may be the same in all images."""
    measured = np.full((20, 3, len(VALUES), len(shapes.MEASURES)), 20.1)
    found = effects_of(measured + noise * VALUES[:, None])
    assert found.slope.any() and not found.significant.any() and found.strongest(0, 1) is None


def test_an_image_that_vanishes_does_not_count_and_a_tiny_spread_does_not_inflate():
    slopes = np.full(20, 5.0) + np.arange(20) / 100
    measured = synthetic(slopes, noise=0)
    measured[:, :, :, 2] -= measured[:, :, 2:3, 2]  # all equally wide before the tweak
    measured[3, 1, 0] = np.nan
    found = effects_of(measured)
    kept = np.delete(slopes, 3) * 0.2
    assert found.slope[0, 1, 2] == pytest.approx(kept.mean())
    assert found.standard[0, 1, 2] == pytest.approx(kept.mean() / shapes.MEASURES["width"].least)
    one, two = effects_of(measured[:1]), effects_of(measured[:2])
    assert np.isnan(one.slope).all() and np.isnan(one.low).all() and not one.significant.any()
    assert np.isfinite(two.slope).all() and np.isfinite(two.low).all()


def test_images_of_one_digit_are_one_observation():
    """Of 12 digits, each in some images. One image vanishes, and all of another digit do."""
    digits = np.repeat(np.arange(12), [1, 3, 5] * 4)
    slopes = np.random.default_rng(1).normal(5, 1, len(digits))
    measured = synthetic(slopes, noise=0)
    measured[2, 1, 0], measured[digits == 7, 1, 4] = np.nan, np.nan
    order = np.random.default_rng(2).permutation(len(digits))
    found = effects_of(measured[order], digits=digits[order])
    slopes[2] = np.nan
    means = [0.2 * np.nanmean(slopes[digits == digit]) for digit in range(12) if digit != 7]
    assert found.slope[0, 1, 2] == pytest.approx(np.mean(means))
    expected = stats.t.interval(0.95, 10, np.mean(means), stats.sem(means))
    np.testing.assert_allclose([found.low[0, 1, 2], found.high[0, 1, 2]], expected)
    assert found.images == [len(digits)] and found.digits == [12]
