"""Sheets of images: one pair of axes whose unit is the width of an image, y downwards."""
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from evaluation.figures.style import BODY, RED

SIDE = 0.7              # inches, width of an image; the unit of all positions
COLUMNS = 10            # images side by side
GAP, LINE = 0.08, 0.26  # units between images, and of a line of text
LETTER, LARGE_LETTER = 0.09, 0.11  # units, about the width of a letter


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
    left = max(len(row.name) for row in rows) * LETTER + 0.2
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
            put(axes, Cell(row.images[n]), x, y)
            marked = row.marked is not None and row.marked[n]
            colour, weight = (RED, "bold") if marked else ("black", "normal")
            axes.text(x + 0.5, y - 0.04, row.captions[n], ha="center", color=colour, weight=weight)
            if n % COLUMNS == 0:
                axes.text(x - 0.1, y + H / W / 2, row.name, ha="right", va="center")
    return figure


def table(title: str, rows: Sequence[str], columns: Sequence[str],
          cells: dict[tuple[int, int], Cell], xlabel: str, ylabel: str = "",
          notes: Sequence[str] = ()) -> Figure:
    """Draws images in rows and columns, which have these names, in order.

    cells: by (row, column), counted from 0; notes: to the right of each row, if any
    """
    # the places
    H, W, _ = next(iter(cells.values())).image.shape
    left, top = 0.5 + max(map(len, rows)) * LETTER, 2 * LINE
    x = left + np.arange(len(columns) + 1) * (1 + GAP)
    y = top + np.arange(len(rows) + 1) * (H / W + GAP)
    room = 0.2 + max(map(len, notes), default=0) * LETTER
    figure, axes = sheet(title, x[-1] + room, y[-1] + 0.1)

    # the words
    axes.text((left + x[-1]) / 2, 0.15, xlabel, ha="center", fontsize=BODY)
    axes.text(0.15, (top + y[-1]) / 2, ylabel, rotation=90, va="center", ha="center", fontsize=BODY)
    for k, name in enumerate(columns):
        axes.text(x[k] + 0.5, top - 0.06, name, ha="center")
    for k, name in enumerate(rows):
        axes.text(left - 0.1, y[k] + H / W / 2, name, ha="right", va="center")
    for k, note in enumerate(notes):
        axes.text(x[-1] + 0.05, y[k] + H / W / 2, note, va="center")

    # the images
    for (row, column), cell in cells.items():
        put(axes, cell, x[column], y[row])
    return figure


def sheet(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """Makes an empty sheet of that size in units, with room for its title above."""
    lines = title.split("\n")
    needed = max(map(len, lines)) * LARGE_LETTER + 0.2             # units, with a margin
    margin = max(0, needed - width) / 2
    top = 0.3 + LINE * len(lines)
    width, height = width + 2 * margin, height + top
    figure = Figure(figsize=(width * SIDE, height * SIDE))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-margin, width - margin), ylim=(height - top, -top))
    axes.set_axis_off()
    axes.text(width / 2 - margin, -top + 0.15, title, ha="center", va="top", fontsize=BODY)
    return figure, axes


def put(axes: Axes, cell: Cell, x: float, y: float):
    """Draws an image with its upper left corner at x, y."""
    H, W, _ = cell.image.shape
    axes.imshow(shown(cell.image), extent=(x, x + 1, y + H / W, y), aspect="auto", cmap="gray",
                vmin=0, vmax=1)
    if cell.frame:
        axes.add_patch(Rectangle((x, y), 1, H / W, fill=False, edgecolor=cell.frame, linewidth=2,
                                 clip_on=False))


def shown(image: np.ndarray) -> np.ndarray:
    """Returns three channels as colours [H, W, 3]; otherwise the first one [H, W]."""
    return image if image.shape[-1] == 3 else image[..., 0]
