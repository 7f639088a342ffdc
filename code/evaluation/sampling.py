"""Which test images a mode measures."""
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from data.dataset import Dataset, Split, scale, stream
from settings import InputError

if TYPE_CHECKING:  # imports TensorFlow
    from evaluation.predictor import Predictions, Predictor


class Sample(NamedTuple):
    """N images that are classified right, with one label each."""
    images: np.ndarray  # float32 [N, H, W, C] in [0, 1]
    labels: np.ndarray  # [N]
    predictions: "Predictions"
    drawn: int          # the images that were drawn, right or wrong


def check_one_label(dataset: Dataset, mode: str):
    """InputError unless every image has exactly one label."""
    count = dataset.test.labels.shape[1]
    if count != 1:
        raise InputError(f"--mode {mode}: expected a dataset with one label for each image, "
                         f"received {dataset.name} with {count}")


def spread_evenly(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """-> indices of `count` of the labels [N], or of all if there are fewer, drawn evenly by class.

    The first image of each class comes before the second of any.
    """
    order = stream(seed, "sample").permutation(len(labels))
    rank = np.zeros(len(labels), int)
    for j in np.unique(labels):
        mine = labels[order] == j
        rank[mine] = np.arange(mine.sum())
    return order[np.argsort(rank, kind="stable")[:count]]


def classified_right(predictor: "Predictor", split: Split, candidates: np.ndarray,
                     cfg) -> Sample:
    """-> those that are classified right, of cfg.NUM_IMAGES drawn from the split's [candidates].

    InputError if there are none.
    """
    # draw
    labels = split.labels[:, 0]                                                # [N]
    chosen = candidates[spread_evenly(labels[candidates], cfg.NUM_IMAGES, cfg.SEED)]
    images, labels = scale(split.take(chosen).images), labels[chosen]

    # keep what the network knows
    predictions = predictor.predict(images, labels[:, None], "test images")
    right = predictions.predicted[:, 0] == labels
    if not right.any():
        raise InputError(f"{cfg.CKPT}: expected a network that classifies a test image right, "
                         f"to measure it there; received none of {len(chosen)}")
    return Sample(images[right], labels[right], predictions.take(right), len(chosen))
