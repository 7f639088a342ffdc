"""What the page takes from the test images: the range of each dimension and their frame.

N images, J classes, E dimensions of a class capsule.
"""
import math
from typing import NamedTuple

import numpy as np

from data.dataset import Dataset, Split, batches
from evaluation.network.predictor import Predictor
from evaluation.sampling import spread_evenly
from output import progress

MOST_IMAGES = 10_000  # test images measured, spread evenly over the classes
PIECE = 1_000         # images measured at a time
BAND = (5, 95)        # percentiles that are marked


class Measured(NamedTuple):
    """images: how many were measured. frame: side, centre, see web/strokes.js."""
    frame: dict
    images: int
    ranges: np.ndarray | None  # [J, E, 4]: least, 5th percentile, 95th percentile, largest


def measure(predictor: Predictor, dataset: Dataset) -> Measured:
    """Measures test images of the dataset, and the network's capsules on them if it has any."""
    labels = dataset.test.labels
    chosen = np.sort(spread_evenly(labels[:, 0], MOST_IMAGES, 0))
    split = dataset.test.take(chosen)
    ranges = None
    if "capsules" in predictor.network.capabilities:
        parts = progress(batches(split, PIECE), "test images", math.ceil(len(chosen) / PIECE))
        capsules = [predictor.predict(part.images).capsules for part in parts]
        ranges = ranges_of(np.concatenate(capsules), split.labels)
    return Measured(frame_of(split), len(chosen), ranges)


def ranges_of(capsules: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the range of each dimension over the images that show its class, [J, E, 4].

    capsules: [N, J, E]. labels: [N, K]. A class that no image shows is measured on all.
    """
    ranges = []
    for j in range(capsules.shape[1]):
        shown = (labels == j).any(axis=1)
        mine = capsules[shown if shown.any() else slice(None), j]              # [n, E]
        ranges.append(np.percentile(mine, [0, *BAND, 100], axis=0).T)          # [E, 4]
    return np.stack(ranges)


def frame_of(split: Split) -> dict:
    """Returns how the images are framed: the longer side of the ink and [x, y] of its centre, in
    pixels.

    The side is the median over the images, and ink is what is brighter than half. The centre is the
    mean of their centres of mass. A side is None where an image shows several things, which lie
    anywhere.
    """
    ink = split.images.mean(axis=3)                                            # [N, H, W]
    ink = ink[(ink > 127).any(axis=(1, 2))]
    if not len(ink):
        _, H, W = split.images.shape[:3]
        return {"side": None, "centre": [W / 2, H / 2]}
    centre, sides = [], []
    for across in (1, 2):  # along the columns, then along the rows
        mass = ink.sum(axis=across)                                            # [N, W or H]
        centres = mass @ (np.arange(mass.shape[1]) + 0.5) / mass.sum(axis=1)   # [N]
        centre.append(float(centres.mean()))
        is_ink = (ink > 127).any(axis=across)                                  # [N, W or H]
        before, behind = is_ink.argmax(axis=1), is_ink[:, ::-1].argmax(axis=1)
        sides.append(is_ink.shape[1] - before - behind)                        # [N]
    side = float(np.median(np.maximum(*sides))) if split.labels.shape[1] == 1 else None
    return {"side": side, "centre": centre}
