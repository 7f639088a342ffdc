"""Expanded MNIST to train on, and affNIST, whose transforms training never sees (paper, sec. 5.2).

Each image is a digit of MNIST on a black canvas of 40 x 40 pixels. Training places it anywhere: the
28 x 28 pixels, in the middle, are shifted by at most SHIFT = 6 in each direction, anew in each
step. Each validation and test image has one random place, the same for every seed.

affNIST has 32 random affine transforms of each test digit. Its own test.mat or test.mat.zip is read
if it lies in --data_dir or in the folder affnist there. Otherwise the same number of images is made
from the same ranges of transforms, and called synthetic affNIST.
"""
import hashlib
from functools import partial
from pathlib import Path

import numpy as np

from data.augment import random_shift
from data.dataset import Dataset, Split, stream
from data.datasets import mnist
from data.making import affine, handwriting
from data.making.overlay import with_border
from data.readers import files, mat, numpy_file
from settings import ROOT, SWITCH, Setting

SETTINGS = {
    "AFFNIST_DOWNLOAD": Setting(
        False, "affnist: download affNIST's own test images if they are missing, not make "
        "synthetic ones", "ours", SWITCH, may_change=True),
}
DEFAULTS = {"SHIFT": 6, "CNN_LAYERS": "pooled"}

SIDE, COPIES = 40, 32
REAL, SYNTHETIC, CENTRED = "affNIST", "synthetic affNIST", "centred MNIST"
FILES = ("test.mat", "test.mat.zip")
URL = "https://www.cs.toronto.edu/~tijmen/affNIST/32x/transformed/test.mat.zip"
MAX_BYTES = 2 ** 30   # of the download

prepare = partial(handwriting.as_mnist, ink_side=20)  # makes a user's picture look like a digit


def load(cfg) -> Dataset:
    """Returns expanded MNIST. `further` has the test digits centred, and (synthetic) affNIST.

    The four files of MNIST are read or downloaded as for --dataset mnist. InputError if a file is
    missing or is not what it should be.
    """
    digits = mnist.load(cfg.changed(SHIFT=0))  # they are shifted later, on the canvas
    data_dir = Path(cfg.DATA_DIR)
    paths = [folder / file for folder in (data_dir / "affnist", data_dir) for file in FILES]
    path = next(filter(files.is_there, paths), None)
    if path or cfg.AFFNIST_DOWNLOAD:
        name, make = REAL, partial(read_or_download, path, data_dir)
    else:
        name, make = SYNTHETIC, partial(synthetic, digits.test)
    return Dataset(
        name="affnist",
        train=centred(digits.train),
        val=placed(digits.val, "val"),
        test=placed(digits.test, "test"),
        class_names=digits.class_names,
        augment=random_shift(cfg.SHIFT, (SIDE, SIDE, 1)),
        further={CENTRED: partial(centred, digits.test), name: make},
    )


# ---- expanded MNIST ----

def centred(split: Split) -> Split:
    """Returns digits [N, 28, 28, 1] in the middle of the canvas [N, 40, 40, 1]."""
    return with_border(split, (SIDE - split.images.shape[1]) // 2)


def placed(split: Split, part: str) -> Split:
    """Returns each digit [N, 28, 28, 1] somewhere on the canvas [N, 40, 40, 1], always there."""
    most = (SIDE - split.images.shape[1]) // 2
    place = random_shift(most, (SIDE, SIDE, 1))
    return place(centred(split), np.arange(len(split.labels)), stream(0, f"place {part}"))


# ---- affNIST ----

def read_or_download(path: Path | None, data_dir: Path) -> Split:
    """Returns affNIST's own test images. InputError if they cannot be loaded."""
    if path:
        return mat.parse(files.content_of(path), path)
    way_out = (f"Ways out: place {' or '.join(FILES)} of affNIST in {data_dir / 'affnist'}, or "
               "leave --affnist_download out for synthetic affNIST")
    return files.download([URL], data_dir / "affnist" / FILES[1], mat.parse, MAX_BYTES, way_out)


def synthetic(digits: Split) -> Split:
    """Returns COPIES transformed images of each test digit [N, 28, 28, 1], one after the other.

    Made once for each version of affine.py and of the digits, then read from ROOT/data/affnist.
    """
    # The cache's name changes with the code that transforms, and with the digits.
    version = hashlib.sha256(Path(affine.__file__).read_bytes())
    version.update(np.ascontiguousarray(digits.images))
    cache = ROOT / "data" / "affnist" / f"synthetic-{version.hexdigest()[:16]}.npz"

    def make() -> dict[str, np.ndarray]:
        repeated = np.repeat(digits.images, COPIES, axis=0)
        return {"images": affine.apply(repeated, transforms_of(digits), SIDE, SYNTHETIC)}

    images = numpy_file.cached(cache, ["images"], make)["images"]
    return Split(images, np.repeat(digits.labels, COPIES, axis=0))


def transforms_of(digits: Split) -> affine.Transforms:
    """Returns the transforms of the synthetic images of the digits, as `synthetic` has them."""
    return affine.draw(digits.images, SIDE, COPIES, seed=0)
