"""Calibration, tables and detection, against sums by hand and scipy.stats."""
import numpy as np
import pytest
from scipy import stats

from evaluation.modes.reconstruct import squared_error
from evaluation.robustness import detection
from evaluation.statistics import intervals, tables
from evaluation.statistics.calibration import Reliability, expected_calibration_error, reliability


def test_confusion_counts_label_by_prediction():
    counts = tables.confusion(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0]), 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 0, 0], [1, 0, 2]])


def test_the_table_by_classes_is_the_mean_of_each_pair():
    labels, others, values = np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([2.0, 4.0, 7.0])
    table = tables.mean_by_classes(labels, others, values, 2)
    np.testing.assert_array_equal(table, [[np.nan, 3], [7, np.nan]])


def test_means_of_nothing_are_not_numbers():
    nothing = np.zeros(0)
    assert np.isnan(tables.mean(nothing)) and np.isnan(tables.median(nothing))
    assert tables.mean(np.array([1, 2, 6])) == 3 and tables.median(np.array([1, 2, 6])) == 2


def test_squared_error_is_the_mean_over_pixels_and_channels():
    off = np.array([0.5, 2])[:, None, None, None] * np.ones((1, 3, 4, 2))
    np.testing.assert_allclose(squared_error(np.zeros_like(off), off), [0.25, 4])


def test_reliability_by_hand():
    lengths = np.array([0.31, 0.35, 0.39, 0.95, 1.0])
    found = reliability(lengths, np.array([True, False, False, True, True]))
    np.testing.assert_array_equal(found.count, [0, 0, 0, 3, 0, 0, 0, 0, 0, 2])
    np.testing.assert_allclose(found.accuracy[[3, 9]], [1 / 3, 1])
    np.testing.assert_allclose(found.length[[3, 9]], [0.35, 0.975])
    assert np.isnan(found.accuracy[0])
    wilson = stats.binomtest(1, 3).proportion_ci(method="wilson")
    np.testing.assert_allclose([found.low[3], found.high[3]], wilson, rtol=1e-6)
    expected = (3 * abs(0.35 - 1 / 3) + 2 * 0.025) / 5
    assert expected_calibration_error(found) == pytest.approx(expected)


def test_lengths_of_capsules_are_in_0_to_1():
    for logits in (np.array([0.5, -3.0]), np.array([0.5, 12.0]), np.array([0.5, np.nan])):
        with pytest.raises(ValueError, match="expected scores in .0, 1., the lengths of the capsules"):
            reliability(logits, np.array([True, True]))


@pytest.mark.parametrize("copies", [1, 4])
def test_images_of_one_digit_count_as_much_as_they_say(copies):
    """If they are always right or wrong together, that is as much as one of them."""
    right = np.random.default_rng(0).random(50) < 0.8
    order = np.random.default_rng(1).permutation(50 * copies)
    found = intervals.of_copies(np.repeat(right, copies)[order], np.repeat(np.arange(50), copies)[order])
    expected = stats.binomtest(int(right.sum()), 50).proportion_ci(method="wilson")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_copies_that_are_all_right_or_none_are_counted_one_by_one():
    for yes, count in ((np.ones(8, bool), 8), (np.zeros(8, bool), 0)):
        found = intervals.of_copies(yes, np.arange(8) // 4)
        np.testing.assert_allclose(found, stats.binomtest(count, 8).proportion_ci(method="wilson"), atol=1e-9)
    assert np.isnan(intervals.of_copies(np.zeros(0, bool), np.zeros(0, int))).all()


def test_the_expected_calibration_error_weighs_bins_by_their_images():
    nan = np.full(3, np.nan)
    found = Reliability(np.array([1, 0, 3]), np.array([0.2, np.nan, 0.9]),
                        np.array([0.0, np.nan, 1.0]), nan, nan)
    assert expected_calibration_error(found) == pytest.approx((0.2 + 3 * 0.1) / 4)


@pytest.mark.parametrize("count, flagged", [(100, 5), (2000, 100), (10, 0), (30, 1)])
def test_the_threshold_flags_five_per_cent_of_the_set_that_made_it(count, flagged):
    distances = np.random.default_rng(0).random(count)
    assert (distances > detection.threshold(distances)).sum() == flagged


def test_roc_area_equals_mann_whitney():
    random = np.random.default_rng(0)
    natural = random.integers(0, 30, 50).astype(float)
    adversarial = random.integers(10, 40, 40).astype(float)
    expected = stats.mannwhitneyu(adversarial, natural).statistic / (50 * 40)
    assert detection.roc_area(natural, adversarial) == pytest.approx(expected)
    assert np.isnan(detection.roc_area(natural, natural[:0]))


def test_reconstruction_distance_is_the_length_of_the_difference():
    images = np.random.default_rng(0).random((2, 3, 4, 1))
    found = detection.reconstruction_distance(images, images + 0.5)
    np.testing.assert_allclose(found, np.sqrt(12 * 0.25))
