"""The confusion matrix, and the mean of a few or no values."""
import numpy as np


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts labels [N] by predictions [N]: [J, J]."""
    cells = labels.astype(int) * classes + predicted
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def mean(values: np.ndarray) -> float:
    """Returns the mean; NaN if there are none."""
    return values.mean() if values.size else np.nan
