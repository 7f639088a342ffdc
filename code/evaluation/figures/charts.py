"""Charts: curves, histograms, matrices. Curves of several networks are in side_by_side.py."""
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.figures.style import BLUE, ORANGE, RED, shorten

MOST_NUMBERS = 20  # classes up to which a matrix has its numbers written in
STRETCHES = 100    # points of a curve of training batches
MOST_LETTERS = 12  # of a class's name at an axis


class History(NamedTuple):
    """The course of a training on one split."""
    steps: np.ndarray   # [n]
    losses: np.ndarray  # [n]
    errors: np.ndarray  # [n], the error rates


def chart(title: str, width: float, height: float, **grid) -> tuple[Figure, Any]:
    """Makes an empty chart of that size in inches, and its axes: one, or as `grid` says."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title)
    return figure, figure.subplots(**grid)


def points(axes: Axes, x: np.ndarray, y: np.ndarray, low: np.ndarray, high: np.ndarray,
           colour: str, label: str):
    """Draws fractions [n] with their intervals. NaN is left out."""
    there = np.isfinite(y)
    spread = np.maximum(0, [y - low, high - y])[:, there]
    axes.errorbar(x[there], y[there], spread, fmt="o-", color=colour, capsize=3, markersize=4,
                  label=label)


def histogram(axes: Axes, counts: np.ndarray, xlabel: str, ylabel: str):
    """Draws counts [n] in bins of equal width from 0 to 1, on a logarithmic scale."""
    edges = np.linspace(0, 1, len(counts) + 1)
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BLUE, edgecolor="white")
    axes.set_yscale("symlog", linthresh=1)
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, 1))


def curves(title: str, train: History, val: History) -> Figure:
    """Draws loss and error rate against steps.

    Training batches are drawn as means over at most STRETCHES stretches, validation as it is.
    """
    def means(values):
        return [part.mean() for part in np.array_split(values, min(STRETCHES, len(values)))]

    figure, axes = chart(title, 8, 3.4, ncols=2)
    for one, kind, label in zip(axes, ("losses", "errors"), ("loss", "error rate"), strict=True):
        one.plot(means(train.steps), means(getattr(train, kind)), "-", color=ORANGE, linewidth=1,
                 label="training batches")
        one.plot(val.steps, getattr(val, kind), "o-", color=BLUE, markersize=3, label="validation")
        one.set(xlabel="training steps", ylabel=label)
        make_logarithmic(one)
        one.locator_params(axis="x", nbins=6)  # numbers of five digits stay apart
        one.grid()
        one.legend()
    return figure


def make_logarithmic(axes: Axes):
    """Makes the y axis logarithmic if a curve has a point above 0; error rates may all be 0."""
    if any((curve.get_ydata() > 0).any() for curve in axes.lines):
        axes.set_yscale("log")


def short_names(class_names: Sequence[str]) -> list[str]:
    """Returns the names as an axis has room for."""
    return [shorten(name, MOST_LETTERS) for name in class_names]


def matrix(title: str, values: np.ndarray, names: Sequence[str], xlabel: str, ylabel: str,
           colour_label: str, form: str) -> Figure:
    """Draws values [J, J] of J things with these names, written in by the format `form`.

    NaN is left empty. The diagonal is no part of the colour scale. For classes, see `short_names`.
    """
    # colours
    J = len(values)
    side = 3 + 0.35 * min(J, MOST_NUMBERS)
    figure, axes = chart(title, side + 0.8, side)
    axes.set_facecolor("#e8e8e8")
    colours = np.where(np.eye(J, dtype=bool), np.nan, values)
    largest = np.nanmax(colours, initial=1e-9)
    image = axes.imshow(colours, cmap="cividis", vmin=0, vmax=largest)
    figure.colorbar(image, shrink=0.8, label=colour_label)

    # numbers and names
    if J <= MOST_NUMBERS:
        axes.set_xticks(range(J), names, rotation=0 if max(map(len, names)) < 3 else 90)
        axes.set_yticks(range(J), names)
        for row, column in np.argwhere(np.isfinite(values)):
            dark = row != column and values[row, column] < largest / 2
            axes.text(column, row, form.format(values[row, column]), ha="center", va="center",
                      color="white" if dark else "black")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure


def reliability(title: str, found: dict[str, np.ndarray]) -> Figure:
    """Draws accuracy against the longest capsule's length, and how many images each bin has.

    found: see modes/reconstruct.py
    """
    figure, (upper, lower) = chart(title, 5, 5, nrows=2, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="length = accuracy")
    points(upper, found["length"], found["accuracy"], found["low"], found["high"], BLUE,
           "images, 95 % interval")
    upper.set(ylabel="accuracy", ylim=(-0.03, 1.03))
    upper.legend(loc="lower right")
    histogram(lower, found["count"], "length of the longest capsule", "images")
    return figure


def effects(title: str, standard: np.ndarray, names: Sequence[str],
            measures: Sequence[str]) -> Figure:
    """Draws effects in standard deviations, standard [J, E, M]; NaN where not significant.

    names [J] of the classes, measures [M]
    """
    # a panel for each class
    J, E, M = standard.shape
    columns = min(J, 5)
    rows = math.ceil(J / columns)
    width, height = 2.8 + 1.6 * columns, 1.4 + rows * (0.5 + 0.14 * max(E, 12))
    figure, axes = chart(title, width, height, nrows=rows, ncols=columns, sharex=True, sharey=True,
                         squeeze=False)
    limit = np.nanmax(np.abs(standard), initial=1e-9)
    for j, one in enumerate(axes.flat):
        one.set_visible(j < J)
        if j < J:
            one.set_facecolor("#bbbbbb")
            image = one.imshow(standard[j], cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
            one.set(title=f"class {names[j]}", yticks=range(E))
            one.set_xticks(range(M), measures, rotation=90)
            one.tick_params(labelbottom=j + columns >= J)

    # labels
    figure.supylabel("dimension of the capsule")
    figure.colorbar(image, ax=axes, aspect=40, label="change, in sd as in the figures of the "
                    "classes\n(grey: not significant)")
    return figure


def success(title: str, budgets: np.ndarray, rates: np.ndarray, budget_label: str,
            steps: np.ndarray) -> Figure:
    """Draws success rate against budget, both [n], and a histogram of `steps` [N].

    steps: those that the successful images needed
    """
    figure, (left, right) = chart(title, 8, 3.4, ncols=2)
    left.plot(budgets, rates, "o-" if len(budgets) < 15 else "-", color=BLUE, markersize=4)
    left.set(xlabel=budget_label, ylabel="success rate", xlim=(0, max(budgets) * 1.02),
             ylim=(-0.03, 1.03))
    left.grid()
    # bins of whole steps, of which the last one may be too many
    most = steps.max(initial=0)
    width = max(1, most // 30)
    right.hist(steps, np.arange(-0.5, most + width, width), color=BLUE, edgecolor="white")
    right.set(xlabel="gradient steps until success", ylabel="images")
    right.yaxis.get_major_locator().set_params(integer=True)
    return figure


def detection(title: str, natural: np.ndarray, adversarial: np.ndarray,
              threshold: float) -> Figure:
    """Draws distances [N], [n] of images from their reconstructions, and the threshold."""
    figure, axes = chart(title, 6, 3.6)
    bins = np.linspace(0, max(natural.max(), adversarial.max(initial=0)) * 1.02, 50)
    axes.hist(natural, bins, density=True, color=BLUE, alpha=0.75, label="natural")
    if len(adversarial):
        axes.hist(adversarial, bins, density=True, histtype="step", color=RED, linewidth=1.8,
                  hatch="//", label="adversarial")
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1.2,
                 label=f"threshold, {threshold:.2f}")
    axes.set(xlabel="L2 distance to the longest capsule's reconstruction (pixels in [0, 1])",
             ylabel="density")
    axes.legend()
    return figure
