"""95 % confidence intervals of shares."""
import numpy as np
from scipy.special import ndtri

CONFIDENCE = 0.95
Z = ndtri((1 + CONFIDENCE) / 2)  # standard errors on each side, of a normal distribution


def wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share of `count` examples -> low, high; NaN where there are none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        denominator = 1 + Z**2 / count
        centre = (share + Z**2 / (2 * count)) / denominator
        variance = share * (1 - share) / count + Z**2 / (4 * count**2)
        half = Z / denominator * np.sqrt(variance)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def with_interval(accuracy: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """-> the accuracy on `count` examples and the ends of its interval, by name"""
    low, high = wilson(accuracy, count)
    return {"accuracy": accuracy, "low": low, "high": high}


def of_pairs(yes: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    """Wilson's interval of the share of N pairs that are `yes` -> low, high; NaN if N is 0.

    yes: bool [N]; members: the numbers of the two digits of each pair [N, 2]

    Two pairs that share a digit are often right or wrong together, so N of them say less than N
    independent ones. Let e_p = yes_p - share. The variance of the number of `yes` is estimated by

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
    """Wilson's interval of the share of N images that are `yes` -> low, high; NaN if N is 0.

    yes: bool [N]; digits [N]: the number of the digit that each image is made of

    Images of one digit are often right or wrong together. Let e_n = yes_n - share. The variance of
    the number of `yes` is estimated by the sum, over all digits, of (the sum of e_n over the images
    of that digit)^2. `of_variance` makes an interval of it: Wilson's as it is, where every image
    has a digit of its own.
    """
    if not len(yes):
        return np.nan, np.nan
    of_digit = np.bincount(digits, yes - yes.mean())
    return of_variance(yes, np.square(of_digit).sum())


def of_variance(yes: np.ndarray, variance: float) -> tuple[float, float]:
    """Wilson's interval of the share of N examples that are `yes`, given the variance V of their
    number.

    M independent examples give a share the variance share (1 - share) / M. Here it is V / N^2. So
    the examples say as much as M = share (1 - share) N^2 / V independent ones, the effective sample
    size. M is N at most, and also where V is not above 0, as when all are `yes` or none.
    """
    share, N = yes.mean(), len(yes)
    M = share * (1 - share) * N**2 / variance if variance > 0 else N
    return wilson(share, min(M, N))
