"""Figures of two digits in one image: each in a colour of its own, and what depends on overlap."""
import numpy as np
from matplotlib.figure import Figure

from data.dataset import Batch, Dataset
from evaluation.figures import charts, sheets
from evaluation.figures.side_by_side import Style, curve, finish
from evaluation.figures.style import BLUE, ORANGE, RED, shorten
from evaluation.pairs.overlap import EDGES
from evaluation.pairs.segmentation import KINDS, MEASURES, Drawn

# Light of the first digit and of the second one. Together they are white. Readers who cannot tell
# red from green tell orange from blue.
COLOURS = np.array([[1.0, 0.6, 0.0], [0.0, 0.4, 1.0]])
LEGEND = "orange: the first digit; blue: the second; white: both"
MOST_LETTERS = 5  # of each class's name above an image
OVERLAP = "overlap of the two digits (fraction of the smaller ink)"


def in_two_colours(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Lays two images [..., H, W, C] in [0, 1] on top of each other; returns [..., H, W, 3].

    Their light is added, as that of two lamps, up to white.
    """
    grey = np.stack([first.mean(axis=-1), second.mean(axis=-1)], axis=-1)      # [..., H, W, 2]
    return np.clip(grey @ COLOURS, 0, 1)


def sheet(title: str, batch: Batch, drawn: Drawn, dataset: Dataset) -> Figure:
    """Draws the paper's figure 5: pairs, what the capsules draw, and one of an absent class."""
    names = [shorten(name, MOST_LETTERS) for name in dataset.class_names]

    def row(name, images, classes, marked=None):
        captions = [f"{names[a]}, {names[b]}" for a, b in classes]
        return sheets.Row(name, images, captions, marked)

    def coloured(pairs):
        return in_two_colours(pairs[:, 0], pairs[:, 1])

    labels = batch.labels
    rows = [row("input", batch.images, labels), row("digits", coloured(batch.sources), labels),
            row("predicted", coloured(drawn.from_predicted), drawn.predicted, ~drawn.right)]
    if not drawn.right.all():
        rows.append(row("labels", coloured(drawn.from_label), labels))
    with_absent = in_two_colours(drawn.from_label[:, 0], drawn.from_absent)
    rows.append(row("absent *", with_absent, np.stack([labels[:, 0], drawn.absent], axis=1)))
    title = f"{title}\n{LEGEND}\n*: the first label, and a class that is absent"
    return sheets.rows_of_images(title, rows)


def errors_by_overlap(title: str, found: dict[str, np.ndarray]) -> Figure:
    """Draws error and fraction of pairs with one label found or more by overlap; how many pairs.

    found: see overlap.by_overlap
    """
    figure, (upper, middle, lower) = charts.chart(title, 5.5, 6, nrows=3, sharex=True,
                                                  height_ratios=(3, 2, 1.3))
    for axes, name, colour, label in ((upper, "error", RED, "not both right"),
                                      (middle, "some_right", BLUE, "one right or both")):
        charts.points(axes, found["overlap"], found[name], found[f"{name}_low"],
                      found[f"{name}_high"], colour, "pairs, 95 % interval")
        finish(axes, "", label)
    upper.set_ylim(bottom=0)
    charts.histogram(lower, found["count"], OVERLAP, "pairs")
    return figure


def accuracy_by_overlap(title: str, networks: dict[str, dict], styles: dict[str, Style]) -> Figure:
    """Draws the fraction of pairs with both digits right, of several networks, by overlap."""
    figure, axes = charts.chart(title, 6.5, 4)
    for name, found in networks.items():
        curve(axes, found["overlap"], 1 - found["error"], styles[name], name,
              low=1 - found["error_high"], high=1 - found["error_low"])
    finish(axes, OVERLAP, "accuracy (fraction of pairs)")
    return figure


def segmentation_by_overlap(title: str, found: dict) -> Figure:
    """Draws both measures of each kind against overlap, and how many pairs there are.

    found: see segmentation.tables
    """
    figure, axes = charts.chart(title, 8.5, 4.6, nrows=2, ncols=2, sharex=True,
                                height_ratios=(3, 1))
    middle = (EDGES[:-1] + EDGES[1:]) / 2
    styles = (Style(BLUE, "o"), Style(RED, "s"), Style("black", "^"), Style(ORANGE, "v"))
    for measure, upper, lower in zip(MEASURES, *axes, strict=True):
        for kind, style in zip(KINDS, styles, strict=True):
            curve(upper, middle, found[kind][measure], style, kind)
        finish(upper, "", measure.replace("_", " "))
        upper.set_ylim(bottom=0)
        charts.histogram(lower, found["pairs"], OVERLAP, "pairs")
    return figure
