"""What a dataset is: images, labels, how training varies them, and batches.

A batch follows from (seed, step) alone. Images rest as uint8 in [0, 255]. They become float32 in
[0, 1] only in the batch that the network sees.
"""
import functools
import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

MIN_SIDE = 17         # pixels: two 9x9 convolutions, the second with stride 2, need so many
MAX_CLASSES = 1_000


class Split(NamedTuple):
    """N images, each with the K classes that are in it. K is 1 where an image shows one thing."""
    images: np.ndarray                  # uint8 [N, H, W, C], 0 to 255
    labels: np.ndarray                  # int32 [N, K], from 0
    sources: np.ndarray | None = None   # uint8 [N, K, H, W, C], each label's image without the
                                        # others, as a digit of a pair; None: the image itself

    def take(self, which: np.ndarray | slice) -> "Split":
        """Returns the examples [which], as they are."""
        return Split(*(None if array is None else array[which] for array in self))

    def content(self) -> Iterator[np.ndarray]:
        """Returns the arrays of which Dataset.digest is made."""
        yield self.images
        # The first runs had labels [N]. With [N, 1] their digest would be another, and they could
        # not be resumed.
        yield self.labels[:, 0] if self.labels.shape[1] == 1 else self.labels
        if self.sources is not None:
            yield self.sources


class Examples(Protocol):
    """What every split offers, as Split does. overlay.Pairs makes its images when they are taken:
    so whoever reads a whole split does it in parts, as `batches`.
    """
    labels: np.ndarray
    take: Callable[[np.ndarray | slice], Split]
    content: Callable[[], Iterator[np.ndarray]]


class Batch(NamedTuple):
    """B images as the network sees them."""
    images: np.ndarray                  # float32 [B, H, W, C] in [0, 1]
    labels: np.ndarray                  # int32 [B, K]
    sources: np.ndarray | None = None   # float32 [B, K, H, W, C] in [0, 1]; None: the image itself


# How training varies its images: (split, index [B], random generator) -> a Split of B examples.
Augment = Callable[[Split, np.ndarray, np.random.Generator], Split]


def unchanged(split: Split, index: np.ndarray, rng: np.random.Generator) -> Split:
    """Returns the examples as they are."""
    return split.take(index)


@dataclass(frozen=True)
class Dataset:
    """Three splits of images of one size, and the names of their classes.

    Training sees what `augment` makes of `train`. That may have more labels: pairs of digits.
    `further` has more test splits by name, of images of the same size. Each is made when a mode of
    evaluation asks for it, because it may take long and be large. `test_files` has the paths of the
    test images, in order, relative to the user's own folder; None: they have none.
    """
    name: str
    train: Split
    val: Examples
    test: Examples
    class_names: tuple[str, ...]
    augment: Augment = unchanged
    further: dict[str, Callable[[], Split]] = field(default_factory=dict)
    test_files: tuple[str, ...] | None = None

    @property
    def classes(self) -> int:
        """Returns J, the number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Returns (H, W, C)."""
        return self.train.images.shape[1:]

    @property
    def digest(self) -> str:
        """Returns the SHA-256 of all examples: a run continues only on the data it began with."""
        digest = hashlib.sha256()
        for split in (self.train, self.val, self.test):
            for array in split.content():
                digest.update(repr(array.shape).encode())
                digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()


# ---- random streams ----

# The first streams had numbers, on which the results of older runs depend. The number of a new
# stream follows from its name. NumPy ignores zeros at the end of a seed: [seed, 3] is [seed, 3, 0],
# so "sample" gives the numbers of "order" in epoch 3. Only training uses "order".
NUMBERS = {"order": 0, "attack": 0, "augment": 1, "split": 2, "sample": 3, "target": 4}


def stream(seed: int, name: str, *index: int) -> np.random.Generator:
    """Returns a random generator of its own for each seed, name and index, as a step's number."""
    number = NUMBERS.get(name, zlib.crc32(name.encode()))
    return np.random.default_rng([seed, *index, number])


# ---- batches ----

def scale(images: np.ndarray) -> np.ndarray:
    """Returns uint8 images, 0 to 255, as float32 in [0, 1], of the same shape."""
    return np.divide(images, 255, dtype=np.float32)


def as_batch(split: Split) -> Batch:
    """Returns all examples of the split, as the network sees them."""
    sources = None if split.sources is None else scale(split.sources)
    return Batch(scale(split.images), split.labels, sources)


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, n: int) -> np.ndarray:
    """Returns the permutation [n] in which an epoch takes the images."""
    order = stream(seed, "order", epoch).permutation(n)
    order.flags.writeable = False  # the cache returns this array again
    return order


def training_batch(dataset: Dataset, seed: int, step: int, batch_size: int) -> Batch:
    """Returns the batch of a training step, a pure function of (seed, step).

    Step s takes places s B to (s + 1) B of an endless stream of epochs. Each epoch is a fresh
    permutation of the split.
    """
    n = len(dataset.train.labels)
    places = np.arange(step * batch_size, (step + 1) * batch_size)   # [B] in the endless stream
    epoch, place = np.divmod(places, n)                              # [B], [B]
    epochs = range(epoch[0], epoch[-1] + 1)
    index = np.concatenate([_order(seed, e, n)[place[epoch == e]] for e in epochs])
    examples = dataset.augment(dataset.train, index, stream(seed, "augment", step))
    return as_batch(examples)


def batches(split: Examples, batch_size: int) -> Iterator[Batch]:
    """Yields the whole split once, in order, as it is. The last batch may be smaller."""
    for start in range(0, len(split.labels), batch_size):
        yield as_batch(split.take(slice(start, start + batch_size)))
