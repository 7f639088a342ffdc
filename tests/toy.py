"""A network, images and settings small enough to train in a test."""
import numpy as np
import tensorflow as tf

import model
import registry
from config import TRAIN, Config
from data.dataset import Dataset, Split

SETTINGS = {"CONV1_CHANNELS": 4, "PRIMARY_CAPS_CHANNELS": 2, "PRIMARY_DIM": 4, "DIGIT_DIM": 4, "DECODER_UNITS": 8,
            "BATCH_SIZE": 10, "SHIFT": 1, "JIT": "off", "MAX_ITERS": 6, "VAL_EVERY": 2, "SAVE_EVERY": 2,
            "PRINT_EVERY": 1}
FLAGS = [word for name, value in SETTINGS.items() for word in (f"--{name.lower()}", str(value))]
IMAGE_SHAPE, CLASSES = (18, 17, 1), 3


def settings(**changes):
    return Config(TRAIN, {**SETTINGS, **changes})


def network(image_shape=IMAGE_SHAPE, classes=CLASSES, **changes):
    tf.keras.utils.set_random_seed(0)
    return model.build(settings(**changes), image_shape, classes)


def images(count=64, seed=0, image_shape=IMAGE_SHAPE, classes=CLASSES):
    """Bright bars on noise, one place per class: uint8 [N, H, W, C], int64 [N]. Learnt in a few steps."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % classes)
    pixels = random.integers(0, 60, (count, *image_shape), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[4 * label + 3 : 4 * label + 5] = 230
    return pixels, labels


def npz(path, count=64):
    """Writes the images as the user's own dataset."""
    arrays = {f"{kind}_{part}": array for seed, part in enumerate(("train", "val", "test"))
              for kind, array in zip("xy", images(count - 7 * seed, seed), strict=True)}
    np.savez(path, **arrays)
    return path


def pairs_of_glyphs(monkeypatch, train=100, val=10, test=20, **changes):
    """-> settings of toy size for multimnist of so many glyphs, until the monkeypatch is undone"""
    dataset = registry.module("data.datasets", "glyphs").load(settings())
    sizes = {"train": train, "val": val, "test": test}
    splits = {part: getattr(dataset, part).take(slice(0, size)) for part, size in sizes.items()}
    few = Dataset("glyphs", **splits, class_names=dataset.class_names)
    monkeypatch.setattr("data.datasets.glyphs.load", lambda cfg: few)
    return settings(DATASET="multimnist", OVERLAY_OF="glyphs", **changes)


def pairs_of_bars(monkeypatch, **changes):
    """-> the same of bars of 5 classes, which are learnt in a few steps"""
    def split(count, seed):
        pixels, labels = images(count, seed, (28, 28, 1), classes=5)
        return Split(pixels, labels[:, None].astype(np.int32))

    bars = Dataset("bars", split(100, 0), split(10, 1), split(30, 2), tuple("01234"))
    monkeypatch.setattr("data.datasets.glyphs.load", lambda cfg: bars)
    return settings(DATASET="multimnist", OVERLAY_OF="glyphs", **{"OVERLAY_SHIFT": 2, "PAIRS_PER_DIGIT": 2, **changes})
