"""Calibration, tables and detection, against sums by hand and scipy.stats."""
import numpy as np
import pytest
from scipy import stats

import config
from data.dataset import Dataset, Split
from evaluation.modes.adversarial import mean_by_class
from evaluation.modes.reconstruct import expected_calibration_error, reliability
from evaluation.network.predictor import Predictions
from evaluation.robustness import detection
from evaluation.statistics import intervals, tables
from settings import Config


def test_counts_and_means_of_each_pair_of_classes_and_of_nothing():
    counts = tables.confusion(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0]), 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 0, 0], [1, 0, 2]])
    labels, others, values = np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([2.0, 4.0, 7.0])
    table = mean_by_class(labels, others, values, 2)
    np.testing.assert_array_equal(table, [[np.nan, 3], [7, np.nan]])
    table = mean_by_class(labels[:0], others[:0], values[:0], 2)
    assert np.isnan(table).all(), "an attack without a success"
    assert np.isnan(tables.mean(np.zeros(0))) and tables.mean(np.array([1, 2, 6])) == 3


def test_reliability_by_hand():
    lengths = np.array([0.31, 0.35, 0.39, 0.95, 1.0])
    found = reliability(lengths, np.array([True, False, False, True, True]))
    np.testing.assert_array_equal(found["count"], [0, 0, 0, 3, 0, 0, 0, 0, 0, 2])
    np.testing.assert_allclose(found["accuracy"][[3, 9]], [1 / 3, 1])
    np.testing.assert_allclose(found["length"][[3, 9]], [0.35, 0.975])
    assert np.isnan(found["accuracy"][0]) and np.isnan(found["low"][0])
    wilson = stats.binomtest(1, 3).proportion_ci(method="wilson")
    np.testing.assert_allclose([found["low"][3], found["high"][3]], wilson, rtol=1e-6)
    expected = (3 * abs(0.35 - 1 / 3) + 2 * 0.025) / 5
    assert expected_calibration_error(found) == pytest.approx(expected), "bins weigh by their images"


@pytest.mark.parametrize("copies", [1, 4])
def test_images_of_one_digit_count_as_much_as_they_say(copies):
    """If they are always correct or wrong together, that is as much as one of them."""
    correct = np.random.default_rng(0).random(50) < 0.8
    order = np.random.default_rng(1).permutation(50 * copies)
    digits = np.repeat(np.arange(50), copies)[order, None]
    found = intervals.of_clusters(np.repeat(correct, copies)[order], digits)
    expected = stats.binomtest(int(correct.sum()), 50).proportion_ci(method="wilson")
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # images that are all correct or none are counted one by one
    found = intervals.of_clusters(np.ones(8, bool), np.arange(8)[:, None] // copies)
    np.testing.assert_allclose(found, stats.binomtest(8, 8).proportion_ci(method="wilson"), atol=1e-9)
    assert np.isnan(intervals.of_clusters(np.zeros(0, bool), np.zeros((0, 1), int))).all()


class Black:
    """Draws black images, whatever it sees."""

    def predict(self, images, title):
        return Predictions(None, None, from_predicted=np.zeros_like(images)[:, None])


@pytest.mark.parametrize("count, flagged", [(100, 5), (1000, 50), (10, 0), (30, 1)])
def test_the_threshold_flags_five_per_cent_of_the_validation_images(count, flagged):
    grey = np.random.default_rng(0).permutation(count)[:, None, None, None] * np.ones((3, 4, 1))
    split = Split(grey, np.zeros((count, 1), int))
    found = detection.find_threshold(Black(), Dataset("grey", split, split, split, ("0",)), Config(config.EVAL))
    assert (np.arange(count) / 255 * 12 ** 0.5 > found * 1.000001).sum() == flagged


def test_auroc_is_how_often_an_adversarial_distance_is_larger():
    random = np.random.default_rng(0)
    natural = random.integers(0, 30, 50).astype(float)
    adversarial = random.integers(10, 40, 40).astype(float)
    larger = (adversarial[:, None] > natural) + 0.5 * (adversarial[:, None] == natural)
    assert detection.auroc(natural, adversarial) == pytest.approx(larger.mean())
    assert np.isnan(detection.auroc(natural, natural[:0]))
