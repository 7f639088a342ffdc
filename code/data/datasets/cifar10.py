"""CIFAR-10, photographs of ten kinds of things: 45,000 / 5,000 / 10,000 images [24, 24, 3].

Krizhevsky 2009, Learning multiple layers of features from tiny images. The images are 32 x 32: see
making/crops.py for what the network sees of them. The archive is known by its published MD5. The
six .bin files unpacked from it, for which none is published, are taken, too: of these the size and
the labels are checked.

The paper (section 7) has 10.6 % errors with the mean of 7 networks, 64 types of primary capsules,
and a none-of-the-above class in the routing. We have not measured it:

    python code/train.py --dataset cifar10 --seed S --train_dir output/cifar10-S       # S = 0 to 6
    python code/eval.py --ensemble --ckpt output/cifar10-0,output/cifar10-1,...
"""
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.dataset import Dataset, Split
from data.making import crops
from data.readers import files, image_file
from data.readers.files import damage, expect
from settings import FRACTION, SWITCH, InputError, Setting, between

SETTINGS = {
    "CROP": Setting(
        24, "cifar10, smallnorb: side of the random crops that train, in pixels, in place of "
        "--shift; validation and test have the central crop", "paper, sec. 7; smallnorb: 32",
        between(17, 48)),
    "FLIP": Setting(
        True, "cifar10, smallnorb: mirror half of the training images",
        "authors' code for CIFAR-10", SWITCH),
    "BRIGHTNESS": Setting(
        63, "cifar10, smallnorb: the most that training adds to or takes from all pixels of an "
        "image, of 255", "authors' code for CIFAR-10", between(0, 255)),
    "CONTRAST": Setting(
        0.8, "cifar10, smallnorb: training multiplies an image's contrast by a factor that is at "
        "most this far from 1", "authors' code for CIFAR-10", FRACTION),
}
DEFAULTS = {"PRIMARY_CAPS_CHANNELS": 64, "NONE_OF_THE_ABOVE": True}

ARCHIVE = files.Published("CIFAR-10", "cifar10",
                          "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                          "c32a1d4ab5d03f1284b67883e8d87530")
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer",
               "dog", "frog", "horse", "ship", "truck")
UNPACKED = "cifar-10-batches-bin"   # the folder in the archive
NAMES = (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin")
SIDE, RECORDS = 32, 10_000          # images in each file
LENGTH = 1 + 3 * SIDE ** 2          # bytes of a record: label, red, green, blue
MAX_BYTES = 2 ** 28                 # of the archive, packed and unpacked; it has 184 million


def load(cfg) -> Dataset:
    """Returns CIFAR-10. InputError if its files are neither there nor can be downloaded."""
    # the first folder with one of the files, and with the archive
    data_dir = Path(cfg.DATA_DIR)
    places = data_dir / ARCHIVE.folder, data_dir
    folders = [folder for place in places for folder in (place / UNPACKED, place)]
    unpacked = first_with(NAMES, folders)
    if unpacked and not first_with([ARCHIVE.name], folders):
        paths = [unpacked / name for name in NAMES]
        parts = [parse(files.content_of(path), path) for path in paths]
    else:
        others = f", or the files {', '.join(NAMES)} that are in it,"
        parts = files.load_published(ARCHIVE, data_dir, parse_archive, MAX_BYTES, others)
    *train, test = parts
    train = Split(np.concatenate([part.images for part in train]),
                  np.concatenate([part.labels for part in train]))
    return crops.as_dataset("cifar10", train, test, CLASS_NAMES, cfg)


def first_with(names: Sequence[str], folders: list[Path]) -> Path | None:
    """Returns the first of the folders that has a file of one of these names, None if none has."""
    for folder in folders:
        if any(files.is_there(folder / name) for name in names):
            return folder
    return None


def parse_archive(content: bytes, where: Any) -> list[Split]:
    """Returns the images of each of the files NAMES in a .tar.gz. InputError if one is wrong.

    Nothing is written. No more than MAX_BYTES are unpacked.
    """
    raw = files.unpacked(content, where, MAX_BYTES)
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:
            members = {Path(member.name).name: member for member in archive}
            parts = []
            for name in NAMES:
                member = members.get(name)
                expect(member is not None and member.isreg(), where, f"a file {name} in it", "none")
                check_size(member.size, f"{where}, {name}")
                parts.append(parse(archive.extractfile(member).read(), f"{where}, {name}"))
            return parts
    except (InputError, MemoryError):
        raise
    except Exception as error:  # damaged bytes make tarfile raise several kinds
        raise InputError(f"{where}: expected an undamaged .tar.gz, "
                         f"received: {damage(error)}") from None


def check_size(size: int, where: Any):
    """InputError unless that many bytes are RECORDS records."""
    expect(size == RECORDS * LENGTH, where,
           f"{RECORDS:,} records of {LENGTH:,} bytes, {RECORDS * LENGTH:,} in all", f"{size:,}")


def parse(content: bytes, where: Any) -> Split:
    """Returns the images [RECORDS, 32, 32, 3] and labels of one file. InputError if it is damaged.

    A record is a label from 0 to 9, then the red, the green and the blue pixels, row by row.
    """
    check_size(len(content), where)
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, LENGTH)
    labels = records[:, 0]
    expect(labels.max() < len(CLASS_NAMES), where, f"labels from 0 to {len(CLASS_NAMES) - 1}",
           labels.max())
    images = records[:, 1:].reshape(RECORDS, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return Split(np.ascontiguousarray(images), labels[:, None].astype(np.int32))


def prepare(picture: np.ndarray, side: int) -> np.ndarray:
    """Returns the central crop [side, side, 3] of a picture [H, W, 3] that is fitted to 32 x 32."""
    return crops.central(image_file.fitted(Image.fromarray(picture), SIDE), side)
