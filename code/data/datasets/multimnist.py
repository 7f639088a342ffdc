"""MultiMNIST: two overlapping digits of different classes, 36 x 36 pixels (paper, section 6).

The splits are those of the digits, so no digit that is trained on is ever tested. Training makes
its pairs anew in every step. Validation and test are fixed lists of pairs, which do not depend on
the seed. (Glyphs do: they are drawn from it.)
"""
import dataclasses

import numpy as np

import registry
from data.dataset import Dataset
from data.making.overlay import Pairs, random_pairs, with_border
from data.readers.files import expect
from settings import Setting, at_least, between, one_of

BORDER = 4        # pixels by which a digit is padded on every side

SETTINGS = {
    "OVERLAY_OF": Setting(
        "mnist", "multimnist: the dataset whose digits are overlaid; mnist, fashion_mnist, or "
        "glyphs, which needs no download", "ours",
        one_of(("mnist", "fashion_mnist", "glyphs"))),
    "OVERLAY_SHIFT": Setting(
        4, "multimnist: largest shift of each digit, in pixels, in place of --shift",
        "paper, sec. 6; the authors' README says 6",
        between(0, 17)),  # 18 could move a centred digit almost out of the image
    "PAIRS_PER_DIGIT": Setting(
        10, "multimnist: partners of each validation and test digit", "ours; the paper has 1,000",
        at_least(1)),
}
# STEP_SIZE: the learning rate falls ten times slower, as in the paper. VAL_EVERY: a validation of
# 50,000 pairs takes as long as 200 steps.
DEFAULTS = {"STEP_SIZE": 10_000, "VAL_EVERY": 2_000, "CNN_LAYERS": "multimnist"}


def load(cfg) -> Dataset:
    """Returns the digits of cfg.OVERLAY_OF, in pairs. InputError if they cannot be loaded."""
    alone = registry.module("data.datasets", cfg.OVERLAY_OF).load(cfg.changed(SHIFT=0))  # later
    digits = {part: with_border(getattr(alone, part), BORDER) for part in ("train", "val", "test")}
    for part, split in digits.items():
        expect(len(np.unique(split.labels)) != 1, f"multimnist, {part}",
               "images of two classes or more, or none",
               f"{len(split.labels)} of one class, which have no partner; see --validation")
    name = "multimnist" if cfg.OVERLAY_OF == "mnist" else f"multimnist of {cfg.OVERLAY_OF}"
    pairs = {part: Pairs(digits[part], cfg.PAIRS_PER_DIGIT, cfg.OVERLAY_SHIFT, f"pairs of {stream}")
             for part, stream in (("val", "validation"), ("test", "test"))}
    return dataclasses.replace(alone, name=name, train=digits["train"], **pairs,
                               augment=random_pairs(digits["train"], cfg.OVERLAY_SHIFT))
