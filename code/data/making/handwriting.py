"""Gives a picture of one character the form that MNIST's digits have.

MNIST's digits are bright on black. Each was scaled, with its proportions, until its longer side
had 20 of 28 pixels, and placed by its centre of mass (LeCun, Cortes, Burges). That centre lies in
pixel 14 of 0 to 27: in the test images it is at 14.49 and 14.51 pixels from the upper left corner.
"""
import numpy as np
from PIL import Image

from settings import InputError

INK_SHARE = 20 / 28  # of an image's side that the longer side of the ink takes
LEAST_CONTRAST = 24  # of 255, between background and ink: less is noise
LEAST_INK = 0.25     # of the brightest ink: what counts when its box is measured
FAINTEST = 0.1       # of the brightest ink: what is fainter becomes black


def as_mnist(picture: np.ndarray, side: int, ink_side: int | None = None) -> np.ndarray:
    """Returns a grey picture of any size, dark on light or light on dark, as MNIST would have it.

    picture uint8 [H, W] -> uint8 [side, side, 1]; ink_side: pixels of the longer side of the ink,
    None for MNIST's share of `side`. InputError, the reason alone, if the picture is empty.
    """
    ink = ink_of(picture)                                            # [H, W] in [0, 1]

    # Cut out what is written.
    rows = np.flatnonzero((ink > LEAST_INK).any(axis=1))
    columns = np.flatnonzero((ink > LEAST_INK).any(axis=0))
    ink = ink[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]

    # Scale it.
    scale = (ink_side or side * INK_SHARE) / max(ink.shape)
    height, width = (max(1, round(length * scale)) for length in ink.shape)
    pixels = Image.fromarray((255 * ink).round().astype(np.uint8))
    pixels = np.asarray(pixels.resize((width, height), Image.Resampling.BILINEAR))
    if not pixels.any():  # only specks, far from one another
        raise InputError("nothing to see on it")

    # Place it by its centre of mass, as far as the image reaches.
    canvas = np.zeros((side, side, 1), np.uint8)
    top = corner(pixels.sum(axis=1, dtype=float), side)
    left = corner(pixels.sum(axis=0, dtype=float), side)
    canvas[top:top + height, left:left + width, 0] = pixels
    return canvas


def ink_of(picture: np.ndarray) -> np.ndarray:
    """Returns how much ink is where in uint8 [H, W]: [H, W] from 0, the background, to 1.

    The border shows the background. InputError if nothing differs from it.
    """
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    difference = picture - float(np.median(border))
    lighter, darker = difference.max(), -difference.min()
    if max(lighter, darker) < LEAST_CONTRAST:
        raise InputError("nothing to see on it")
    ink = difference / lighter if lighter > darker else -difference / darker
    return np.where(ink < FAINTEST, 0, ink)


def corner(mass: np.ndarray, side: int) -> int:
    """Returns where `mass` [n] begins among `side`, its centre as near to MNIST's as can be.

    The centre is in the middle of the pixel after the middle of the image.
    """
    centre = (np.arange(len(mass)) + 0.5) @ mass / mass.sum()
    return int(np.clip(round(side / 2 + 0.5 - centre), 0, side - len(mass)))
