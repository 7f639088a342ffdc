"""Segmentation measured: whether each capsule draws its own digit, and not the one beside it.

Each reconstruction is compared with the digit that its capsule stands for: by the squared error per
pixel, and by intersection over union of the ink (see overlap.py). A pair counts with the mean over
its two digits. N pairs, two digits each.
"""
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data.dataset import Batch, Examples, batches, stream
from evaluation.network.predictor import Predictions, Predictor
from evaluation.pairs.overlap import BINS, EDGES, bin_of, ink, overlap
from evaluation.statistics.tables import mean
from output import progress

# What is compared with the digits, the last two as baselines.
KINDS = ("label capsules", "predicted capsules", "whole input", "absent class")
MEASURES = ("squared_error_per_pixel", "intersection_over_union")


class Drawn(NamedTuple):
    """What is drawn of N pairs. Predictions are in the order of the labels that they stand for."""
    predicted: np.ndarray       # [N, 2]
    from_predicted: np.ndarray  # [N, 2, H, W, C]
    from_label: np.ndarray      # [N, 2, H, W, C]
    absent: np.ndarray          # [N], a class that is neither label nor predicted
    from_absent: np.ndarray     # [N, H, W, C], decoded from its capsule
    right: np.ndarray           # bool [N]: both labels are predicted


def draw(predictor: Predictor, batch: Batch, random: np.random.Generator) -> Drawn:
    """Predicts and decodes a batch of pairs. random: draws the absent classes"""
    predictions = predictor.predict(batch.images, batch.labels)
    order = standing_for(batch, predictions)                                   # [N, 2]
    predicted = np.take_along_axis(predictions.predicted, order, axis=1)
    n = np.arange(len(order))
    absent = absent_classes(batch.labels, predicted, predictions.scores.shape[1], random)
    from_absent = predictor.decode(predictions.capsules[n, absent], absent)
    return Drawn(predicted, predictions.from_predicted[n[:, None], order], predictions.from_label,
                 absent, from_absent, (predicted == batch.labels).all(axis=1))


def standing_for(batch: Batch, predictions: Predictions) -> np.ndarray:
    """Returns for each label which of the two predicted classes stands for it: 0 or 1 [N, 2].

    A predicted class that is a label stands for it, and the other prediction for the other label.
    Where no prediction is a label, they are matched so that the squared error of both is smaller.
    """
    labels, predicted = batch.labels, predictions.predicted
    as_they_are = (labels == predicted).any(axis=1)                            # [N]
    crossed = (labels == predicted[:, ::-1]).any(axis=1)
    difference = predictions.from_predicted[:, None] - batch.sources[:, :, None]
    error = np.square(difference).sum(axis=(3, 4, 5))                          # [N, 2, 2]
    swapped_is_better = error[:, 0, 1] + error[:, 1, 0] < error[:, 0, 0] + error[:, 1, 1]
    # The classes of a pair differ, so at most one of the two is true. Otherwise the error decides.
    swap = np.where(as_they_are | crossed, crossed, swapped_is_better)         # [N]
    return np.where(swap[:, None], [1, 0], [0, 1])


def absent_classes(labels: np.ndarray, predicted: np.ndarray, classes: int,
                   random: np.random.Generator) -> np.ndarray:
    """Draws a class for each pair [N] that is neither among its labels nor predicted, both [N, 2].
    """
    # Each class draws a number, and the largest wins. Those that may not win have -1.
    lottery = random.random((len(labels), classes))
    np.put_along_axis(lottery, labels, -1, axis=1)
    np.put_along_axis(lottery, predicted, -1, axis=1)
    return lottery.argmax(axis=1).astype(labels.dtype)


def compare(drawn: Drawn, batch: Batch) -> np.ndarray:
    """Returns each pair's measures, the mean over its digits [N, KINDS, MEASURES]."""
    shown = (drawn.from_label, drawn.from_predicted, batch.images[:, None],
             drawn.from_absent[:, None])                                       # as KINDS
    digits = ink(batch.sources)                                                # [N, 2, H, W]
    measured = []
    for images in shown:
        error = np.square(images - batch.sources).mean(axis=(2, 3, 4))         # [N, 2]
        drawn_ink = ink(images)
        intersection = (drawn_ink & digits).sum(axis=(2, 3))                   # [N, 2] pixels
        union = (drawn_ink | digits).sum(axis=(2, 3))
        # Where neither has ink they agree: 1.
        iou = np.divide(intersection, union, out=np.ones(union.shape), where=union > 0)
        measured.append(np.stack([error.mean(axis=1), iou.mean(axis=1)], axis=1))
    return np.stack(measured, axis=1)


def measure(predictor: Predictor, split: Examples, batch_size: int,
            seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compares all N pairs of the split, batch by batch. seed: of the absent classes

    Returns the measures [N, KINDS, MEASURES], bool [N] whether both labels are predicted, and the
    overlaps [N].
    """
    parts, random = [], stream(seed, "absent")
    bar = progress(batches(split, batch_size), "reconstruct",
                   math.ceil(len(split.labels) / batch_size))
    for batch in bar:
        drawn = draw(predictor, batch, random)
        parts.append((compare(drawn, batch), drawn.right, overlap(batch.sources)))
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def tables(measured: np.ndarray, right: np.ndarray, overlaps: np.ndarray) -> dict[str, dict]:
    """Tabulates what `measure` returns: "right" and "wrong" pairs, and all of them "by_overlap".

    The last has the edges of the bins, and arrays [BINS].
    """
    places = bin_of(overlaps)
    bins = [table(measured[places == place]) for place in range(BINS)]
    by_overlap = tf.nest.map_structure(lambda *numbers: np.array(numbers), *bins)
    return {"right": table(measured[right]), "wrong": table(measured[~right]),
            "by_overlap": {"edges": EDGES, **by_overlap}}


def table(measured: np.ndarray) -> dict:
    """Returns how many pairs there are, and the mean of each measure; NaN if there are none.

    measured [N, KINDS, MEASURES]: of N pairs
    """
    found = {"pairs": len(measured)}
    for k, kind in enumerate(KINDS):
        means = map(mean, measured[:, k].T)
        found[kind] = dict(zip(MEASURES, means, strict=True))
    return found
