"""What tweaking the capsule of one digit does to the other digit of the image, and to both.

The decoder sees one capsule at a time, all others are set to zero. So the other digit, which is
decoded from a capsule of its own, cannot move. That is measured, not assumed. Less of the change is
visible in the image than in the tweaked digit alone: where the other digit is white, it is hidden.
"""
import numpy as np

from data.dataset import Dataset
from evaluation.network.predictor import Predictor
from evaluation.pairs.figures import LEGEND, in_two_colours
from evaluation.sampling import Sample
from output import progress

DECODED = 1000  # pairs that are decoded at a time


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
    # Every image with every dimension tweaked in both directions.
    N, _, E = sample.predictions.capsules.shape
    n, e, end = (index.ravel() for index in np.indices((N, E, 2)))             # [N E 2]
    labels = np.concatenate([sample.labels[:, None], sample.others], axis=1)   # [N, 2]

    # decode, and compare with what was before
    largest, alone, together = 0.0, 0.0, 0.0
    before = predictor.decode_labels(sample.predictions.capsules, labels)      # [N, 2, H, W, C]
    for start in progress(range(0, len(n), DECODED), "the other digit"):
        some = slice(start, start + DECODED)
        rows = np.arange(len(n[some]))
        capsules = sample.predictions.capsules[n[some]]                        # [B, J, E]
        capsules[rows, sample.labels[n[some]], e[some]] += values[[0, -1]][end[some]]
        after = predictor.decode_labels(capsules, labels[n[some]])             # [B, 2, H, W, C]
        was = before[n[some]]
        largest = max(largest, float(np.abs(after[:, 1] - was[:, 1]).max()))
        alone += np.abs(after[:, 0] - was[:, 0]).mean(axis=(1, 2, 3)).sum()
        added = [np.minimum(1, both.sum(axis=1)) for both in (after, was)]
        together += np.abs(added[0] - added[1]).mean(axis=(1, 2, 3)).sum()
    return {"largest_change_of_the_other_digit": largest,
            "mean_change_of_the_tweaked_digit": alone / len(n),
            "mean_change_of_both_added": together / len(n),
            "share_of_the_change_that_shows": together / alone}
