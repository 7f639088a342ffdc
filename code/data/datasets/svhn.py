"""SVHN, digits of house numbers in photographs: 68,257 / 5,000 / 26,032 images [32, 32, 3].

Netzer, Wang, Coates, Bissacco, Wu, Ng 2011, Reading digits in natural images with unsupervised
feature learning. Only the small training set of 73,257 images is used, as in the paper, not the
531,131 extra ones. Both files are known by their published MD5. Their label 10 is the digit 0.

The paper (section 7) has 4.3 % errors, with 64 channels of the first convolution, 16 types of
primary capsules of 6 dimensions, and class capsules of 8. It names no random changes of the images,
and no none-of-the-above class: --shift and --none_of_the_above add them. We have not measured it:

    python code/train.py --dataset svhn
"""
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data.augment import random_shift
from data.dataset import Dataset, Split
from data.readers import files, mat
from data.readers.files import expect
from data.splits import hold_out

DEFAULTS = {"CONV1_CHANNELS": 64, "PRIMARY_CAPS_CHANNELS": 16, "PRIMARY_DIM": 6, "DIGIT_DIM": 8,
            "SHIFT": 0}

SITE = "http://ufldl.stanford.edu/housenumbers/"
SVHN = partial(files.Published, "SVHN", "svhn")
TRAIN = SVHN(f"{SITE}train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373")
TEST = SVHN(f"{SITE}test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3")
SIDE = 32
MAX_BYTES = 2 ** 28   # of one file; the larger one has 182,040,794


def load(cfg) -> Dataset:
    """Returns SVHN. InputError if its files are neither there nor can be downloaded."""
    train, test = (files.load_published(file, Path(cfg.DATA_DIR), parse, MAX_BYTES)
                   for file in (TRAIN, TEST))
    return Dataset(
        name="svhn",
        **hold_out(train, cfg.VALIDATION),
        test=test,
        class_names=tuple("0123456789"),
        augment=random_shift(cfg.SHIFT, (SIDE, SIDE, 3)),
    )


def parse(content: bytes, where: Any) -> Split:
    """Returns the images [N, 32, 32, 3] and the digits in a .mat. InputError if it is another.

    X uint8 [32, 32, 3, N] has the images, y [N, 1] the labels 1 to 10.
    """
    images, labels = mat.arrays(content, where, ["X", "y"]).values()
    expect(images.dtype == np.uint8 and images.ndim == 4 and images.shape[:3] == (SIDE, SIDE, 3)
           and images.size > 0, where, f"X uint8 [{SIDE}, {SIDE}, 3, N]",
           f"{images.dtype} {list(images.shape)}")
    count = images.shape[-1]
    expect(labels.shape == (count, 1) and labels.dtype.kind in "uif", where,
           f"y of numbers [N, 1], N = {count:,} as of the images",
           f"{labels.dtype} {list(labels.shape)}")
    whole = np.isin(labels, np.arange(1, 11))
    expect(whole.all(), where, "labels from 1 to 10", f"the label {labels[~whole][:1]}")
    images = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
    return Split(images, labels.astype(np.int32) % 10)
