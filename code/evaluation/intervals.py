"""95 % confidence intervals of shares."""
import numpy as np
from scipy.special import ndtri

CONFIDENCE = 0.95
Z = ndtri((1 + CONFIDENCE) / 2)  # standard errors on each side, of a normal distribution


def wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share of `count` examples -> low, high; NaN where there are none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shrunk = 1 + Z**2 / count
        centre = (share + Z**2 / (2 * count)) / shrunk
        variance = share * (1 - share) / count + Z**2 / (4 * count**2)
        half = Z / shrunk * np.sqrt(variance)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def with_interval(accuracy: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """-> the accuracy on `count` examples and the ends of its interval, by name"""
    low, high = wilson(accuracy, count)
    return {"accuracy": accuracy, "low": low, "high": high}


def of_pairs(yes: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    """Wilson's interval of the share of N pairs that are `yes` -> low, high; NaN if N is 0.

    yes: bool [N]; members: the numbers of the two digits of each pair [N, 2]. Two pairs that share
    a digit are often right or wrong together, so N of them say less than N independent ones. The
    variance of the share adds up the products of the errors of any two pairs that share a digit
    (Cameron, Gelbach, Miller 2011). The interval is that of the number of independent pairs with
    this variance, the effective sample size. It is N where all pairs are `yes`, or none. Pairs that
    share both digits count twice, so the interval of many pairs of few digits is a little wide.
    """
    if not len(yes):
        return np.nan, np.nan
    error = yes - yes.mean()                                                   # [N]
    of_digit = sum(np.bincount(one, error, members.max() + 1) for one in members.T)
    # A pair's own squared error is in the sums of both its digits: subtract it once.
    return _with_variance(yes, np.square(of_digit).sum() - np.square(error).sum())


def of_copies(yes: np.ndarray, digits: np.ndarray) -> tuple[float, float]:
    """The same for N images of which several may be made of one digit. digits [N]: its number

    Wilson's interval as it is, where every image has a digit of its own.
    """
    if not len(yes):
        return np.nan, np.nan
    of_digit = np.bincount(digits, yes - yes.mean())
    return _with_variance(yes, np.square(of_digit).sum())


def _with_variance(yes: np.ndarray, variance: float) -> tuple[float, float]:
    """Wilson's interval of the share of N examples that are `yes`

    variance: of their sum. The interval is that of the number of independent examples with it, N at
    most.
    """
    share, count = yes.mean(), len(yes)
    independent = share * (1 - share) * count**2 / variance if variance > 0 else np.inf
    return wilson(share, min(independent, count))
