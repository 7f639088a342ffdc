"""The three splits of the user's own images: those that are missing are taken from training."""
from typing import Any

import numpy as np

from data.dataset import Split, stream
from data.readers.files import expect

PARTS = ("train", "val", "test")


def complete(splits: dict[str, Split], seed: int, where: Any) -> dict[str, Split]:
    """-> all of train, val and test. For each missing one a random tenth of train is split off.

    splits: has train at least. The same seed gives the same splits. InputError, beginning with
    `where`, if there are too few images for that, or if training would see one class only.
    """
    train = splits["train"]
    absent = [part for part in PARTS if part not in splits]
    if absent:
        tenth = len(train.labels) // 10
        expect(tenth > 0, where, "10 images or more to train on, to split validation and test off",
               len(train.labels))
        order = stream(seed, "split", 0).permutation(len(train.labels))
        for part in absent:
            splits = {**splits, part: train.take(order[:tenth])}
            order = order[tenth:]
        train = train.take(order)

    present = np.unique(train.labels)
    expect(len(present) > 1, where, "two classes or more to train on",
           f"only the label {present[0]}")
    return {**splits, "train": train}
