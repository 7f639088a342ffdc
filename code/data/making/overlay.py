"""Two digits of different classes in one image, as the paper's MultiMNIST has them (section 6).

Both digits are moved by whole pixels, their pixels are added, and what exceeds 255 is cut off. B
images, N pairs, n digits, each with one label; index arrays say which digit of the n is meant.
"""
from collections.abc import Iterator

import numpy as np

from data.augment import cut
from data.dataset import Augment, Split, stream


class Partners:
    """Draws a partner of another class for digits with the labels [n]. ValueError if one has none.

    Sorted by class, the digits of one class are a block, which begins at `start` and has `size`
    digits. A place is drawn as if this block were not there, from 0 to n - size - 1, and moves up
    by `size` unless it is before the block. So every digit of another class is as likely.
    """

    def __init__(self, labels: np.ndarray):
        self.order = np.argsort(labels, kind="stable")                         # [n]
        in_order = labels[self.order]
        self.start = np.searchsorted(in_order, labels, "left")                 # [n]
        self.size = np.searchsorted(in_order, labels, "right") - self.start    # [n]

    def draw(self, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns a digit of another class for each digit of `index` [...]."""
        start, size = self.start[index], self.size[index]
        place = rng.integers(0, len(self.order) - size)
        return self.order[place + np.where(place < start, 0, size)]


def overlay(digits: Split, index: np.ndarray, corners: np.ndarray, most: int) -> Split:
    """Lays digits over each other. Returns a split of B images.

    digits: as large as the result, see `with_border`; index [B, K]: those of each image
    corners [B, K, 2]: a row and a column from 0 to 2 `most` for each digit, where `cut` cuts it out
    of a larger black image. It moves down by `most` - row and to the right by `most` - column. What
    leaves the image is gone.
    most: the largest shift
    """
    rows, columns = corners.reshape(-1, 2).astype(int).T
    sources = cut(digits.images[index.ravel()], rows, columns, most)           # [B K, H, W, C]
    sources = sources.reshape(*index.shape, *sources.shape[1:])                # [B, K, H, W, C]
    added = sources.sum(axis=1, dtype=np.uint16)
    images = np.minimum(added, 255).astype(np.uint8)                           # [B, H, W, C]
    return Split(images, digits.labels[index, 0], sources)


def random_pairs(digits: Split, most: int) -> Augment:
    """Returns an Augment: a digit that is taken gets a new partner, and both get new places."""
    partners = Partners(digits.labels[:, 0])

    def pair(split: Split, index: np.ndarray, rng: np.random.Generator) -> Split:
        """split: the training split, which is `digits`"""
        both = np.stack([index, partners.draw(index, rng)], axis=1)            # [B, 2]
        corners = rng.integers(0, 2 * most + 1, (len(index), 2, 2))
        return overlay(split, both, corners, most)

    return pair


class Pairs:
    """A fixed list of n M pairs, made when they are read. See dataset.py, Examples.

    Each of n digits is moved once, and overlaid with M partners, each at a place of its own. Only
    the list is in memory: 14 bytes for each pair. Its image and both digits would take 3 H W.
    """

    def __init__(self, digits: Split, partners_each: int, most: int, name: str):
        """name: of the random stream. The same digits, numbers and name make the same list."""
        n, M = len(digits.labels), partners_each
        rng = stream(0, name)
        self.digits, self.partners_each, self.most = digits, M, most
        base = np.repeat(np.arange(n, dtype=np.int32), M)                      # [n M]
        self.partner = Partners(digits.labels[:, 0]).draw(base, rng).astype(np.int32)
        self.base_corner = rng.integers(0, 2 * most + 1, (n, 2), np.int8)
        self.partner_corner = rng.integers(0, 2 * most + 1, (n * M, 2), np.int8)
        both = digits.labels[base, 0], digits.labels[self.partner, 0]
        self.labels = np.stack(both, axis=1)                                   # [n M, 2]

    def take(self, which: np.ndarray | slice) -> Split:
        """Returns the pairs [which], with both digits apart as their sources."""
        index = self.members(which)                                            # [B, 2]
        corners = self.base_corner[index[:, 0]], self.partner_corner[which]
        return overlay(self.digits, index, np.stack(corners, axis=1), self.most)

    def members(self, which: np.ndarray | slice) -> np.ndarray:
        """Returns which digits make the pairs [which]: [B, 2], from 0 to n - 1."""
        if isinstance(which, slice):
            which = np.arange(*which.indices(len(self.labels)))
        return np.stack([which // self.partners_each, self.partner[which]], axis=1)

    def content(self) -> Iterator[np.ndarray]:
        """Returns what decides the pairs: the digits and the list."""
        yield from self.digits.content()
        yield from (self.partner, self.base_corner, self.partner_corner)


def with_border(split: Split, width: int) -> Split:
    """Returns the images [N, H, W, C] with so many black pixels on every side."""
    border = [(0, 0), (width, width), (width, width), (0, 0)]
    return split._replace(images=np.pad(split.images, border))
