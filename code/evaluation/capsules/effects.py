"""Statistics of what each dimension of a capsule does to the shape of the decoded image.

N images, J classes, E dimensions, K tweaked values, M measures of shape.
"""
import warnings
from typing import NamedTuple

import numpy as np
from scipy import stats

from evaluation.capsules import shapes
from evaluation.statistics.intervals import CONFIDENCE

ROUNDING = 1e-5  # standard deviations; the measures, in float32, are no more exact


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
        """Returns the strongest significant effect of dimension e of class j in words, or None."""
        strength = np.where(self.significant[j, e], np.abs(self.standard[j, e]), 0)  # [M]
        if not strength.any():
            return None
        m = strength.argmax()
        name, (unit, _) = list(shapes.MEASURES.items())[m]
        return f"{name} {self.slope[j, e, m]:+.1f} {unit} ({strength[m]:.1f} sd)"

    def describe(self, j: int, e: int) -> dict:
        """Returns all effects of dimension e of class j, for results.json."""
        described = {"dimension": e, "strongest": self.strongest(j, e)}
        for m, (name, (unit, _)) in enumerate(shapes.MEASURES.items()):
            numbers = {kind: getattr(self, kind)[j, e, m]
                       for kind in ("slope", "low", "high", "standard", "significant")}
            described[name] = {"unit": unit, **numbers}
        return described


def measure_effects(measured: np.ndarray, labels: np.ndarray, classes: int, values: np.ndarray,
                    digits: np.ndarray) -> Effects:
    """Fits a line to each measure against the value that is added, by least squares.

    measured [N, E, K, M], with `values` [K] around 0 in the middle; labels [N]; digits [N]: the
    number of the digit in each image. The first digit of several pairs may be the same test image.

    The slope is the change along that line when the largest value is added. The digits, not the
    tweaked values or the images, are the independent observations. So slopes of one digit are
    averaged, and the interval of the mean is Student's over digits. An image that vanishes for one
    of the values does not count.

    Significant: other than 0 at a level of 5 % divided by the number of effects (Bonferroni), and
    larger than ROUNDING, because the slope of a constant measure is hardly ever exactly 0.

    Strengths are in standard deviations of the measure over the class's reconstructions before the
    tweak, or in Measure.least if that is larger: the position of MNIST's digits hardly varies.
    """
    _, E, K, M = measured.shape
    slope, low, high, p_value, spread = np.full((5, classes, E, M), np.nan)

    # Student's t-test of the slopes, sum(v m) / sum(v^2) times the largest v, class by class
    for j in np.unique(labels):
        mine, of_digit = measured[labels == j].astype(float), digits[labels == j]
        slopes = np.einsum("nekm,k->nem", mine, values) / np.square(values).sum() * values.max()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a measure that too few images have
            slopes = np.stack([np.nanmean(slopes[of_digit == digit], axis=0)
                               for digit in np.unique(of_digit)])              # [digits, E, M]
            test = stats.ttest_1samp(slopes, 0, nan_policy="omit")
            slope[j] = np.where(test.df > 0, np.nanmean(slopes, axis=0), np.nan)
            low[j], high[j] = test.confidence_interval(CONFIDENCE)
            p_value[j] = test.pvalue
            spread[j] = np.nanstd(mine[:, :, K // 2], axis=0, ddof=1)          # K // 2: adds 0

    tested = max(1, np.isfinite(slope).sum())
    least = [measure.least for measure in shapes.MEASURES.values()]
    standard = slope / np.maximum(spread, least)
    significant = (p_value < (1 - CONFIDENCE) / tested) & (np.abs(standard) > ROUNDING)
    return Effects(float(values.max()), slope, low, high, standard, significant,
                   np.bincount(labels, minlength=classes),
                   np.array([len(np.unique(digits[labels == j])) for j in range(classes)]))
