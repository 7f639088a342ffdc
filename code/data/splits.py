"""Splits that are missing are taken from training, as where the user's own images have none."""
from typing import Any

import numpy as np

from data import remarks
from data.augment import random_shift
from data.dataset import Dataset, Split, stream
from data.readers.files import expect

PARTS = ("train", "val", "test")


def as_dataset(name: str, where: Any, splits: dict[str, Split], class_names: tuple[str, ...], cfg,
               files: dict[str, list[str]] | None = None) -> Dataset:
    """Returns a dataset of the splits, and says what looks like a mistake in them.

    Where training is missing, so that only an evaluation can use the images, it is empty, and so is
    validation. A validation or test split that is missing is taken from training.

    splits: uint8 images of one size; train or test at least. where: begins the messages.
    files: of each split, where they have names. InputError as `complete`.
    """
    # the splits that are missing
    if "train" in splits:
        places, train = complete(splits, cfg, where), splits["train"]
        splits = splits | {part: train.take(index) for part, index in places.items()}
        if files and "test" in places:
            files = {"test": [files["train"][index] for index in places["test"]]}
    else:
        nothing = splits["test"].take(slice(0, 0))
        splits = {"train": nothing, "val": nothing, **splits}

    # the dataset, and what looks like a mistake in it
    dataset = Dataset(
        name=name,
        **splits,
        class_names=class_names,
        augment=random_shift(cfg.SHIFT, splits["train"].images.shape[1:]),
        test_files=tuple(files["test"]) if files else None,
    )
    remarks.say_narrow(dataset, where)
    remarks.say_lacking(dataset, where)
    return dataset


def complete(splits: dict[str, Split], cfg, where: Any) -> dict[str, np.ndarray]:
    """Returns which images of `train` are in each split that is taken from it, `train` included.

    The same cfg.SEED gives the same splits; cfg.SPLIT says how. InputError if there are too few
    images for that, or if training would see one class only.
    """
    labels = splits["train"].labels[:, 0]
    absent = [part for part in PARTS if part not in splits]
    expect(not absent or len(labels) >= 10, where,
           "10 images or more to train on, to split validation and test off", len(labels))
    order = stream(cfg.SEED, "split", 0).permutation(len(labels))
    places = tenths_by_class(labels, order, absent)
    # If a split is empty, no class had an image to spare: take a random tenth.
    if cfg.SPLIT == "random" or not all(map(len, places.values())):
        tenth = len(labels) // 10
        places = {part: order[number * tenth:(number + 1) * tenth]
                  for number, part in enumerate(absent)}

    # What is left trains; in the order of the file if nothing was taken.
    if absent:
        taken = np.concatenate(list(places.values()))
        places["train"] = order[~np.isin(order, taken)]
        labels = labels[places["train"]]
    present = np.unique(labels)
    expect(len(present) > 1, where, "two classes or more to train on",
           f"only the label {present[0]}")
    return places


def hold_out(train: Split, count: int) -> dict[str, Split]:
    """Returns "train" and "val", the last `count` images of a published training set.

    InputError if none would be left to train on.
    """
    kept = len(train.labels) - count
    expect(kept > 0, "--validation", f"less than the {len(train.labels):,} training images",
           f"{count:,}")
    return {"train": train.take(slice(0, kept)), "val": train.take(slice(kept, None))}


def tenths_by_class(labels: np.ndarray, order: np.ndarray,
                    absent: list[str]) -> dict[str, np.ndarray]:
    """Returns a tenth of each class for each of the `absent` splits, at least one image of each.

    labels [n]; order: a permutation of n. A class keeps one image for training. Where it has no
    others for all splits, test goes first.
    """
    in_order = labels[order]
    counts = np.unique(labels, return_counts=True)[1]
    own = np.split(order[np.argsort(in_order, kind="stable")], np.cumsum(counts)[:-1])
    places = {}
    for number, part in enumerate(reversed(absent)):
        taken = []
        for images in own:
            tenth = max(1, len(images) // 10)
            taken.append(images[:-1][number * tenth:(number + 1) * tenth])
        places[part] = order[np.isin(order, np.concatenate(taken))]  # mixed again
    return places
