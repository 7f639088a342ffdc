"""Which test images a mode measures."""
from typing import NamedTuple

import numpy as np

from data.dataset import Dataset, Examples, scale, stream
from evaluation.network.predictor import Predictions, Predictor
from settings import InputError

FEWEST_CLASSES = 5  # of pairs: a class that is neither of 2 labels nor of 2 predictions is needed


class Sample(NamedTuple):
    """N images that are classified right."""
    images: np.ndarray  # float32 [N, H, W, C] in [0, 1]
    labels: np.ndarray  # [N], the first label of each
    others: np.ndarray  # [N, K - 1], its further labels
    predictions: Predictions
    index: np.ndarray   # [N], which images of the split they are
    drawn: int          # how many images were tried, with those that are classified wrong


class Shared(NamedTuple):
    """N test images that several networks classify right, all of them."""
    images: np.ndarray  # float32 [N, H, W, C] in [0, 1]
    labels: np.ndarray  # [N]
    goals: np.ndarray   # [N]: the targets of targeted attacks; otherwise the labels


def check_one_label(dataset: Dataset, mode: str):
    """InputError unless every image has exactly one label."""
    count = dataset.test.labels.shape[1]
    if count != 1:
        raise InputError(f"--mode {mode}: expected a dataset with one label for each image, "
                         f"received {dataset.name} with {count}")


def check_one_or_two_labels(dataset: Dataset, mode: str):
    """InputError unless every image has one label, or two digits whose own images are known."""
    count = dataset.test.labels.shape[1]
    if count == 1:
        return
    apart = has_sources(dataset)
    if count != 2 or not apart or dataset.classes < FEWEST_CLASSES:
        raise InputError(
            f"--mode {mode}: expected a dataset with one label for each image, or of two digits "
            f"that are known apart, of {FEWEST_CLASSES} classes or more; received {dataset.name} "
            f"with {count} labels, {'known' if apart else 'not known'} apart, and "
            f"{dataset.classes} classes")


def has_sources(dataset: Dataset) -> bool:
    """Whether the test split has an image of each label without the others."""
    return dataset.test.take(slice(0, 1)).sources is not None


def spread_evenly(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """-> indices of `count` of the labels [N], or of all if there are fewer, drawn evenly by class.

    The first image of each class comes before the second of any.
    """
    order = stream(seed, "sample").permutation(len(labels))
    rank = np.zeros(len(labels), int)  # how many images of the same class come before
    for j in np.unique(labels):
        mine = labels[order] == j
        rank[mine] = np.arange(mine.sum())
    return order[np.argsort(rank, kind="stable")[:count]]


def draw_targets(labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """labels [N] -> another class for each [N]"""
    further = stream(seed, "target").integers(1, classes, len(labels))
    return ((labels + further) % classes).astype(labels.dtype)


def classified_right(predictor: Predictor, split: Examples, candidates: np.ndarray,
                     cfg) -> Sample:
    """Takes cfg.NUM_IMAGES of the split's [candidates], spread evenly over their first labels.

    -> those that the network classifies right. InputError if there are none.
    """
    # draw
    first = split.labels[candidates, 0]
    chosen = candidates[spread_evenly(first, cfg.NUM_IMAGES, cfg.SEED)]
    images, labels = scale(split.take(chosen).images), split.labels[chosen]    # labels [n, K]

    # keep what the network knows
    predictions = predictor.predict(images, labels, "test images")
    right = (np.sort(predictions.predicted) == np.sort(labels)).all(axis=1)
    if not right.any():
        raise InputError(f"{cfg.CKPT}: expected a network that classifies a test image right, "
                         f"to measure it there; received none of {len(chosen)}")
    return Sample(images[right], labels[right, 0], labels[right, 1:], predictions.take(right),
                  chosen[right], len(chosen))


def right_for_all(predictors: dict[str, Predictor], dataset: Dataset,
                  cfg) -> tuple[tuple[np.ndarray, np.ndarray], Shared]:
    """-> cfg.NUM_IMAGES test images and labels; and those that all networks classify right.

    InputError if there are none.
    """
    chosen = spread_evenly(dataset.test.labels[:, 0], cfg.NUM_IMAGES, cfg.SEED)
    images, labels = scale(dataset.test.take(chosen).images), dataset.test.labels[chosen, 0]
    right = np.ones(len(labels), bool)
    for predictor in predictors.values():
        right &= predictor.predict(images).predicted[:, 0] == labels
    if not right.any():
        raise InputError(f"--ckpt: expected networks that classify a test image right, all of "
                         f"them, to attack it; received none of {len(labels)}")
    goals = labels[right]
    if cfg.TARGETED:
        goals = draw_targets(goals, dataset.classes, cfg.SEED)
    return (images, labels), Shared(images[right], labels[right], goals)
