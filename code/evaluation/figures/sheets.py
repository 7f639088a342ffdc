"""Sheets of images: one pair of axes whose unit is the width of an image, y downwards."""
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from evaluation.figures.style import BODY, ORANGE, RED, shorten, written

SIDE = 0.7              # inches, width of an image; the unit of all positions
COLUMNS = 10            # images side by side
GAP, LINE = 0.08, 0.26  # units between images, and of a line of text
SMALL_LETTER, LETTER = 0.09, 0.11  # units, about the width of a letter
MOST_LETTERS = 9        # of a class's name over a column of images


class Row(NamedTuple):
    """N images with captions above."""
    name: str
    images: np.ndarray       # [N, H, W, C]
    captions: Sequence[str]  # [N]
    marked: np.ndarray | None = None  # bool [N]: captions in bold and red; None: none of them


class Cell(NamedTuple):
    """An image [H, W, C], with a frame of that colour."""
    image: np.ndarray
    frame: str | None = None


def rows_of_images(title: str, rows: list[Row]) -> Figure:
    """Draws the rows, of N images each, one below the other.

    COLUMNS images to a line; if there are more, the rows go on in further bands below.
    """
    # the places
    N, H, W, _ = rows[0].images.shape
    columns, bands = min(N, COLUMNS), math.ceil(N / COLUMNS)
    left = max(len(row.name) for row in rows) * SMALL_LETTER + 0.2
    captions = [caption for row in rows for caption in row.captions]
    line = LINE * (1 + max(caption.count("\n") for caption in captions))
    step = line + H / W + GAP
    band = len(rows) * step + 0.2

    # the images
    figure, axes = sheet(title, left + columns * (1 + GAP) + 0.2, bands * band)
    for k, row in enumerate(rows):
        for n in range(N):
            x = left + n % COLUMNS * (1 + GAP)
            y = n // COLUMNS * band + k * step + line
            put(axes, row.images[n], x, y)
            marked = row.marked is not None and row.marked[n]
            colour, weight = (RED, "bold") if marked else ("black", "normal")
            axes.text(x + 0.5, y - 0.04, row.captions[n], ha="center", color=colour, weight=weight)
            if n % COLUMNS == 0:
                axes.text(x - 0.1, y + H / W / 2, row.name, ha="right", va="center")
    return figure


def tweaks(title: str, grid: np.ndarray, values: np.ndarray, names: list[str]) -> Figure:
    """Draws grid [E, K, H, W, C]: a row for each dimension, a column for each of `values` [K].

    names [E]: the effects of the dimensions in words
    """
    E, K, H, W, _ = grid.shape
    left, right = 1.3, 0.3 + max(map(len, names)) * SMALL_LETTER
    middle, end = left + K * (1 + GAP) / 2, left + K * (1 + GAP)
    figure, axes = sheet(title, end + right, 2 * LINE + E * (H / W + GAP) + 0.15)

    # above: what is added
    axes.text(middle, 0.15, "added to the dimension", ha="center")
    for k, value in enumerate(values):
        text = f"{value:+.3g}" if value else "0"
        axes.text(left + k * (1 + GAP) + 0.5, 2 * LINE - 0.06, text, ha="center")

    # a row for each dimension, the image as it is framed
    for e in range(E):
        y = 2 * LINE + e * (H / W + GAP)
        axes.text(left - 0.1, y + H / W / 2, f"dimension {e}", ha="right", va="center")
        axes.text(end + 0.05, y + H / W / 2, names[e], va="center")
        for k in range(K):
            put(axes, grid[e, k], left + k * (1 + GAP), y, frame=ORANGE if values[k] == 0 else None)
    return figure


def examples(title: str, rows: Sequence[str], columns: Sequence[str],
             cells: dict[tuple[int, int], Cell], xlabel: str, ylabel: str) -> Figure:
    """Draws attacked images in rows and columns, which have these names, in order.

    The keys of `cells` are (row, column), counted from 0.
    """
    # the places
    rows = [shorten(name, MOST_LETTERS) for name in rows]
    columns = [shorten(name, MOST_LETTERS) for name in columns]
    H, W, _ = next(iter(cells.values())).image.shape
    left, top = 0.5 + max(map(len, rows)) * LETTER, 0.75
    width, height = len(columns) * (1 + GAP), len(rows) * (H / W + GAP)
    figure, axes = sheet(title, left + width + 0.2, top + height + 0.1)

    # the names
    axes.text(left + width / 2, 0.3, xlabel, ha="center", fontsize=BODY)
    axes.text(0.15, top + height / 2, ylabel, rotation=90, va="center", ha="center", fontsize=BODY)
    for k, name in enumerate(columns):
        axes.text(left + k * (1 + GAP) + 0.5, top - 0.1, name, ha="center", fontsize=BODY)
    for k, name in enumerate(rows):
        axes.text(left - 0.1, top + k * (H / W + GAP) + H / W / 2, name, ha="right", va="center",
                  fontsize=BODY)

    # the images
    for (row, column), cell in cells.items():
        x, y = left + column * (1 + GAP), top + row * (H / W + GAP)
        put(axes, cell.image, x, y, cell.frame)
    return figure


def pair(title: str, image: np.ndarray, adversarial: np.ndarray, captions: Sequence[str]) -> Figure:
    """Draws an image [H, W, C], its adversarial neighbour, their difference, each with a caption."""
    H, W, _ = image.shape
    figure, axes = sheet(title, 6.8, 2 * H / W + 2 * LINE)
    images = image, adversarial, adversarial - image
    for k, (one, caption) in enumerate(zip(images, captions, strict=True)):
        x = 0.2 + k * 2.2
        put(axes, one, x, LINE, width=2, difference=k == 2)
        axes.text(x + 1, LINE - 0.06, caption, ha="center")
    return figure


def sheet(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """Makes an empty sheet of that size in units, with room for its title above."""
    title = written(title)
    lines = title.split("\n")
    needed = max(map(len, lines)) * LETTER + 0.2                   # units, with a margin
    margin = max(0, needed - width) / 2
    top = 0.3 + LINE * len(lines)
    width, height = width + 2 * margin, height + top
    figure = Figure(figsize=(width * SIDE, height * SIDE))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-margin, width - margin), ylim=(height - top, -top))
    axes.set_axis_off()
    axes.text(width / 2 - margin, -top + 0.15, title, ha="center", va="top", fontsize=BODY)
    return figure, axes


def put(axes: Axes, image: np.ndarray, x: float, y: float, frame: str | None = None,
        width: float = 1, difference: bool = False):
    """Draws an image [H, W, C] with its upper left corner at x, y.

    Three channels are colours; otherwise the first one is shown in grey. `difference`: of two
    images, in colours for values from -1 to 1; of several channels, the one that differs most.
    """
    H, W, C = image.shape
    height = width * H / W
    cmap, low = ("PuOr", -1) if difference else ("gray", 0)
    if difference:
        largest = np.abs(image).argmax(axis=-1, keepdims=True)                 # [H, W, 1]
        shown = np.take_along_axis(image, largest, axis=-1)[..., 0]
    else:
        shown = image if C == 3 else image[..., 0]
    axes.imshow(shown, extent=(x, x + width, y + height, y), aspect="auto", cmap=cmap, vmin=low,
                vmax=1)
    if frame:
        axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=frame, linewidth=2,
                                 clip_on=False))
