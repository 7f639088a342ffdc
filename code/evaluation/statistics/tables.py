"""Tables of class by class, and means of a few or no values."""
import numpy as np


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts labels [N] by predictions [N]: [J, J]."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def mean_by_classes(labels: np.ndarray, others: np.ndarray, values: np.ndarray,
                    classes: int) -> np.ndarray:
    """Returns the mean of `values` [N] over the images of each label and other class [J, J].

    NaN where there are none.
    """
    total = np.zeros((classes, classes))
    np.add.at(total, (labels, others), values)
    count = confusion(labels, others, classes)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def mean(values: np.ndarray) -> float:
    """Returns the mean; NaN if there are none."""
    return values.mean() if values.size else np.nan


def median(values: np.ndarray) -> float:
    """Returns the median; NaN if there are none."""
    return np.median(values) if values.size else np.nan
