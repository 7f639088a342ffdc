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
    where = f"--dataset {cfg.DATASET}"
    if cfg.DATASET in NAMES:
        dataset = registry.module("data.datasets", cfg.DATASET).load(cfg)
    else:
        path = Path(cfg.DATASET)
        dataset = registry.module("data.formats", format_of(path, where)).load(path, cfg)
    check(dataset, where, test_only_ok)
    return dataset


def format_of(path: Path, where: str) -> str:
    """Returns the name of the file of formats/ that reads the path. InputError if none does."""
    known = f"a folder with one subfolder of images for each class, or a file .{', .'.join(FILES)}"
    expect(is_there(path), where, known, "no such file or folder; if the images have moved, "
           "give --dataset with their new path")
    if os.path.isdir(path):
        return "folder"
    suffix = path.suffix.lower().removeprefix(".")
    expect(suffix in FILES, where, known, f"a file {path.suffix or 'without a suffix'}; save its "
           "arrays by np.savez('images.npz', x_train=..., y_train=..., x_test=..., y_test=...)")
    return suffix


def is_dataset(value: str) -> bool:
    """Returns whether `value` is the name of a dataset, or says where the user's own images are."""
    return value in NAMES or is_path(value)


def is_path(value: str) -> bool:
    """Returns whether `value` has a slash or the suffix of a known format, or names what exists."""
    suffix = Path(value).suffix.lower().removeprefix(".")
    return "/" in value or suffix in FILES or os.path.exists(value)
