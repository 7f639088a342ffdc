"""Images and labels: every dataset by name (datasets/) or from the user's own files (formats/)."""
import os
from pathlib import Path

import registry
from data.check import check
from data.dataset import Dataset
from data.readers.files import expect, is_there

NAMES = registry.names("data.datasets")
FILES = [name for name in registry.names("data.formats") if name != "folder"]  # by their suffix


def load(cfg, test_only_ok: bool = False) -> Dataset:
    """Returns the dataset called cfg.DATASET: a name, the path of a file, or a folder.

    cfg: settings of a training. test_only_ok: accept the user's own images if they have a test
    split alone; training and validation are then empty. InputError if a file is missing or is not
    what it should be.
    """
    where, path = f"--dataset {cfg.DATASET}", Path(cfg.DATASET)
    if cfg.DATASET in NAMES:
        dataset = registry.module("data.datasets", cfg.DATASET).load(cfg)
    else:
        kind = "folder" if os.path.isdir(path) else path.suffix.lower().removeprefix(".")
        known = f"a folder with one subfolder of images for each class, or a .{', .'.join(FILES)}"
        expect(is_there(path), where, known, "no such file or folder; if the images have moved, "
               "give --dataset with their new path")
        expect(kind in ("folder", *FILES), where, known, f"a file called {path.name}; save its "
               "arrays by np.savez('images.npz', x_train=..., y_train=..., x_test=..., y_test=...)")
        dataset = registry.module("data.formats", kind).load(path, cfg)
    check(dataset, where, test_only_ok)
    return dataset


def is_path(value: str) -> bool:
    """Returns whether `value` has a slash or the suffix of a known format, or names what exists."""
    suffix = Path(value).suffix.lower().removeprefix(".")
    return "/" in value or suffix in FILES or os.path.exists(value)
