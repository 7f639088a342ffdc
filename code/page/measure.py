"""What the page takes from N test images: the range of each of E dimensions, and their frame."""
import numpy as np

from data.dataset import Split

PERCENTILES = [0, 5, 95, 100]  # the ends of a slider, and those of its band


def ranges_of(capsules: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns PERCENTILES of each dimension over the images that show its class, [J, E, 4].

    capsules: [N, J, E]. labels: [N, K]. A class that no image shows is measured on all.
    """
    ranges = []
    for j in range(capsules.shape[1]):
        shown = (labels == j).any(axis=1)
        mine = capsules[shown if shown.any() else slice(None), j]              # [n, E]
        ranges.append(np.percentile(mine, PERCENTILES, axis=0).T)              # [E, 4]
    return np.stack(ranges)


def frame_of(split: Split) -> dict:
    """Returns the longer side of the ink, in pixels, and [x, y] of its centre: see web/strokes.js.

    The side is the median over the images, and ink is what is brighter than half. The centre is the
    mean of their centres of mass. The side is None if each image shows several things.
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
