"""What looks like a mistake in the user's own images, each in one line. They are taken as they are.
"""
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from data.dataset import Dataset, Split
from output import say

NAMED = 3       # most images or classes that a line names
NARROW = 128    # of 255: shades that lie closer together leave half of the range unused


def some(names: Sequence[str]) -> str:
    """Returns the names, in a form that can be printed: the first few if there are many."""
    shown = [name if name.isprintable() else ascii(name) for name in names[:NAMED]]
    return ", ".join(shown) + (", ..." if len(names) > NAMED else "")


def say_blank(names: Sequence[str], count: int, where: Any):
    """Says which of `count` images have a single shade."""
    if names:
        say(f"{where}: {len(names):,} of {count:,} images have a single shade, with nothing to see "
            f"on them: {some(names)}")


def say_narrow(dataset: Dataset, where: Any):
    """Says which split uses a small part of the range, the first of them if there are several.

    Such are images of fewer bits than their files have, and images of faint ink.
    """
    for words, split in splits_of(dataset).items():
        low, high = int(split.images.min()), int(split.images.max())
        if high - low < NARROW:
            say(f"{where}: among the {words}images the darkest pixel is {low} and the brightest "
                f"pixel is {high} of 255, so a network sees little; prepare all images alike, "
                "until black is 0 and white 255 (65,535 in files of 16 bits)")
            return


def splits_of(dataset: Dataset) -> dict[str, Split]:
    """Returns the splits that have images, by the words for them."""
    splits = {"training ": dataset.train, "validation ": dataset.val, "test ": dataset.test}
    return {words: split for words, split in splits.items() if len(split.labels)}


def say_lacking(dataset: Dataset, where: Any):
    """Says which classes have no images at all, or none in a split that has others."""
    # for each split that has images, the classes that it lacks
    classes = np.arange(dataset.classes)
    lacking = {words: np.setdiff1d(classes, split.labels)
               for words, split in splits_of(dataset).items()}

    # a class that all of them lack is named once
    by_all = functools.reduce(np.intersect1d, lacking.values())
    found = []
    for words, labels in {"": by_all, **lacking}.items():
        if words:
            labels = np.setdiff1d(labels, by_all)
        if len(labels):
            names = some([dataset.class_names[label] for label in labels])
            found.append(f"{len(labels):,} of {dataset.classes:,} classes have no {words}images: "
                         f"{names}")
    if found:
        say(f"{where}: {'; '.join(found)}")
