"""Whether the length of the winning capsule is a probability (Guo 2017, arXiv 1706.04599)."""
from typing import NamedTuple

import numpy as np

from evaluation.statistics.intervals import wilson


class Reliability(NamedTuple):
    """Images by the length of their winning capsule, in bins of equal width from 0 to 1.

    Empty bins are NaN.
    """
    count: np.ndarray     # images [bins]
    length: np.ndarray    # their mean winning length
    accuracy: np.ndarray  # the share classified right
    low: np.ndarray       # its confidence interval (Wilson)
    high: np.ndarray


def reliability(lengths: np.ndarray, right: np.ndarray, bins: int = 10) -> Reliability:
    """lengths [N] in [0, 1] of the winning capsules, right [N]: whether they are the label's

    ValueError if there are other lengths: the scores of a network with capsules are their lengths.
    """
    if len(lengths) and not (lengths.min() >= 0 and lengths.max() <= 1):
        raise ValueError("expected scores in [0, 1], the lengths of the capsules, received "
                         f"{lengths.min():.3g} to {lengths.max():.3g}")
    place = np.minimum((lengths * bins).astype(int), bins - 1)                 # [N]
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):  # of empty bins
        length = np.bincount(place, lengths, bins) / count
        accuracy = np.bincount(place, right, bins) / count
    low, high = wilson(accuracy, count)
    return Reliability(count, length, accuracy, low, high)


def expected_calibration_error(found: Reliability) -> float:
    """-> the mean over images of the distance between their bin's mean length and its accuracy"""
    distance = np.abs(found.length - found.accuracy)                           # [bins]
    return float(np.nansum(distance * found.count) / found.count.sum())
