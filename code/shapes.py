"""What a drawn digit looks like, in numbers: stroke thickness, slant, width, height, position and area of its ink."""
from typing import NamedTuple

import numpy as np
from scipy import ndimage


class Measure(NamedTuple):
    unit: str
    least: float  # differences below are hard to see


MEASURES = {  # the columns of `measure`, in order
    "thickness": Measure("px", 0.5),    # of a stroke much longer than it is thick
    "slant": Measure("°", 5),           # how far the strokes lean to the right
    "width": Measure("px", 1),          # of the ink's bounding box
    "height": Measure("px", 1),
    "shift right": Measure("px", 1),    # position of the ink's centre of mass, to the right of the image's centre
    "shift down": Measure("px", 1),     # and below it
    "area": Measure("px²", 10),         # what all the ink would cover if it were white
}
FAINT = 0.1  # an image without a pixel brighter than that shows nothing: its measures are NaN
FINE = 2     # points on a side of each pixel at which the stroke's outline is found


def measure(images):
    """images [N, H, W] in [0, 1], bright ink on dark ground -> [N, 7] float32, one column for each of MEASURES.

    For sharp, upright shapes all but the thickness are exact. An outline is where the brightness, interpolated
    linearly between pixels, is half of the image's largest. Beyond the border all is dark.
    """
    images = images.astype(np.float32)
    level = images.max(axis=(1, 2)) / 2                                            # [N]
    faint = level < FAINT / 2
    images = np.where(faint[:, None, None], 1, images)  # anything with an outline: it becomes NaN in the end
    level[faint] = 0.5

    area, right, down, slant = moments(images)
    width, height = extent(images.max(axis=1), level), extent(images.max(axis=2), level)
    measured = np.stack([thickness(images, level), slant, width, height, right, down, area], axis=1)
    measured[faint] = np.nan
    return measured


def moments(images):
    """[N, H, W] -> area, x and y of the centre of mass from the image's centre, slant in degrees; each [N]

    The slant is the shear that makes x and y uncorrelated, as in the usual deskewing of MNIST.
    """
    _, H, W = images.shape
    y, x = np.arange(H, dtype=np.float32) - (H - 1) / 2, np.arange(W, dtype=np.float32) - (W - 1) / 2
    columns, rows = images.sum(axis=1), images.sum(axis=2)                         # [N, W], [N, H]
    area = rows.sum(axis=1)
    mean_x, mean_y = columns @ x / area, rows @ y / area
    yy = rows @ y**2 / area - mean_y**2
    xy = (images @ x) @ y / area - mean_x * mean_y
    return area, mean_x, mean_y, np.degrees(np.arctan2(-xy, yy))                   # y points down, hence the minus


def extent(profile, level):
    """The distance between the first and the last crossing of `level` [N] by each row of `profile` [N, K] -> [N]"""
    padded = np.pad(profile, ((0, 0), (1, 1)))
    n, above = np.arange(len(padded)), padded >= level[:, None]

    def crossing(padded, above):
        first = above.argmax(axis=1)
        inside, outside = padded[n, first], padded[n, first - 1]
        return first - (inside - level) / (inside - outside)

    return padded.shape[1] - 1 - crossing(padded, above) - crossing(padded[:, ::-1], above[:, ::-1])


def thickness(images, level):
    """Mean stroke thickness in pixels -> [N]

    In a long bar of thickness t the ink is on average t / 4 away from the ground; so four times that average, by the
    distance transform, needs neither a skeleton nor a choice of where to measure. A disc of radius r has 4/3 r.
    Distances go from point to point, which makes oblique strokes up to 7 % and small discs up to 9 % thinner.
    """
    _, H, W = images.shape
    fine = _finer(H) @ images @ _finer(W).T                                        # [N, FINE * (H + 2), ...]
    ink = fine >= level[:, None, None]
    depth = [ndimage.distance_transform_edt(one)[one].mean() for one in ink]       # to the nearest ground point
    return 4 * (np.array(depth, np.float32) - 0.5) / FINE                          # half a point nearer is the outline


def _finer(size):
    """The matrix [FINE * (size + 2), size] that interpolates linearly between pixels, one dark pixel past the border"""
    at = (np.arange(FINE * (size + 2)) + 0.5) / FINE - 1.5
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(size))).astype(np.float32)
