"""How much two digits of one image overlap, and how well pairs are classified against that.

A pixel belongs to a digit's ink if the digit alone is at least INK bright there. The overlap of a
pair is the fraction of the smaller ink that lies under the other one, from 0 to 1.
"""
from typing import NamedTuple

import numpy as np

from data.dataset import Examples
from data.making.overlay import Pairs
from evaluation.statistics.intervals import of_pairs
from evaluation.statistics.tables import mean

INK = 0.5   # of white
BINS = 10   # of equal width


class ByOverlap(NamedTuple):
    """Pairs by their overlap. Bins without pairs are NaN."""
    count: np.ndarray           # pairs [bins]
    overlap: np.ndarray         # their mean overlap
    error: np.ndarray           # the fraction whose two longest capsules are not both labels
    error_low: np.ndarray       # its confidence interval, see intervals.of_pairs
    error_high: np.ndarray
    some_right: np.ndarray      # the fraction of which at least one label is found
    some_right_low: np.ndarray
    some_right_high: np.ndarray


def ink(images: np.ndarray) -> np.ndarray:
    """Returns where images [..., H, W, C] in [0, 1] have ink, bool [..., H, W]."""
    return images.mean(axis=-1) >= INK


def overlap(sources: np.ndarray) -> np.ndarray:
    """Returns the overlap of N pairs [N]; 0 if one of the digits has no ink.

    sources [N, 2, H, W, C] in [0, 1]: both digits apart
    """
    first, second = np.moveaxis(ink(sources), 1, 0)                            # [N, H, W]
    shared = (first & second).sum(axis=(1, 2))
    smaller = np.minimum(first.sum(axis=(1, 2)), second.sum(axis=(1, 2)))
    return shared / np.maximum(1, smaller)


def bin_of(overlaps: np.ndarray) -> np.ndarray:
    """Returns the number of each one's bin [N]; overlaps [N] in [0, 1]."""
    return np.minimum((overlaps * BINS).astype(int), BINS - 1)


def members(split: Examples, which: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Returns the numbers of the digits that make each of the images [which] [N, 2].

    Where they are not known, every image has digits of its own.
    """
    if isinstance(split, Pairs):
        return split.members(which)
    return np.arange(2 * len(split.labels)).reshape(-1, 2)[which]


def by_overlap(overlaps: np.ndarray, right: np.ndarray, some_right: np.ndarray,
               digits: np.ndarray) -> ByOverlap:
    """Returns the fractions in each bin, with intervals.

    Of N pairs: overlaps [N]; right, some_right bool [N], whether both labels are found, or one at
    least; digits [N, 2], see `members`
    """
    places, rows = bin_of(overlaps), []
    for place in range(BINS):
        here = places == place
        wrong, some = ~right[here], some_right[here]
        rows.append((here.sum(), mean(overlaps[here]), mean(wrong), *of_pairs(wrong, digits[here]),
                     mean(some), *of_pairs(some, digits[here])))
    return ByOverlap(*(np.array(column) for column in zip(*rows, strict=True)))
