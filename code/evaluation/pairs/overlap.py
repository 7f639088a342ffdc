"""How much two digits of one image overlap, and how well pairs are classified against that.

A pixel belongs to a digit's ink if the digit alone is at least INK bright there. The overlap of a
pair is the fraction of the smaller ink that lies under the other one, from 0 to 1.
"""
import numpy as np

from data.dataset import Examples
from data.making.overlay import Pairs
from evaluation.statistics.intervals import of_clusters
from evaluation.statistics.tables import mean

INK = 0.5   # of white
BINS = 10   # of equal width
EDGES = np.linspace(0, 1, BINS + 1)


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
               digits: np.ndarray) -> dict[str, np.ndarray]:
    """Returns "count", mean "overlap", "error" and "some_right" of each bin [BINS]; NaN for none.

    The last two are fractions, whose intervals end with _low and _high (intervals.of_clusters).
    Of N pairs: overlaps [N]; right, some_right bool [N], whether both labels are found, or one at
    least; digits [N, 2], see `members`
    """
    places = bin_of(overlaps)
    bins = [places == place for place in range(BINS)]
    found = {"count": np.bincount(places, minlength=BINS),
             "overlap": np.array([mean(overlaps[here]) for here in bins])}
    for name, yes in (("error", ~right), ("some_right", some_right)):
        found[name] = np.array([mean(yes[here]) for here in bins])
        ends = np.array([of_clusters(yes[here], digits[here]) for here in bins])
        found[f"{name}_low"], found[f"{name}_high"] = ends.T
    return found
