"""What tweaking the capsule of one digit does to the other digit of the image.

The decoder sees one capsule at a time, all others are set to zero. So the other digit, which is
decoded from a capsule of its own, cannot move. That is measured, not assumed.
"""
import itertools

import numpy as np

from data.dataset import Dataset
from evaluation.network.predictor import Predictor
from evaluation.pairs.figures import LEGEND, in_two_colours
from evaluation.sampling import Sample
from output import progress


def beside_other(predictor: Predictor, sample: Sample, n: int, grid: np.ndarray,
                 dataset: Dataset) -> tuple[np.ndarray, str]:
    """Draws the tweaked digit of the n-th image, and the other digit as its capsule is decoded.

    grid [E, K, H, W, C]: the tweaked digit. Returns both in colours [E, K, H, W, 3], the legend.
    """
    other = sample.others[n:n + 1, 0]                                          # [1]
    decoded = predictor.decode(sample.predictions.capsules[n, other], other)[0]
    words = f" beside class {dataset.class_names[other[0]]} ({LEGEND})"
    return in_two_colours(grid, np.broadcast_to(decoded, grid.shape)), words


def measure(predictor: Predictor, sample: Sample, values: np.ndarray) -> dict[str, float]:
    """Returns the largest change of a pixel of the other digit.

    The first and the last of `values` are added to each dimension of the first label's capsule.
    """
    N, _, E = sample.predictions.capsules.shape
    before = predictor.decode_labels(sample.predictions.capsules, sample.others)
    largest = 0
    for e, value in progress(list(itertools.product(range(E), values[[0, -1]])), "the other digit"):
        capsules = sample.predictions.capsules.copy()                          # [N, J, E]
        capsules[np.arange(N), sample.labels, e] += value
        after = predictor.decode_labels(capsules, sample.others)               # [N, 1, H, W, C]
        largest = max(largest, np.abs(after - before).max())
    return {"largest_change_of_the_other_digit": largest}
