"""The looks of a drawn digit in numbers: stroke thickness, slant, size, position and area."""
from typing import NamedTuple

import numpy as np
from scipy import ndimage


class Measure(NamedTuple):
    """One kind of measure."""
    unit: str
    least: float  # differences below are hard to see


MEASURES = {  # the columns of `measure`, in order
    "thickness": Measure("px", 0.5),    # of a stroke much longer than it is thick
    "slant": Measure("°", 5),           # how far the strokes lean to the right
    "width": Measure("px", 1),          # of the ink's bounding box
    "height": Measure("px", 1),
    "shift right": Measure("px", 1),    # of the ink's centre of mass from the image's centre
    "shift down": Measure("px", 1),
    "area": Measure("px²", 10),         # what all the ink would cover if it were white
}
FAINT = 0.1  # an image without a pixel brighter than that shows nothing: its measures are NaN
FINE = 2     # points on a side of each pixel at which the stroke's outline is found


def measure(images: np.ndarray) -> np.ndarray:
    """Measures images [N, H, W] in [0, 1], bright ink on dark ground: [N, 7], as in MEASURES.

    For sharp, upright shapes all except the thickness are exact. An outline is where the
    brightness, interpolated linearly between pixels, is half of the image's largest. Beyond the
    border all is dark.
    """
    # the level of the outline; faint images get any, and become NaN in the end
    images = images.astype(np.float32)
    level = images.max(axis=(1, 2)) / 2                                        # [N]
    faint = level < FAINT / 2
    images = np.where(faint[:, None, None], 1, images)
    level[faint] = 0.5

    # moments of the ink; the slant is the shear that decorrelates x and y, as deskewing undoes it
    _, H, W = images.shape
    y = np.arange(H, dtype=np.float32) - (H - 1) / 2                           # [H]
    x = np.arange(W, dtype=np.float32) - (W - 1) / 2                           # [W]
    columns, rows = images.sum(axis=1), images.sum(axis=2)                     # [N, W], [N, H]
    area = rows.sum(axis=1)
    right, down = columns @ x / area, rows @ y / area
    yy = rows @ y**2 / area - down**2
    xy = (images @ x) @ y / area - right * down
    slant = np.degrees(np.arctan2(-xy, yy))                    # y points down, hence the minus

    width, height = extent(images.max(axis=1), level), extent(images.max(axis=2), level)
    columns = [thickness(images, level), slant, width, height, right, down, area]
    measured = np.stack(columns, axis=1)                                       # [N, 7]
    measured[faint] = np.nan
    return measured


def extent(profile: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Returns the distance [N] between the first and the last crossing of a level [N].

    profile [N, K]: interpolated linearly between two pixels, and 0 beyond them
    """
    n, between = np.arange(len(profile)), profile.shape[1] + 1
    padded = np.pad(profile, ((0, 0), (1, 1)))
    for row in (padded, padded[:, ::-1]):
        first = (row >= level[:, None]).argmax(axis=1)                         # [N]
        inside, outside = row[n, first], row[n, first - 1]
        between = between - (first - (inside - level) / (inside - outside))
    return between


def thickness(images: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Returns the mean stroke thickness in pixels [N]. images [N, H, W]; level [N]: of the outline

    In a long bar of thickness t the ink is on average t / 4 away from the ground. So four times
    that average, by the distance transform, needs neither a skeleton nor a choice of where to
    measure. A disc of radius r has 4/3 r. Distances go from point to point, which makes oblique
    strokes up to 7 % and small discs up to 9 % thinner.
    """
    _, H, W = images.shape
    fine = _finer(H) @ images @ _finer(W).T                    # [N, FINE (H + 2), FINE (W + 2)]
    ink = fine >= level[:, None, None]
    # to the nearest point of the ground; the outline is half a point nearer
    depth = [ndimage.distance_transform_edt(one)[one].mean() for one in ink]
    return 4 * (np.array(depth, np.float32) - 0.5) / FINE


def _finer(size: int) -> np.ndarray:
    """Returns the matrix [FINE (size + 2), size] that interpolates linearly between pixels.

    The finer grid goes one dark pixel past the border.
    """
    at = (np.arange(FINE * (size + 2)) + 0.5) / FINE - 1.5     # in pixels
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(size))).astype(np.float32)
