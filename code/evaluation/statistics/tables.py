"""Tables of class by class, and the mean of a few or no values."""
import numpy as np


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int,
              weights: np.ndarray | None = None) -> np.ndarray:
    """Counts labels [N] by predictions [N], or adds up the weights [N] of the images: [J, J]."""
    cells = labels.astype(int) * classes + predicted
    return np.bincount(cells, weights, classes**2).reshape(classes, classes)


def mean_by_classes(labels: np.ndarray, others: np.ndarray, values: np.ndarray,
                    classes: int) -> np.ndarray:
    """Returns the mean of `values` [N] for each label and other class [J, J]; NaN for none."""
    with np.errstate(invalid="ignore"):
        total = confusion(labels, others, classes, values)
        return total / confusion(labels, others, classes)


def mean(values: np.ndarray) -> float:
    """Returns the mean; NaN if there are none."""
    return values.mean() if values.size else np.nan
