"""smallNORB, toys before two cameras: 19,300 / 5,000 / 24,300 pairs of images [32, 32, 2].

LeCun, Huang, Bottou 2004, Learning methods for generic object recognition with invariance to pose
and lighting. The two cameras are two channels. A figure shows the first one; predict.py takes no
pictures then, but an .npy of such images. The toys of the test split are none of those that train;
those of the validation split are, so it looks easier.

The four .mat.gz files, which are not MATLAB's, are known by their published MD5. Every 2 x 2 pixels
of the 96 x 96 are averaged to one of 48 x 48, rounded, half up. See making/crops.py for what the
network sees of these.

The paper (section 7) has 2.7 % errors with the network that it uses for CIFAR-10, random crops, and
random brightness and contrast, whose amounts it does not give: they are CIFAR-10's. We have not
measured it:

    python code/train.py --dataset smallnorb
"""
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data.dataset import Dataset, Split
from data.making import crops
from data.readers import files
from data.readers.files import expect

DEFAULTS = {"PRIMARY_CAPS_CHANNELS": 64, "NONE_OF_THE_ABOVE": True, "CROP": 32, "FLIP": False}

SITE = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/smallnorb-"
TRAINING, TESTING = "5x46789x9x18x6x2x96x96-training", "5x01235x9x18x6x2x96x96-testing"
NORB = partial(files.Published, "smallNORB", "smallnorb")
# images and categories of each split
FILES = {
    "train": (NORB(f"{SITE}{TRAINING}-dat.mat.gz", "66054832f9accfe74a0f4c36a75bc0a2"),
              NORB(f"{SITE}{TRAINING}-cat.mat.gz", "23c8b86101fbf0904a000b43d3ed2fd9")),
    "test": (NORB(f"{SITE}{TESTING}-dat.mat.gz", "e4ad715691ed5a3a5f138751a4ceb071"),
             NORB(f"{SITE}{TESTING}-cat.mat.gz", "5aa791cd7e6016cf957ce9bdb93b8603")),
}
CLASS_NAMES = "animal", "human", "airplane", "truck", "car"
SIDE = 96
BYTES, INTEGERS = 0x1E3D4C55, 0x1E3D4C54  # magic numbers
MAX_BYTES = 2 ** 29   # of one file, packed and unpacked; the largest has 447,897,624


def load(cfg) -> Dataset:
    """Returns smallNORB. InputError if its files are neither there nor can be downloaded."""
    splits = {part: load_split(*both, Path(cfg.DATA_DIR)) for part, both in FILES.items()}
    return crops.as_dataset("smallnorb", **splits, class_names=CLASS_NAMES, cfg=cfg)


def load_split(dat: files.Published, cat: files.Published, data_dir: Path) -> Split:
    """Returns the images [N, 48, 48, 2] and labels of the two files. InputError if they differ."""
    images = files.load_published(dat, data_dir, parse_images, MAX_BYTES)
    labels = files.load_published(cat, data_dir, parse_labels, MAX_BYTES)
    expect(len(images) == len(labels), dat.name, f"as many images as labels in {cat.name}, "
           f"{len(labels):,}", f"{len(images):,}")
    return Split(images, labels)


def parse_images(content: bytes, where: Any) -> np.ndarray:
    """Returns the images of a "dat" file, uint8 [N, 48, 48, 2]. InputError if it is another."""
    array = parse(content, where, BYTES, np.dtype(np.uint8), (2, SIDE, SIDE))  # [N, 2, 96, 96]
    small = np.empty((len(array), SIDE // 2, SIDE // 2, 2), np.uint8)
    for start in range(0, len(array), 1000):  # all would take several times the memory
        part = array[start:start + 1000].astype(np.uint16)
        four = [part[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
        small[start:start + 1000] = ((sum(four) + 2) // 4).transpose(0, 2, 3, 1)
    return small


def parse_labels(content: bytes, where: Any) -> np.ndarray:
    """Returns the labels of a "cat" file, int32 [N, 1]. InputError if it is another."""
    labels = parse(content, where, INTEGERS, np.dtype("<i4"), ())              # [N]
    known = (labels >= 0) & (labels < len(CLASS_NAMES))
    expect(known.all(), where, f"labels from 0 to {len(CLASS_NAMES) - 1}", labels[~known][:1])
    return labels[:, None].astype(np.int32)


def parse(content: bytes, where: Any, magic: int, dtype: np.dtype,
          shape: tuple[int, ...]) -> np.ndarray:
    """Returns the array [N, *shape] of a gzipped matrix file, all of it little-endian.

    It has a magic number, the number of sizes, three sizes or more (what is too much is 1), and the
    data. InputError unless the whole content is exactly what the header says.
    """
    raw = files.unpacked(content, where, MAX_BYTES + 1)
    length = 4 * (2 + max(3, 1 + len(shape)))
    expect(len(raw) >= length, where, f"a header of {length} bytes", f"{len(raw)} bytes")
    found, dimensions, *sizes = (int(number) for number in np.frombuffer(raw[:length], "<u4"))
    expect(found == magic, where, f"the magic number {magic:#010x}", f"{found:#010x}")
    wanted = f"[{', '.join(['N', *map(str, shape)])}]"
    claimed = sizes[:1 + len(shape)]
    expect(dimensions == len(claimed) and claimed[1:] == list(shape), where, f"sizes {wanted}",
           f"{dimensions} sizes, {sizes}")
    return files.after_header(raw, where, length, dtype, claimed, MAX_BYTES)
