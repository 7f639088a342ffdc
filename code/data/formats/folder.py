"""The user's own images as a folder with one subfolder of PNG, JPEG or BMP files for each class.

    flowers/daisy/1.jpg      or, already split,    flowers/train/daisy/1.jpg
    flowers/rose/2.png                             flowers/test/rose/2.png

image_file.py says how an image gets the size that the network takes. Files beside the class
folders are ignored, and so are hidden ones and those that an operating system leaves behind.
"""
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.augment import random_shift
from data.dataset import MAX_CLASSES, Dataset, Split
from data.readers.files import expect
from data.splits import PARTS, complete
from output import progress, say
from settings import SWITCH, InputError, Setting, between, suggestion

MAX_SIDE = 1024
NAMED = 3        # most files that a message names
LEFT_BEHIND = ("thumbs.db", "desktop.ini", "__macosx")

SETTINGS = {
    "IMAGE_SIZE": Setting(
        28, "own folder of images: height and width, in pixels, into which each image is fitted "
        "whole, centred and padded with black", "ours; MNIST's size",
        between(17, 1024)),  # data.dataset.MIN_SIDE
    "COLOUR": Setting(
        False, "own folder of images: red, green and blue instead of grey", "ours", SWITCH),
    "SKIP_BAD_IMAGES": Setting(
        False, "own folder of images: leave out files that cannot be read as images", "ours",
        SWITCH, may_change=True),
}


class Example(NamedTuple):
    """A file, and the class that its folder stands for."""
    path: Path
    label: int


class BadFile(NamedTuple):
    """A file that could not be read as an image."""
    path: Path
    reason: str


def load(path: Path, cfg) -> Dataset:
    """Class names are the names of the subfolders, sorted. Files are read in sorted order.

    If all subfolders are called train, val or test, they are splits, and have the class folders. A
    missing validation or test split is a random tenth of the training images. InputError if the
    folder is not like this, or if a file is no image and cfg.SKIP_BAD_IMAGES is false.
    """
    # Find the files.
    folders = split_folders(path)
    class_names = [folder.name for folder in subfolders(folders["train"])]
    check_names(folders["train"], class_names)
    examples = {part: find(folder, class_names) for part, folder in folders.items()}

    # Read them.
    splits, bad = {}, []
    for part, wanted in examples.items():
        splits[part], unreadable = read(wanted, cfg, f"reading {folders[part].name}")
        bad += unreadable
    report(path, bad, sum(map(len, examples.values())), cfg.SKIP_BAD_IMAGES)
    for part, split in splits.items():
        check_nothing_is_lost(folders[part], examples[part], split, class_names)

    splits = complete(splits, cfg.SEED, path)
    return Dataset(
        name=path.absolute().name,
        **splits,
        class_names=tuple(class_names),
        augment=random_shift(cfg.SHIFT, splits["train"].images.shape[1:]),
    )


# ---- finding ----

def visible(folder: Path) -> list[Path]:
    """-> what is in the folder, sorted, without hidden files. InputError if it cannot be read."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: expected a folder with one subfolder of images for each "
                         f"class, received: {error.strerror}") from None
    return [path for path in paths
            if not path.name.startswith(".") and path.name.lower() not in LEFT_BEHIND]


def subfolders(folder: Path) -> list[Path]:
    """-> the folders in the folder, sorted, without hidden ones."""
    return [path for path in visible(folder) if os.path.isdir(path)]


def split_folders(path: Path) -> dict[str, Path]:
    """-> {split: the folder that has its class folders}; only train if there are no splits yet."""
    found = {folder.name: folder for folder in subfolders(path)}
    if "train" in found and found.keys() <= set(PARTS):
        return {part: found[part] for part in PARTS if part in found}
    return {"train": path}


def check_names(folder: Path, class_names: list[str]):
    """InputError unless the folder has a sensible number of classes, with names to print."""
    expect(len(class_names) > 0, folder, "one subfolder of images for each class",
           f"no subfolder, and {len(visible(folder)):,} files")
    expect(len(class_names) > 1, folder, "two classes or more, each a subfolder of images",
           f"only {class_names[0]!r}")
    expect(len(class_names) <= MAX_CLASSES, folder, f"at most {MAX_CLASSES:,} classes",
           f"{len(class_names):,} subfolders")
    for name in class_names:
        expect(name.isprintable(), folder, "class folders with printable names", ascii(name))


def find(folder: Path, class_names: list[str]) -> list[Example]:
    """-> all files in the class folders of one split, by class, sorted by name."""
    examples = []
    for class_folder in subfolders(folder):
        name = class_folder.name
        expect(name in class_names, folder, "the classes of the training split only",
               f"{name}{suggestion(name, class_names)}")
        files = visible(class_folder)
        expect(len(files) > 0, class_folder, "one image or more", "an empty folder")
        for file in files:
            expect(not os.path.isdir(file), class_folder, "images only (a class has no subfolders, "
                   f"and splits are called {', '.join(PARTS)})", f"the folder {file.name}")
        examples += [Example(file, class_names.index(name)) for file in files]
    expect(len(examples) > 0, folder, "one subfolder of images for each class", "no subfolder")
    return examples


# ---- reading ----

def read(examples: list[Example], cfg, title: str) -> tuple[Split, list[BadFile]]:
    """Reads the files, with a progress bar if that takes long -> the images, the bad files."""
    from data import image_file  # only here, because other data do not need Pillow

    channels = 3 if cfg.COLOUR else 1
    images = np.empty((len(examples), cfg.IMAGE_SIZE, cfg.IMAGE_SIZE, channels), np.uint8)
    labels, bad = [], []
    for path, label in progress(examples, title, delay=1):
        try:
            images[len(labels)] = image_file.read(path, cfg.IMAGE_SIZE, cfg.COLOUR)
        except InputError as error:
            bad.append(BadFile(path, str(error)))
        else:
            labels.append(label)
    return Split(images[:len(labels)], np.array(labels, np.int32).reshape(-1, 1)), bad


def report(path: Path, bad: list[BadFile], count: int, skip: bool):
    """InputError, which names the first bad files, or one line that says so if they are skipped."""
    if not bad:
        return
    named = []
    for file in bad[:NAMED]:
        name = str(file.path.relative_to(path))
        named.append(f"{name if name.isprintable() else ascii(name)} ({file.reason})")
    more = ", ..." if len(bad) > NAMED else ""
    files = f"{len(bad):,} of {count:,} files: {', '.join(named)}{more}"
    if not skip:
        raise InputError(f"{path}: expected PNG, JPEG or BMP images, could not read {files}; "
                         "remove them, or give --skip_bad_images to leave them out")
    say(f"{path}: left out {files}")


def check_nothing_is_lost(folder: Path, examples: list[Example], split: Split,
                          class_names: list[str]):
    """InputError if a class that has files has no image that could be read."""
    for label in sorted({example.label for example in examples}):
        expect(label in split.labels, folder / class_names[label], "one image or more",
               "only files that cannot be read as images")
