"""Statistics of what each dimension of a capsule does to the shape of the decoded image.

N images, J classes, E dimensions, K tweaked values, M measures of shape.
"""
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from evaluation.capsules import shapes
from evaluation.statistics.intervals import CONFIDENCE  # significance is corrected for the number of effects


class Effects(NamedTuple):
    """What each dimension of each class's capsule does to each measure."""
    per: float               # the largest value that is added: slopes are the change by so much
    slope: np.ndarray        # [J, E, M] change in the measure's own unit, mean over digits
    low: np.ndarray          # [J, E, M] its confidence interval
    high: np.ndarray
    standard: np.ndarray     # [J, E, M] the slope in standard deviations, see `measure_effects`
    significant: np.ndarray  # [J, E, M] bool
    images: np.ndarray       # [J], how many were measured, with those that vanished
    digits: np.ndarray       # [J], how many digits are in them

    def strongest(self, j: int, e: int) -> str | None:
        """-> the strongest significant effect of dimension e of class j in words, or None"""
        strength = np.where(self.significant[j, e], np.abs(self.standard[j, e]), 0)  # [M]
        if not strength.any():
            return None
        m = strength.argmax()
        name, (unit, _) = list(shapes.MEASURES.items())[m]
        return f"{name} {self.slope[j, e, m]:+.1f} {unit} ({strength[m]:.1f} sd)"

    def describe(self, j: int, e: int) -> dict:
        """-> all effects of dimension e of class j, for results.json"""
        described = {"dimension": e, "strongest": self.strongest(j, e)}
        for m, (name, (unit, _)) in enumerate(shapes.MEASURES.items()):
            at = j, e, m
            described[name] = {"unit": unit, "slope": self.slope[at], "low": self.low[at],
                               "high": self.high[at], "standard": self.standard[at],
                               "significant": self.significant[at]}
        return described


def measure_effects(measured: np.ndarray, labels: np.ndarray, classes: int, values: np.ndarray,
                    digits: np.ndarray) -> Effects:
    """measured [N, E, K, M] with `values` [K] around 0 in the middle, labels [N] -> Effects

    digits [N]: the number of the digit in each image. The first digit of several pairs may be the
    same test image.

    For each image a line is fitted by least squares, the measure against the value that is added.
    Its slope is the change along that line when the largest value is added. The digits, not the
    tweaked values or the images, are the independent observations. So slopes of one digit are
    averaged, and the interval of the mean is Student's over digits. An image that vanishes for one
    of the values does not count.

    Significant: other than 0 at a level of 5 % divided by the number of effects (Bonferroni).

    Units differ, so strengths are compared in standard deviations of the measure over the class's
    reconstructions before the tweak, or in Measure.least if that is larger. Otherwise a drift by a
    tenth of a pixel would outdo a visible slant, because MNIST's digits are centred and their
    position hardly varies.
    """
    _, E, K, M = measured.shape
    shape = classes, E, M
    slope, error, freedom, spread = (np.full(shape, np.nan) for _ in range(4))

    # mean and standard error of the slope, class by class
    weights = values - values.mean()
    for j in np.unique(labels):
        mine = measured[labels == j].astype(float)                             # [n, E, K, M]
        # sum(w m) / sum(w^2), times the largest value
        slopes = np.einsum("nekm,k->nem", mine, weights) / np.square(weights).sum() * values.max()
        slopes = mean_of_each(slopes, digits[labels == j])                     # [digits, E, M]
        n = np.isfinite(slopes).sum(axis=0)                                    # [E, M]
        enough = n > 1
        slopes, before = slopes[:, enough], mine[:, :, K // 2][:, enough]      # K // 2: adds 0
        slope[j, enough] = np.nanmean(slopes, axis=0)
        freedom[j, enough] = n[enough] - 1
        error[j, enough] = np.nanstd(slopes, axis=0, ddof=1) / np.sqrt(n[enough])
        spread[j, enough] = np.nanstd(before, axis=0, ddof=1)

    # Student's intervals, and the stricter ones that tell what is significant
    half = stdtrit(freedom, (1 + CONFIDENCE) / 2) * error
    tested = max(1, np.isfinite(slope).sum())
    strict = stdtrit(freedom, 1 - (1 - CONFIDENCE) / 2 / tested) * error
    spread = np.maximum(spread, [measure.least for measure in shapes.MEASURES.values()])
    return Effects(float(values.max()), slope, slope - half, slope + half, slope / spread,
                   np.abs(slope) > strict, np.bincount(labels, minlength=classes),
                   np.array([len(np.unique(digits[labels == j])) for j in range(classes)]))


def mean_of_each(slopes: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """-> the mean over the images of each digit [digits, ...]; NaN where no image counts

    slopes [n, ...], NaN where an image does not count; digits [n]: the digit in each image
    """
    _, which = np.unique(digits, return_inverse=True)
    counts = np.isfinite(slopes)
    total, count = np.zeros((2, which.max() + 1, *slopes.shape[1:]))
    np.add.at(total, which, np.where(counts, slopes, 0))
    np.add.at(count, which, counts)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
