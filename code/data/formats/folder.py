"""The user's own images as a folder with one subfolder of pictures for each class.

    flowers/daisy/1.jpg      or, already split,    flowers/train/daisy/1.jpg
    flowers/rose/2.png                             flowers/test/rose/2.png

image_file.py says which pictures can be read, and how they get the size that the network takes.
Files beside the class folders are ignored, and so are hidden ones and those that an operating
system leaves behind.
"""
import os
from pathlib import Path

import numpy as np

from data import remarks
from data.dataset import MAX_CLASSES, Dataset, Split
from data.readers import image_file
from data.readers.files import expect
from data.splits import PARTS, as_dataset
from output import progress, say
from settings import SWITCH, InputError, Setting, between, one_of, suggestion

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
    "SPLIT": Setting(
        "by_class", "own images, a folder or an .npz, without a validation or test split: by_class "
        "takes a tenth of each class, at least one image; random takes a tenth of all, as runs did "
        "that do not record this setting", "ours", one_of(("by_class", "random"))),
}


def load(path: Path, cfg) -> Dataset:
    """Returns the dataset of the folder. Class names are the names of its subfolders.

    If all subfolders are called train, val or test, they are splits, and have the class folders.
    Names that are whole numbers are sorted as numbers, others as text. InputError if the folder is
    not like this, or if a file is no image and cfg.SKIP_BAD_IMAGES is false.
    """
    # Find the files.
    folders = split_folders(path)
    class_names = names_of(next(iter(folders.values())))  # of train, or of test alone
    found = {part: find(folder, class_names) for part, folder in folders.items()}
    count = sum(map(len, found.values()))

    # Read them.
    splits, files, blank, bad = {}, {}, [], {}
    for part, folder in folders.items():
        images = np.empty((len(found[part]), cfg.IMAGE_SIZE, cfg.IMAGE_SIZE,
                           3 if cfg.COLOUR else 1), np.uint8)
        labels, files[part] = [], []
        for file, label in progress(found[part].items(), f"reading {folder.name}", delay=1):
            name = str(file.relative_to(path))
            try:
                picture = image_file.upright(file, cfg.COLOUR, 2 * cfg.IMAGE_SIZE)
            except InputError as error:
                bad[name] = str(error)
                continue
            images[len(labels)] = image_file.fitted(picture, cfg.IMAGE_SIZE)
            labels.append(label)
            files[part].append(name)
            if image_file.is_blank(np.asarray(picture)):
                blank.append(name)
        splits[part] = Split(images[:len(labels)], np.array(labels, np.int32).reshape(-1, 1))

    # Say what is wrong with them.
    if bad:
        named = remarks.some([f"{name} ({reason})" for name, reason in bad.items()])
        named = f"{len(bad):,} of {count:,} files: {named}"
        if not cfg.SKIP_BAD_IMAGES:
            raise InputError(
                f"{path}: expected PNG, JPEG, BMP, TIFF or WebP images, could not read {named}; "
                "remove them, or give --skip_bad_images to leave them out")
        say(f"{path}: left out {named}")
    for part, folder in folders.items():
        for label in set(found[part].values()):
            expect(label in splits[part].labels, folder / class_names[label], "one image or more",
                   "only files that cannot be read as images")
    remarks.say_blank(blank, count, path)
    return as_dataset(path.absolute().name, path, splits, class_names, cfg, files)


def visible(folder: Path) -> list[Path]:
    """Returns what is in the folder, sorted, without hidden files. InputError if unreadable."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: expected a folder with one subfolder of images for each "
                         f"class, received: {error.strerror}") from None
    return [path for path in paths if not image_file.is_hidden(path.name)]


def subfolders(folder: Path) -> list[Path]:
    """Returns the folders in the folder without hidden ones, sorted by number or by name."""
    folders = [path for path in visible(folder) if os.path.isdir(path)]
    if all(path.name.isdecimal() for path in folders):
        folders.sort(key=lambda path: int(path.name))
    return folders


def split_folders(path: Path) -> dict[str, Path]:
    """Returns {split: the folder that has its class folders}, train first if it is there.

    It is {"train": path} if there are no splits yet.
    """
    found = {folder.name: folder for folder in subfolders(path)}
    alone = "test" in found and len(subfolders(found["test"])) > 0
    if found.keys() <= set(PARTS) and ("train" in found or alone):
        parts = PARTS if "train" in found else ("test", "val")
        return {part: found[part] for part in parts if part in found}
    return {"train": path}


def names_of(folder: Path) -> tuple[str, ...]:
    """Returns the names of the class folders. InputError if they are too few, many or odd."""
    names = tuple(path.name for path in subfolders(folder))
    expect(len(names) > 0, folder, "one subfolder of images for each class",
           f"no subfolder, and {len(visible(folder)):,} files")
    expect(1 < len(names) <= MAX_CLASSES, folder,
           f"two to {MAX_CLASSES:,} classes, each a subfolder of images",
           f"{len(names):,}: {remarks.some(names)}")
    for name in names:
        expect(name.isprintable(), folder, "class folders with printable names", ascii(name))
    return names


def find(folder: Path, class_names: tuple[str, ...]) -> dict[Path, int]:
    """Returns {file: its label} of all files in the class folders of one split, in order."""
    found = {}
    for class_folder in subfolders(folder):
        name, files = class_folder.name, visible(class_folder)
        expect(name in class_names, folder, "the classes of the training split only",
               f"{name}{suggestion(name, class_names)}")
        expect(len(files) > 0, class_folder, "one image or more", "an empty folder")
        for file in files:
            expect(not os.path.isdir(file), class_folder, "images only (a class has no subfolders, "
                   f"and splits are called {', '.join(PARTS)})", f"the folder {file.name}")
            found[file] = class_names.index(name)
    expect(len(found) > 0, folder, "one subfolder of images for each class", "no subfolder")
    return found
