"""95 % confidence intervals of shares and of means."""
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
    return centre - half, centre + half
