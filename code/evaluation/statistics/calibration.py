"""Whether the length of the winning capsule is a probability (Guo 2017, arXiv 1706.04599)."""
import numpy as np
from scipy import stats

from evaluation.statistics.intervals import with_interval


def reliability(lengths: np.ndarray, correct: np.ndarray, bins: int = 10) -> dict[str, np.ndarray]:
    """Bins N images by the lengths [N] of their winning capsules, in [0, 1]; NaN for an empty bin.

    correct [N]: whether they are the label's. Returns "count", mean "length", "accuracy" and its
    interval (Wilson) from "low" to "high", [bins] each.
    """
    count = np.histogram(lengths, bins, (0, 1))[0]
    length, accuracy = stats.binned_statistic(lengths, [lengths, correct], "mean", bins,
                                              (0, 1)).statistic
    return {"count": count, "length": length, **with_interval(accuracy, count)}


def expected_calibration_error(found: dict[str, np.ndarray]) -> float:
    """Returns the mean distance of an image's bin's mean length from its accuracy."""
    distance = np.abs(found["length"] - found["accuracy"])                     # [bins]
    return np.nansum(distance * found["count"]) / found["count"].sum()
