"""95 % confidence intervals of fractions."""
import numpy as np
from scipy.special import ndtri

CONFIDENCE = 0.95
Z = ndtri((1 + CONFIDENCE) / 2)  # standard errors on each side, of a normal distribution


def wilson(fraction: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ends of Wilson's interval of a fraction of `count` examples; NaN for none.

    Unlike scipy's, it takes arrays, and an effective sample size that is no whole number.
    """
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


def of_pairs(yes: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    """Returns the ends of Wilson's interval of the fraction of N pairs that are `yes`.

    yes: bool [N]; members: the numbers of the two digits of each pair [N, 2]

    Two pairs that share a digit are often both correct or both wrong, so N of them say less than N
    independent ones. Let e_p = yes_p - fraction. The variance of the number of `yes` is estimated
    by

        V = sum of e_p e_q over all pairs p and q that share a digit, p = q among them

    (Cameron, Gelbach, Miller 2011). `of_variance` makes an interval of it. If two pairs share both
    digits, their product is in the sum twice, so the interval of many pairs of few digits is a
    little wide.
    """
    if not len(yes):
        return np.nan, np.nan
    error = yes - yes.mean()                                                   # [N]
    # for each digit, the sum of the errors of its pairs
    of_digit = sum(np.bincount(one, error, members.max() + 1) for one in members.T)
    # A pair's own squared error is in the squares of both its digits: subtract it once.
    return of_variance(yes, np.square(of_digit).sum() - np.square(error).sum())


def of_copies(yes: np.ndarray, digits: np.ndarray) -> tuple[float, float]:
    """Returns the ends of Wilson's interval of the fraction of N images that are `yes`.

    yes: bool [N]; digits [N]: the number of the digit that each image is made of

    As in `of_pairs`, V is the sum, over all digits, of (the sum of e_n over the images of that
    digit)^2. The interval is Wilson's as it is if every image has a digit of its own.
    """
    if not len(yes):
        return np.nan, np.nan
    of_digit = np.bincount(digits, yes - yes.mean())
    return of_variance(yes, np.square(of_digit).sum())


def of_variance(yes: np.ndarray, variance: float) -> tuple[float, float]:
    """Returns the ends of Wilson's interval, given the variance V of the number of `yes`.

    M independent examples give a fraction f the variance f (1 - f) / M. Here it is V / N^2. So the
    examples say as much as M = f (1 - f) N^2 / V independent ones, the effective sample size. M is
    N at most, and also if V is not above 0, as when all are `yes` or none.
    """
    fraction, N = yes.mean(), len(yes)
    M = fraction * (1 - fraction) * N**2 / variance if variance > 0 else N
    return wilson(fraction, min(M, N))
