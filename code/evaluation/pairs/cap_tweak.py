"""What tweaking the capsule of one digit does to the other digit of the image, and to both.

The decoder sees one capsule at a time, all others are set to zero. So the other digit, which is
decoded from a capsule of its own, cannot move. That is measured, not assumed. Less of the change is
visible in the image than in the tweaked digit alone: where the other digit is white, it is hidden.
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

    grid [E, K, H, W, C]: the tweaked digit. Returns both in two colours [E, K, H, W, 3], the legend.
    """
    other = sample.others[n:n + 1, 0]                                          # [1]
    decoded = predictor.decode(sample.predictions.capsules[n, other], other)[0]
    words = f" beside class {dataset.class_names[other[0]]} ({LEGEND})"
    return in_two_colours(grid, np.broadcast_to(decoded, grid.shape)), words


def measure(predictor: Predictor, sample: Sample, values: np.ndarray) -> dict[str, float]:
    """Adds the first and the last of `values` to each dimension of the first label's capsule.

    Returns the largest change of a pixel of the other digit; the mean changes, per pixel, of the
    tweaked digit and of both digits added; the fraction of the first that is seen in the second.
    """
    N, _, E = sample.predictions.capsules.shape
    labels = np.concatenate([sample.labels[:, None], sample.others], axis=1)   # [N, 2]
    before = predictor.decode_labels(sample.predictions.capsules, labels)      # [N, 2, H, W, C]
    largest, alone, together = [], [], []
    for e, value in progress(list(itertools.product(range(E), values[[0, -1]])), "the other digit"):
        capsules = sample.predictions.capsules.copy()                          # [N, J, E]
        capsules[np.arange(N), sample.labels, e] += value
        after = predictor.decode_labels(capsules, labels)                      # [N, 2, H, W, C]
        added, was = (np.minimum(1, both.sum(axis=1)) for both in (after, before))
        largest.append(np.abs(after[:, 1] - before[:, 1]).max())
        alone.append(np.abs(after[:, 0] - before[:, 0]).mean())
        together.append(np.abs(added - was).mean())
    return {"largest_change_of_the_other_digit": max(largest),
            "mean_change_of_the_tweaked_digit": np.mean(alone),
            "mean_change_of_both_added": np.mean(together),
            "share_of_the_change_that_shows": np.mean(together) / np.mean(alone)}
