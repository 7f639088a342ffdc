"""Images and labels: every dataset by name (datasets/) or from the user's own files (formats/)."""
import os
from pathlib import Path

import registry
from data.check import check
from data.dataset import Dataset


def load(cfg) -> Dataset:
    """The dataset called cfg.DATASET: a name, the path of a file such as an .npz, or a folder.

    cfg: settings of a training. InputError if a file is missing or is not what it should be.
    """
    if cfg.DATASET in registry.names("data.datasets"):
        dataset = registry.module("data.datasets", cfg.DATASET).load(cfg)
    else:
        path = Path(cfg.DATASET)
        suffix = path.suffix.removeprefix(".")
        known = suffix in registry.names("data.formats") and not os.path.isdir(path)
        dataset = registry.module("data.formats", suffix if known else "folder").load(path, cfg)
    check(dataset, f"--dataset {cfg.DATASET}")
    return dataset


def is_dataset(value: str) -> bool:
    """Whether `value` is the name of a dataset, or says where the user's own images are."""
    return value in registry.names("data.datasets") or is_path(value)


def is_path(value: str) -> bool:
    """A folder, a file of a known format, or anything with a slash in it."""
    suffix = Path(value).suffix.removeprefix(".")
    return "/" in value or suffix in registry.names("data.formats") or os.path.isdir(value)
