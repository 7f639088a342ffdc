"""What the probes say, against the model itself, sums by hand and scipy.stats."""
import numpy as np
import pytest
from scipy import stats

import probes
import shapes
import toy

VALUES = np.array([-0.2, -0.1, 0, 0.1, 0.2])


@pytest.fixture(scope="module")
def model():
    return toy.network()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((11, *toy.IMAGE_SHAPE), np.float32)


@pytest.mark.parametrize("count", [1, 4, 5, 11])
def test_a_look_is_the_model_for_any_number_of_images(model, images, count):
    labels = np.arange(count, dtype=np.int32) % toy.CLASSES
    look = probes.Network(model, toy.settings(), 4).look(images[:count], labels)
    by_predicted, by_label = model(images[:count]), model(images[:count], labels)
    np.testing.assert_allclose(look.v, by_predicted.v, atol=1e-6)
    np.testing.assert_allclose(look.lengths, by_predicted.lengths, atol=1e-6)
    np.testing.assert_allclose(look.by_predicted, by_predicted.reconstruction, atol=1e-6)
    np.testing.assert_allclose(look.by_label, by_label.reconstruction, atol=1e-6)
    np.testing.assert_array_equal(look.predicted, np.argmax(by_predicted.lengths, axis=1))


def test_a_sample_is_spread_over_the_classes_and_repeatable():
    labels = np.repeat([0, 1, 2], [50, 5, 2])
    chosen = probes.sample(labels, 9, seed=1)
    assert len(set(chosen)) == 9
    np.testing.assert_array_equal(np.bincount(labels[chosen]), [4, 3, 2])
    assert set(labels[chosen[:3]]) == {0, 1, 2}, "one of each class comes first"
    np.testing.assert_array_equal(chosen, probes.sample(labels, 9, seed=1))
    assert list(chosen) != list(probes.sample(labels, 9, seed=2))
    assert sorted(probes.sample(labels, 1000, seed=1)) == list(range(57))


def test_confusion_counts_label_by_prediction():
    counts = probes.confusion(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0]), 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 0, 0], [1, 0, 2]])


def test_squared_error_is_the_mean_over_pixels_and_channels():
    off = np.array([0.5, 2])[:, None, None, None] * np.ones((1, 3, 4, 2))
    np.testing.assert_allclose(probes.squared_error(np.zeros_like(off), off), [0.25, 4])


def test_reliability_by_hand():
    lengths = np.array([0.31, 0.35, 0.39, 0.95, 1.0])
    found = probes.reliability(lengths, np.array([True, False, False, True, True]))
    np.testing.assert_array_equal(found.count, [0, 0, 0, 3, 0, 0, 0, 0, 0, 2])
    np.testing.assert_allclose(found.accuracy[[3, 9]], [1 / 3, 1])
    np.testing.assert_allclose(found.length[[3, 9]], [0.35, 0.975])
    assert np.isnan(found.accuracy[0])
    wilson = stats.binomtest(1, 3).proportion_ci(method="wilson")
    np.testing.assert_allclose([found.low[3], found.high[3]], wilson, rtol=1e-6)
    assert found.gap == pytest.approx((3 * abs(0.35 - 1 / 3) + 2 * 0.025) / 5)


def test_the_tweaked_grid_equals_decoding_by_hand(model, images):
    labels = np.array([2, 0], np.int32)
    v = model.encode(images[:2]).numpy()
    capsule = v[[0, 1], labels]
    grid = probes.tweak(probes.Network(model, toy.settings(), 7), capsule, labels, VALUES)
    assert grid.shape == (2, 4, 5, *toy.IMAGE_SHAPE)
    for n, e, k in np.ndindex(2, 4, 5):
        masked = np.zeros((1, toy.CLASSES, 4), np.float32)
        masked[0, labels[n]] = capsule[n]
        masked[0, labels[n], e] += VALUES[k]
        np.testing.assert_allclose(grid[n, e, k], model.decoder(masked)[0], atol=1e-6)


def test_tweaks_are_measured_one_by_one_in_any_chunks(model, images, monkeypatch):
    labels = np.arange(11, dtype=np.int32) % toy.CLASSES
    network, capsule = probes.Network(model, toy.settings(), 7), model.encode(images).numpy()[np.arange(11), labels]
    monkeypatch.setattr(probes, "DECODED", 50)
    measured = probes.measure_tweaks(network, capsule, labels, VALUES)
    grid = probes.tweak(network, capsule, labels, VALUES)
    for n, e, k in [(0, 0, 0), (4, 3, 2), (10, 1, 4)]:
        expected = shapes.measure(grid[n, e, k].mean(axis=-1)[None])[0]
        np.testing.assert_allclose(measured[n, e, k], expected, rtol=1e-3, atol=1e-3)


def synthetic(slopes, noise, seed=0, E=3):
    """measured [N, E, K, M]: dimension 1 changes the width by slopes [N] per 1, all else is noise."""
    random = np.random.default_rng(seed)
    measured = random.normal(10, 2, (len(slopes), 1, 1, len(shapes.MEASURES))) * np.ones((1, E, len(VALUES), 1))
    measured += random.normal(0, noise, measured.shape)
    measured[:, 1, :, 2] += slopes[:, None] * VALUES
    return measured


def test_effects_find_a_known_slope_with_students_interval():
    random = np.random.default_rng(1)
    slopes, labels = random.normal(-15, 1, 40), np.repeat([0, 2], 20)
    measured = synthetic(slopes, noise=0)
    found = probes.effects(measured, labels, 3, VALUES)
    mine = slopes[labels == 2] * 0.2
    assert found.slope[2, 1, 2] == pytest.approx(mine.mean())
    expected = stats.t.interval(0.95, 19, mine.mean(), stats.sem(mine))
    np.testing.assert_allclose([found.low[2, 1, 2], found.high[2, 1, 2]], expected)
    spread = measured[labels == 2][:, 1, 2, 2].std(ddof=1)
    assert found.standard[2, 1, 2] == pytest.approx(mine.mean() / spread)
    assert found.significant[2, 1, 2] and found.significant.sum() == 2
    described = found.of(2, 1)
    assert described["strongest"] == f"width {mine.mean():+.1f} px ({-mine.mean() / spread:.1f} sd)"
    assert described["width"]["low"] == found.low[2, 1, 2]
    assert found.of(2, 0)["strongest"] is None
    assert np.isnan(found.slope[1]).all() and not found.significant[1].any(), "a class without images"


def test_the_level_is_corrected_for_the_number_of_effects():
    """Noise alone: of 10 x 63 effects about 32 are outside their 95 % interval, but almost none is significant."""
    outside = significant = 0
    for seed in range(10):
        found = probes.effects(synthetic(np.zeros(90), 1, seed), np.arange(90) % 3, 3, VALUES)
        outside += ((found.low > 0) | (found.high < 0)).sum()
        significant += found.significant.sum()
    assert 15 < outside < 55
    assert significant <= 3


def test_an_image_that_vanishes_does_not_count_and_a_tiny_spread_does_not_inflate():
    measured = synthetic(np.full(20, 5.0) + np.arange(20) / 100, noise=0)
    measured[:, :, :, 2] -= measured[:, :, 2:3, 2]  # all equally wide before the tweak
    measured[3, 1, 0] = np.nan
    found = probes.effects(measured, np.zeros(20, int), 1, VALUES)
    kept = np.delete(np.full(20, 5.0) + np.arange(20) / 100, 3) * 0.2
    assert found.slope[0, 1, 2] == pytest.approx(kept.mean())
    assert found.standard[0, 1, 2] == pytest.approx(kept.mean() / shapes.MEASURES["width"].least)
