"""The embedded glyphs: digits drawn from the fonts that come with matplotlib, each one varied.

They exist so that everything here runs offline and in seconds: a first try, the tests, a machine
without a network. They are not handwriting and not a benchmark: accuracy on them says nothing
about accuracy on MNIST.

Format and framing are MNIST's: 28 x 28 pixels, white on black, the digit fitted into 20 x 20
pixels with its centre of mass at pixel (14, 14). Then come a small shift and an elastic bend.

Training and validation digits come from `TRAIN_FONTS`, DejaVu. Test digits come from `TEST_FONTS`,
unrelated designs that are never trained on: STIX General (a Times) and Computer Modern. Both sides
have sans and serif, fixed and proportional, upright and slanted, regular and bold. So the test is
about new shapes, not about known shapes in new positions.
"""
import functools
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D, IdentityTransform
from scipy import ndimage

TRAIN_FONTS = (
    "DejaVuSans", "DejaVuSans-Oblique", "DejaVuSans-Bold", "DejaVuSans-BoldOblique",
    "DejaVuSansMono", "DejaVuSansMono-Oblique",
    "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique",
    "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic",
)
TEST_FONTS = (
    "STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol", "STIXGeneralBolIta",
    "cmr10", "cmb10", "cmss10", "cmtt10",
)

SIDE = 28       # pixels, height and width of an image
BOX = 20        # pixels, the most that a digit is high or wide before the bend
CENTRE = 14     # row and column of the centre of mass, as in MNIST
FINE = 4        # pixels of a master to one pixel of an image
KNOTS = 4       # the bend displaces KNOTS x KNOTS points at random, smoothly in between

# How much the digits vary: each value is drawn evenly between its two ends, for every image anew.
SIZE = (17, BOX)          # pixels, the longer side of the digit before the bend
STRETCH = (0.9, 1.5)      # factor of the width alone
SHEAR = (-15, 15)         # degrees; above 0 leans to the right
ROTATION = (-12, 12)      # degrees; above 0 is counter-clockwise
GROWTH = (-0.2, 0.6)      # pixels by which the outline moves outwards; above 0 thickens the strokes
SHIFT = (-1, 1)           # pixels, down and right
BEND = 0.6                # pixels, standard deviation of the elastic displacement at a knot
EDGE = 1.2                # pixels, how wide the grey border between ink and background is


class Masters(NamedTuple):
    """What is drawn once for each of F fonts and 10 digits. Points are (row, column)."""
    distance: np.ndarray  # [F, 10, H, W] image pixels to the outline, above 0 inside the strokes
    centre: np.ndarray    # [F, 10, 2] centre of mass, in master pixels
    outline: np.ndarray   # [F, 10, K, 2] points of the outline about some origin, in image pixels


def make(seed: int = 0, train: int = 10_000, val: int = 1_000,
         test: int = 2_000) -> dict[str, np.ndarray]:
    """Draws that many images of each split: x_train, y_train, x_val, y_val, x_test and y_test.

    x_*: uint8 [N, 28, 28], 0 (background) to 255 (ink). y_*: int32 [N], 0 to 9, equally frequent,
    in random order. Each split has a random stream of its own: its images depend on the seed and
    its own size. The same versions of libraries give the same bytes.
    """
    splits = {"train": (TRAIN_FONTS, train), "val": (TRAIN_FONTS, val), "test": (TEST_FONTS, test)}
    streams = np.random.SeedSequence(seed).spawn(len(splits))
    arrays = {}
    for (name, (fonts, count)), stream in zip(splits.items(), streams, strict=True):
        images, labels = _draw(fonts, count, np.random.default_rng(stream))
        arrays[f"x_{name}"] = images
        arrays[f"y_{name}"] = labels
    return arrays


# ---- varying the masters ----

def _draw(fonts: tuple[str, ...], count: int,
          rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns images uint8 [N, 28, 28] and labels int32 [N] of random fonts, each varied anew."""
    def vary(ends, *shape):
        return rng.uniform(*ends, size=(count, *shape))

    # Choose what to draw.
    labels = rng.permutation(np.arange(count, dtype=np.int32) % 10)
    which = rng.integers(len(fonts), size=count), labels
    masters = _masters(fonts)

    # Turn, lean and stretch: row, column of a master's point -> row, column in the image.
    turn = np.radians(vary(ROTATION))
    lean = np.tan(np.radians(vary(SHEAR)))
    stretch = vary(STRETCH)
    none, one = np.zeros(count), np.ones(count)
    rotation = np.array([[np.cos(turn), -np.sin(turn)],
                         [np.sin(turn), np.cos(turn)]])                  # [2, 2, N]
    slant = np.array([[one, none],
                      [-lean, stretch]])                                 # [2, 2, N]
    linear = np.einsum("ijn,jkn->nik", rotation, slant)                  # [N, 2, 2]

    # Scale: the digit, its growth and half of its grey border fill the size that was drawn.
    growth = vary(GROWTH)
    outline = masters.outline[which] @ linear.transpose(0, 2, 1)         # [N, K, 2]
    extent = np.ptp(outline, axis=1).max(1)                              # [N] the longer side
    linear *= ((vary(SIZE) - 2 * growth - EDGE) / extent)[:, None, None]
    zoom = np.sqrt(np.linalg.det(linear))                                # [N] of distances
    to_master = np.linalg.inv(linear) * FINE                             # [N, 2, 2]

    # Shift and bend.
    shift = vary(SHIFT, 2) + CENTRE                                      # [N, 2]
    bend = rng.normal(0, BEND, (count, 2, KNOTS, KNOTS))
    smooth = ndimage.zoom(np.eye(KNOTS), (SIDE / KNOTS, 1), order=3)     # [28, KNOTS] cubic spline

    # Look up, for each pixel, how far from the outline its point in the master is.
    grid = np.indices((SIDE, SIDE))                                      # [2, 28, 28]
    images = np.empty((count, SIDE, SIDE), np.uint8)
    for n, master in enumerate(zip(*which, strict=True)):
        centre = masters.centre[master][:, None, None]                   # [2, 1, 1]
        points = grid - shift[n][:, None, None] + smooth @ bend[n] @ smooth.T    # [2, 28, 28]
        points = np.tensordot(to_master[n], points, 1) + centre
        distance = ndimage.map_coordinates(masters.distance[master], points, order=1,
                                           mode="nearest")               # [28, 28]
        ink = (distance * zoom[n] + growth[n]) / EDGE + 0.5
        images[n] = np.rint(255 * np.clip(ink, 0, 1))
    return images, labels


# ---- drawing the masters ----

@functools.cache
def _masters(fonts: tuple[str, ...]) -> Masters:
    """Draws every digit of every font once."""
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    drawn = [_master(folder / f"{font}.ttf", digit) for font in fonts for digit in range(10)]
    distances, centres, outlines = zip(*drawn, strict=True)
    longest = max(map(len, outlines))
    outlines = [np.resize(outline, (longest, 2)) for outline in outlines]  # repeats its points

    def by_font(parts):  # F * 10 arrays -> [F, 10, ...]
        return np.reshape(parts, (len(fonts), 10, *parts[0].shape)).astype(np.float32)

    return Masters(by_font(distances), by_font(centres), by_font(outlines))


def _master(font: Path, digit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws one digit, its longer side BOX * FINE master pixels.

    Returns distance [H, W], centre [2] and outline [K', 2], see Masters.
    """
    # Fit the outline into the middle of the master.
    side = SIDE * FINE
    path = TextPath((0, 0), str(digit), size=100, prop=FontProperties(fname=font))
    bounds = np.vstack(path.to_polygons())                               # [K', 2] x, y
    middle = (bounds.max(0) + bounds.min(0)) / 2
    scale = BOX * FINE / np.ptp(bounds, 0).max()
    fit = Affine2D().translate(*-middle).scale(scale).translate(side / 2, side / 2)
    path = path.transformed(fit)

    # Fill it, black on white.
    figure = Figure(figsize=(1, 1), dpi=side, facecolor="white")
    figure.add_artist(PathPatch(path, color="black", linewidth=0, transform=IdentityTransform()))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    ink = np.asarray(canvas.buffer_rgba())[..., 0] < 128                 # [H, W]

    # Measure it.
    distance = ndimage.distance_transform_edt(ink) - ndimage.distance_transform_edt(~ink)
    centre = np.array(ndimage.center_of_mass(ink))
    outline = np.vstack(path.to_polygons())[:, ::-1] * (-1, 1)           # y goes up, rows go down
    return distance / FINE, centre, outline / FINE
