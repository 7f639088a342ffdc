"""How much two digits of one image overlap, and how well pairs are classified against that.

A pixel belongs to a digit's ink if the digit alone is at least INK bright there. The overlap of a
pair is the share of the smaller ink that lies under the other one, from 0 to 1.
"""
import math
from typing import NamedTuple

import numpy as np

from data.dataset import Batch, Examples, batches
from data.making.overlay import Pairs
from evaluation.network.predictor import Predictor
from evaluation.statistics.intervals import of_pairs
from evaluation.statistics.tables import mean
from model.compile import compiled
from model.network import any_match
from output import progress
from training.step import loss_terms, pad

INK = 0.5   # of white
BINS = 10   # of equal width


class ByOverlap(NamedTuple):
    """Pairs by their overlap. Bins without pairs are NaN."""
    count: np.ndarray           # pairs [bins]
    overlap: np.ndarray         # their mean overlap
    error: np.ndarray           # the share whose two longest capsules are not both labels
    error_low: np.ndarray       # its confidence interval, see intervals.of_pairs
    error_high: np.ndarray
    some_right: np.ndarray      # the share of which at least one label is found
    some_right_low: np.ndarray
    some_right_high: np.ndarray


def ink(images: np.ndarray) -> np.ndarray:
    """images [..., H, W, C] in [0, 1] -> bool [..., H, W]"""
    return images.mean(axis=-1) >= INK


def overlap(sources: np.ndarray) -> np.ndarray:
    """Both digits of N pairs apart, [N, 2, H, W, C] in [0, 1] -> their overlap [N]

    It is 0 if one of them has no ink.
    """
    first, second = np.moveaxis(ink(sources), 1, 0)                            # [N, H, W]
    shared = (first & second).sum(axis=(1, 2))
    smaller = np.minimum(first.sum(axis=(1, 2)), second.sum(axis=(1, 2)))
    return shared / np.maximum(1, smaller)


def bin_of(overlaps: np.ndarray) -> np.ndarray:
    """[N] in [0, 1] -> the number of each one's bin [N]"""
    return np.minimum((overlaps * BINS).astype(int), BINS - 1)


class Judged(NamedTuple):
    """What a network says of N pairs."""
    overlap: np.ndarray     # [N]
    right: np.ndarray       # bool [N]: both labels are found
    some_right: np.ndarray  # bool [N]: at least one is


def measure(predictor: Predictor, split: Examples) -> tuple[dict[str, float], Judged]:
    """The whole split, batch by batch -> the means over all pairs, and each pair."""
    terms_of_batch = make_terms(predictor)
    total = len(split.labels)
    size = min(predictor.batch_size, total)
    sums, parts = {}, []
    for batch in progress(batches(split, size), "test", math.ceil(total / size)):
        terms = terms_of_batch(batch, size)
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + value.sum(dtype=float)
        parts.append(Judged(overlap(batch.sources), terms["accuracy"] > 0, terms["some_right"] > 0))
    judged = Judged(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return {name: value / total for name, value in sums.items()}, judged


def members(split: Examples, which: np.ndarray | slice = slice(None)) -> np.ndarray:
    """-> the numbers of the digits that make each of the images [which] [N, 2]

    Where they are not known, every image has digits of its own.
    """
    if isinstance(split, Pairs):
        return split.members(which)
    return np.arange(2 * len(split.labels)).reshape(-1, 2)[which]


def by_overlap(judged: Judged, digits: np.ndarray) -> ByOverlap:
    """The shares in each bin, with intervals. digits [N, 2]: of each pair, see `members`"""
    places, rows = bin_of(judged.overlap), []
    for place in range(BINS):
        here = places == place
        wrong, some_right = ~judged.right[here], judged.some_right[here]
        rows.append((here.sum(), mean(judged.overlap[here]),
                     mean(wrong), *of_pairs(wrong, digits[here]),
                     mean(some_right), *of_pairs(some_right, digits[here])))
    return ByOverlap(*(np.array(column) for column in zip(*rows, strict=True)))


def make_terms(predictor: Predictor):
    """-> a function of a Batch: the network's loss and its terms, the accuracy, and whether some
    label is right, each [B].

    It fills a smaller batch up to `size` pairs, so that one compiled function serves all.
    """
    network = predictor.network

    def terms(part: Batch):
        output = network(part.images, part.labels)
        some_right = any_match(output.scores, part.labels)
        return {**loss_terms(network, output, part), "some_right": some_right}

    terms = compiled(terms, predictor.trained)

    def terms_of_batch(batch: Batch, size: int) -> dict[str, np.ndarray]:
        padded, _ = pad(batch, size)
        return {name: value.numpy()[:len(batch.labels)] for name, value in terms(padded).items()}

    return terms_of_batch
