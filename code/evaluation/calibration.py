"""Whether the length of the winning capsule is a probability (Guo 2017, arXiv 1706.04599)."""
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

CONFIDENCE = 0.95  # of the intervals


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
    """lengths [N] in [0, 1] of the winning capsules, right [N]: whether they are the label's"""
    place = np.minimum((lengths * bins).astype(int), bins - 1)                 # [N]
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):  # of empty bins
        length = np.bincount(place, lengths, bins) / count
        accuracy = np.bincount(place, right, bins) / count
        low, high = wilson(accuracy, count)
    return Reliability(count, length, accuracy, low, high)


def wilson(accuracy: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-> the confidence interval of each accuracy, a share of `count` images: low, high (Wilson)"""
    z = ndtri((1 + CONFIDENCE) / 2)
    shrunk = 1 + z**2 / count
    centre = (accuracy + z**2 / (2 * count)) / shrunk
    variance = accuracy * (1 - accuracy) / count + z**2 / (4 * count**2)
    half = z / shrunk * np.sqrt(variance)
    return centre - half, centre + half


def expected_calibration_error(found: Reliability) -> float:
    """-> the mean over images of the distance between their bin's mean length and its accuracy"""
    distance = np.abs(found.length - found.accuracy)                           # [bins]
    return float(np.nansum(distance * found.count) / found.count.sum())
