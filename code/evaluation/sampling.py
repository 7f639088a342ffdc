"""Which test images a mode measures."""
from typing import NamedTuple

import numpy as np

from data.dataset import Examples, scale, stream
from evaluation.network.predictor import Predictions, Predictor
from settings import InputError


class Sample(NamedTuple):
    """N correctly classified images."""
    images: np.ndarray  # float32 [N, H, W, C] in [0, 1]
    labels: np.ndarray  # [N], the first label of each
    others: np.ndarray  # [N, K - 1], its further labels
    predictions: Predictions
    index: np.ndarray   # [N], which images of the split they are
    drawn: int          # how many images were tried, with those that are misclassified


class Shared(NamedTuple):
    """N test images that several networks all classify correctly."""
    images: np.ndarray  # float32 [N, H, W, C] in [0, 1]
    labels: np.ndarray  # [N]
    goals: np.ndarray   # [N]: the targets of targeted attacks; otherwise the labels



def spread_evenly(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws the indices of `count` of the labels [N], or of all if fewer, evenly by class.

    The first image of each class comes before the second of any.
    """
    order = stream(seed, "sample").permutation(len(labels))
    rank = np.zeros(len(labels), int)  # how many images of the same class come before
    for j in np.unique(labels):
        mine = labels[order] == j
        rank[mine] = np.arange(mine.sum())
    return order[np.argsort(rank, kind="stable")[:count]]


def draw_goals(labels: np.ndarray, classes: int, cfg) -> np.ndarray:
    """Draws another class for each of the labels [N] as its target. Untargeted: the labels."""
    if not cfg.TARGETED:
        return labels
    further = stream(cfg.SEED, "target").integers(1, classes, len(labels))
    return ((labels + further) % classes).astype(labels.dtype)


def classified_correctly(predictor: Predictor, split: Examples, candidates: np.ndarray,
                         cfg) -> Sample:
    """Takes cfg.NUM_IMAGES of the split's [candidates], spread evenly over their first labels.

    Returns those that the network classifies correctly. InputError if there are none.
    """
    # draw
    first = split.labels[candidates, 0]
    chosen = candidates[spread_evenly(first, cfg.NUM_IMAGES, cfg.SEED)]
    images, labels = scale(split.take(chosen).images), split.labels[chosen]    # labels [n, K]

    # keep what the network knows
    predictions = predictor.predict(images, labels, "test images")
    correct = (np.sort(predictions.predicted) == np.sort(labels)).all(axis=1)
    if not correct.any():
        raise InputError(f"{cfg.CKPT}: expected a network that classifies a test image correctly, "
                         f"to measure it there; received none of {len(chosen)}")
    predictions = Predictions(*(None if one is None else one[correct] for one in predictions))
    return Sample(images[correct], labels[correct, 0], labels[correct, 1:], predictions,
                  chosen[correct], len(chosen))


def correct_for_all(predictors: dict[str, Predictor], images: np.ndarray, labels: np.ndarray,
                    classes: int, cfg) -> Shared:
    """Returns those images that all networks classify correctly. InputError if there are none."""
    correct = np.ones(len(labels), bool)
    for predictor in predictors.values():
        correct &= predictor.predict(images).predicted[:, 0] == labels
    if not correct.any():
        raise InputError("--ckpt: expected networks that all classify a test image correctly, "
                         f"to attack it; received none of {len(labels)}")
    labels = labels[correct]
    return Shared(images[correct], labels, draw_goals(labels, classes, cfg))
