"""Affine transforms of images: turned, sheared, scaled and moved, with a single interpolation.

The transforms are those of affNIST (https://www.cs.toronto.edu/~tijmen/affNIST). Its own files are
made from MNIST with the ranges below. Images made here by `draw` and `apply` are synthetic affNIST:
from the same ranges, and not the same images.
"""
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from data.dataset import stream
from output import progress

ROTATION = 20         # degrees, either way
SHEAR = 0.2           # pixels for each pixel, either way
SCALES = (0.8, 1.2)   # the smallest, the largest


class Transforms(NamedTuple):
    """N transforms. The shear comes first, then the scales, the rotation and the displacement."""
    rotation: np.ndarray    # degrees, anticlockwise [N]
    shear: np.ndarray       # pixels to the right for each pixel upwards [N]
    horizontal: np.ndarray  # scale [N]
    vertical: np.ndarray    # scale [N]
    right: np.ndarray       # pixels from the middle of the canvas [N]
    down: np.ndarray        # pixels from the middle of the canvas [N]

    def matrices(self) -> np.ndarray:
        """Returns what the transforms without displacement do to (down, right) [N, 2, 2].

        Rows go down. So the usual matrix of a rotation turns anticlockwise here, and a shear of
        what is above is negative.
        """
        turn, one, zero = np.deg2rad(self.rotation), np.ones(len(self.shear)), np.zeros(1)
        shear = _matrices(one, zero, -self.shear, one)
        scale = _matrices(self.vertical, zero, zero, self.horizontal)
        rotate = _matrices(np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn))
        return rotate @ scale @ shear


def _matrices(*entries: np.ndarray) -> np.ndarray:
    """Returns matrices [N, 2, 2] of four entries [N] or [1], row by row."""
    return np.stack(np.broadcast_arrays(*entries), axis=-1).reshape(-1, 2, 2)


def identity(count: int, **changes: float) -> Transforms:
    """Returns that many transforms that change nothing except what is given, alike for all."""
    values = Transforms(rotation=0, shear=0, horizontal=1, vertical=1, right=0, down=0)
    return Transforms(*(np.full(count, float(value)) for value in values._replace(**changes)))


def apply(images: np.ndarray, transforms: Transforms, side: int,
          title: str | None = None) -> np.ndarray:
    """Transforms each image about its middle, and puts it in the middle of a black canvas.

    images uint8 [N, H, W, 1] -> uint8 [N, side, side, 1], interpolated linearly. title: of a
    progress bar; None shows no bar.
    """
    # Where each pixel of the canvas comes from:
    # source = M^-1 (pixel - middle of the canvas - moved) + middle of the image
    inverse = np.linalg.inv(transforms.matrices())                             # [N, 2, 2]
    moved = np.stack([transforms.down, transforms.right], axis=-1)             # [N, 2]
    middle = (np.array(images.shape[1:3]) - 1) / 2
    start = middle - (inverse @ ((side - 1) / 2 + moved)[..., None])[..., 0]   # [N, 2]
    canvas = np.empty((len(images), side, side, 1), np.uint8)
    for n in progress(range(len(images)), title, unit=" images"):
        ndimage.affine_transform(images[n, ..., 0], inverse[n], start[n], (side, side),
                                 canvas[n, ..., 0], order=1,
                                 mode="grid-constant")  # also between the border and black
    return canvas


def draw(images: np.ndarray, side: int, copies: int, seed: int) -> Transforms:
    """Returns random transforms in the ranges of affNIST, `copies` for each image. They follow from
    the images, the sizes and the seed alone.

    images uint8 [N, H, W, 1] -> N * copies transforms, those of an image one after the other. The
    displacement is uniform among those that keep all ink on the canvas of side x side pixels.
    """
    random = stream(seed, "affine")
    count = len(images) * copies
    rotation = random.uniform(-ROTATION, ROTATION, count)
    shear = random.uniform(-SHEAR, SHEAR, count)
    horizontal, vertical = random.uniform(*SCALES, (2, count))
    still = np.zeros(count)
    transforms = Transforms(rotation, shear, horizontal, vertical, still, still)

    low, high = ink_extents(images, transforms.matrices(), copies)             # [count, 2]
    # The outermost pixels of the canvas are (side - 1) / 2 from its middle. The extents include the
    # pixel over which interpolation spreads the ink, at whose end nothing is left of it. So they
    # may go a pixel farther. What is larger than the canvas is not moved.
    edge = (side + 1) / 2
    fits = high - low <= 2 * edge
    least, most = np.where(fits, -edge - low, 0), np.where(fits, edge - high, 0)
    down, right = (least + random.uniform(size=(count, 2)) * (most - least)).T
    return transforms._replace(right=right, down=down)


def ink_extents(images: np.ndarray, matrices: np.ndarray,
                copies: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the least and the largest (down, right) of each image's ink from the middle [M, 2].

    images [N, H, W, 1], matrices [M, 2, 2] with M = N * copies. Interpolation spreads the ink of a
    pixel over one pixel to each side. So each pixel counts as a square of 2 x 2 pixels around its
    centre, which the transform turns and scales, too. An image without ink has a point in the
    middle.
    """
    middle = (np.array(images.shape[1:3]) - 1) / 2
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    low, high = np.zeros((2, len(matrices), 2))
    for n, image in enumerate(images):
        ink = np.argwhere(image[..., 0]) - middle                              # [pixels, 2]
        if not len(ink):
            continue
        of_image = slice(n * copies, (n + 1) * copies)
        reach = np.abs(matrices[of_image] @ corners.T).max(axis=2)             # [copies, 2]
        places = matrices[of_image] @ ink.T                                    # [copies, 2, pixels]
        low[of_image] = places.min(axis=2) - reach
        high[of_image] = places.max(axis=2) + reach
    return low, high
