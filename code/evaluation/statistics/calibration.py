"""Whether the length of the winning capsule is a probability (Guo 2017, arXiv 1706.04599)."""
from typing import NamedTuple

import numpy as np
from scipy import stats

from evaluation.statistics.intervals import wilson


class Reliability(NamedTuple):
    """Images by the length of their winning capsule, in bins of equal width from 0 to 1.

    Empty bins are NaN.
    """
    count: np.ndarray     # images [bins]
    length: np.ndarray    # their mean winning length
    accuracy: np.ndarray  # the fraction classified correctly
    low: np.ndarray       # its confidence interval (Wilson)
    high: np.ndarray


def reliability(lengths: np.ndarray, correct: np.ndarray, bins: int = 10) -> Reliability:
    """Bins N images by the lengths [N] of their winning capsules, in [0, 1].

    correct [N]: whether they are the label's
    """
    count = np.histogram(lengths, bins, (0, 1))[0]
    length, accuracy = stats.binned_statistic(lengths, [lengths, correct], "mean", bins,
                                              (0, 1)).statistic
    return Reliability(count, length, accuracy, *wilson(accuracy, count))


def expected_calibration_error(found: Reliability) -> float:
    """Returns the mean distance of an image's bin's mean length from its accuracy."""
    distance = np.abs(found.length - found.accuracy)                           # [bins]
    return float(np.nansum(distance * found.count) / found.count.sum())
