"""A picture of one character -> the form that MNIST's digits have.

MNIST's digits are bright on black. Each was scaled, with its proportions, until its longer side
had 20 of 28 pixels, and placed by its centre of mass (LeCun, Cortes, Burges). That centre lies in
pixel 14 of 0 to 27: in the test images it is at 14.49 and 14.51 pixels from the upper left corner.
"""
import math

import numpy as np
from PIL import Image
from scipy import ndimage

from settings import InputError

INK_SHARE = 20 / 28  # of an image's side that the longer side of the ink takes
LEAST_CONTRAST = 24  # of 255, between background and ink: less is noise
LEAST_INK = 0.25     # of the brightest ink: what counts when its box is measured
FAINTEST = 0.1       # of the brightest ink: what is fainter becomes black
HALFTONE = (0.15, 0.7)  # of the brightest ink: at the border it is a shadow, not a stroke's end
LEAST_PART = 0.15    # of the largest piece of ink: a smaller piece of a photograph is dirt
LEAST_FRAMED = 0.01  # of a frame: a smaller piece in it is dirt
SLOPES = np.tan(np.deg2rad(np.linspace(-12, 12, 49)))  # of lines, in rows for each column
SMALL = 64           # pixels of the longer side of a picture in which the paper is found


def as_mnist(picture: np.ndarray, side: int, ink_side: int | None = None) -> np.ndarray:
    """Returns a grey picture as MNIST would have it: uint8 [side, side, 1].

    picture: uint8 [H, W] of any size, dark on light or light on dark. ink_side: pixels of the
    longer side of the ink, None for MNIST's share of `side`. InputError, the reason alone, if the
    picture is empty.
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
    """Returns how much ink is where [H, W], from 0, the background, to 1, for a uint8 [H, W].

    The border shows the background. Where it shows a shadow or a frame, the background is found
    for each place. Ruled lines are removed. InputError if nothing differs from the background.
    """
    # A clean picture has one background.
    difference = picture - float(np.median(border_of(picture)))
    lighter, darker = difference.max(), -difference.min()
    if max(lighter, darker) < LEAST_CONTRAST:
        raise InputError("nothing to see on it")
    ink = difference / lighter if lighter > darker else -difference / darker

    # Is it one? In a frame, the paper is taken for ink, and covers most of the picture.
    border, is_ink = np.abs(border_of(ink)), ink > LEAST_INK
    quiet, halftone = border < HALFTONE[0], (border > HALFTONE[0]) & (border < HALFTONE[1])
    even = quiet.all()
    shaded = halftone.mean() > 0.4 or quiet.mean() < 0.25
    framed = is_ink.mean() > (0.5 if even else 0.7)
    reaches_across = is_ink.any(axis=0).mean() > 0.9 and is_ink.any(axis=1).mean() > 0.9
    if shaded or framed:
        ink = largest_part(without_lines(ink_on_paper(picture)))
    elif reaches_across or not even:
        cleaned = without_lines(ink)
        if np.sum(cleaned != ink) < max(ink.shape):  # so few are the edge of a stroke
            cleaned = ink
        ink = largest_part(cleaned)
    return np.where(ink < FAINTEST, 0, ink)


def border_of(array: np.ndarray) -> np.ndarray:
    """Returns the outermost values of [H, W], in one row."""
    return np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])


def ink_on_paper(picture: np.ndarray) -> np.ndarray:
    """Returns the ink [H, W] in [0, 1] on paper that a shadow makes darker in places.

    picture: [H, W], 0 to 255. The ink is the share of the paper's light that it takes away.
    """
    # Compare with the median around each pixel: ink is what differs most.
    small = Image.fromarray(picture.astype(np.float32))
    small.thumbnail((SMALL, SMALL), Image.Resampling.BOX)
    shades = np.asarray(small)
    around = max(shades.shape) // 2
    is_light = np.sum((shades - ndimage.median_filter(shades, around)) ** 3) > 0
    if is_light:
        picture, shades = 255.0 - picture, 255 - shades

    # A closing fills strokes with the paper around them. A frame stays, as dark paper.
    paper = Image.fromarray(ndimage.grey_closing(shades, 2 * around // 3, mode="nearest"))
    paper = np.asarray(paper.resize(picture.shape[::-1], Image.Resampling.BILINEAR))
    return np.clip(1 - picture / np.maximum(paper, 1), 0, 1)


def without_lines(ink: np.ndarray) -> np.ndarray:
    """Returns the ink [H, W] without thin straight lines across the picture, as of ruled paper.

    Strokes are closed where a line crossed them.
    """
    thick = max(ink.shape) // 40
    if thick < 2:  # too few pixels to tell a line from a stroke
        return ink
    for _ in range(2):  # lines along the rows, then, turned, along the columns
        margin = math.ceil(SLOPES.max() * ink.shape[1])  # so far a column is moved at most
        ink = np.pad(ink, ((margin, margin), (0, 0)))
        rows = along_lines(ink)
        ink = np.take_along_axis(ink, rows, axis=0)  # with level lines
        wider = ndimage.maximum_filter1d(ink, 3, axis=0)  # lines with their blurred edges
        long = opening(wider, (1, ink.shape[1] * 6 // 10))
        strokes = ndimage.maximum_filter1d(opening(long, (thick + 2, 1)), 4 * thick + 1, axis=0)
        lines = (long > FAINTEST) & (strokes <= FAINTEST)
        gaps = np.where(lines, 0, ink)
        closed = ndimage.grey_closing(gaps, (2 * thick + 1, 1), mode="constant")
        rest = np.empty_like(ink)
        np.put_along_axis(rest, rows, np.where(lines, closed, ink), axis=0)  # where it was
        ink = rest[margin:-margin].T
    return ink


def along_lines(ink: np.ndarray) -> np.ndarray:
    """Returns the rows [H, W] to read the ink [H, W] from, so that its lines lie level.

    Then the sums of the rows differ most from one to the next.
    """
    row, column = np.indices(ink.shape, sparse=True)

    def rows_of(slope, column):
        return (row + np.rint(slope * column).astype(int)) % len(ink)

    def unevenness(slope):  # every eighth column is enough
        level = np.take_along_axis(ink[:, ::8], rows_of(slope, column[:, ::8]), axis=0)
        return np.sum(np.diff(level.sum(axis=1)) ** 2)

    return rows_of(max(SLOPES, key=unevenness), column)


def opening(ink: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the ink that fills a whole box of this size, within the picture."""
    return ndimage.grey_opening(ink, size, mode="constant")


def largest_part(ink: np.ndarray) -> np.ndarray:
    """Returns the largest connected ink [H, W], scaled to 1, with parts that are nearly as large.

    What reaches the border is left out, unless only dirt is left. InputError without ink.
    """
    parts, count = ndimage.label(ink > LEAST_INK * ink.max(), np.ones((3, 3)))
    mass = ndimage.sum_labels(ink, parts, range(count + 1))
    mass[0] = 0  # the background

    # Leave out what reaches the border. A frame, which takes most of it, outweighs any digit.
    border, within = border_of(parts), mass.copy()
    within[np.unique(border)] = 0
    framed = np.bincount(border)[1:].max(initial=0) > len(border) / 2
    if within.max() > (LEAST_FRAMED if framed else LEAST_PART) * mass.max():
        mass = within

    # Keep the largest part, and those that are nearly as large.
    kept = np.isin(parts, np.flatnonzero(mass >= LEAST_PART * mass.max()))
    ink = np.where(ndimage.binary_dilation(kept, iterations=2), ink, 0)  # with its blurred edge
    if 255 * ink.max() < LEAST_CONTRAST:
        raise InputError("nothing to see on it")
    return ink / ink.max()


def corner(mass: np.ndarray, side: int) -> int:
    """Returns the place among `side` where `mass` [n] begins, to be centred as in MNIST or nearly.

    The centre is in the middle of the pixel after the middle of the image.
    """
    centre = (np.arange(len(mass)) + 0.5) @ mass / mass.sum()
    return int(np.clip(round(side / 2 + 0.5 - centre), 0, side - len(mass)))
