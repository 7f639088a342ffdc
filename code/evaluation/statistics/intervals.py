"""95 % confidence intervals of fractions."""
import numpy as np
from scipy.special import ndtri

CONFIDENCE = 0.95
Z = ndtri((1 + CONFIDENCE) / 2)  # standard errors on each side, of a normal distribution


def wilson(fraction: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ends of Wilson's interval of a fraction of `count` examples; NaN for none.

    Unlike scipy's, it takes arrays, and an effective sample size that is no whole number.
    """
    count = np.asarray(count)
    with np.errstate(invalid="ignore", divide="ignore"):
        denominator = 1 + Z**2 / count
        centre = (fraction + Z**2 / (2 * count)) / denominator
        variance = fraction * (1 - fraction) / count + Z**2 / (4 * count**2)
        half = Z / denominator * np.sqrt(variance)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def with_interval(accuracy: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Returns the accuracy on `count` examples and the ends of its interval, by name."""
    low, high = wilson(accuracy, count)
    return {"accuracy": accuracy, "low": low, "high": high}


def of_clusters(yes: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    """Returns the ends of Wilson's interval of the fraction of N images that are `yes`.

    yes: bool [N]; members: the numbers of the digits that each image is made of [N, 1] or [N, 2]

    Two images that share a digit are often both correct or both wrong, so N of them say less than N
    independent ones. Let e_p = yes_p - f, with f the fraction. The variance of the number of `yes`
    is estimated by

        V = sum of e_p e_q over all images p and q that share a digit, p = q among them

    (Cameron, Gelbach, Miller 2011). M independent examples give f the variance f (1 - f) / M. Here
    it is V / N^2. So the images say as much as M = f (1 - f) N^2 / V independent ones, the
    effective sample size. M is N at most, and also if V is not above 0, as when all are `yes` or
    none. If two pairs share both digits, their product is in V twice, so the interval of many pairs
    of few digits is a little wide.
    """
    if not len(yes):
        return np.nan, np.nan
    N, fraction = len(yes), yes.mean()
    error = yes - fraction                                                     # [N]
    # for each digit, the sum of the errors of its images
    of_digit = sum(np.bincount(one, error, members.max() + 1) for one in members.T)
    # The squared error of a pair is in the squares of both its digits: subtract it once.
    twice = members.shape[1] - 1
    variance = np.square(of_digit).sum() - twice * np.square(error).sum()
    M = fraction * (1 - fraction) * N**2 / variance if variance > 0 else N
    return wilson(fraction, min(M, N))
