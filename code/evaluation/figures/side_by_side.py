"""Charts of several networks side by side: a curve for each."""
import math
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import config
from evaluation.figures.charts import History, chart, make_logarithmic
from evaluation.figures.style import BLUE, ORANGE, RED
from evaluation.network.predictor import Predictor

# Okabe and Ito, as those of style.py
COLOURS = (BLUE, RED, "#009E73", "#CC79A7", ORANGE, "#56B4E9")
MARKERS = "os^vD*Ph<>pd"


class Style(NamedTuple):
    """What a network's curves look like."""
    colour: str
    marker: str


class Panel(NamedTuple):
    """Accuracies of several networks along one parameter."""
    xlabel: str
    values: np.ndarray                # [n]
    networks: dict[str, dict]         # by name, see intervals.with_interval: arrays [n]
    marked: tuple[float, ...] = ()    # values to mark, such as the ends of a range


def styles_of(predictors: dict[str, Predictor]) -> dict[str, Style]:
    """Returns for each network a marker of its own, and the colour of its model and loss.

    So seeds of one network share the colour. Settings that a run may change make no other model.
    The 13th network has the first one's marker again.
    """
    kept = [name for name, row in {**config.MODEL, **config.LOSS}.items() if not row.may_change]
    styles, colours = {}, {}
    for name, predictor in predictors.items():
        model = tuple(predictor.trained[setting] for setting in kept)
        colour = colours.setdefault(model, COLOURS[len(colours) % len(COLOURS)])
        styles[name] = Style(colour, MARKERS[len(styles) % len(MARKERS)])
    return styles


def curve(axes: Axes, x: np.ndarray, y: np.ndarray, style: Style, label: str, line: str = "-",
          low: np.ndarray | None = None, high: np.ndarray | None = None):
    """Draws one curve, with its interval from low to high as a band if it is given; all [n]."""
    if label.startswith("_"):
        label = f" {label}"  # matplotlib leaves a label that begins with _ out of the legend
    axes.plot(x, y, f"{style.marker}{line}", color=style.colour, markersize=4, linewidth=1.2,
              label=label)
    if low is not None:
        axes.fill_between(x, low, high, color=style.colour, alpha=0.2, linewidth=0)


def finish(axes: Axes, xlabel: str, ylabel: str, logarithmic: bool = False):
    """Names the axes, and adds a grid and a legend."""
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if logarithmic:
        make_logarithmic(axes)
    axes.grid(which="both")
    axes.legend()


def validation_curves(title: str, histories: dict[str, dict[str, History]],
                      styles: dict[str, Style]) -> Figure:
    """Draws the error rate on validation against steps, of several trainings.

    histories: of "val" and "val_average" for each name; dashed is the average of the weights
    """
    figure, axes = chart(title, 6.5, 4)
    for name, history in histories.items():
        raw, average = history["val"], history["val_average"]
        curve(axes, raw.steps, raw.errors, styles[name], name)
        if len(average.steps):
            curve(axes, average.steps, average.errors, styles[name],
                  f"{name}, average of the weights", line="--")
    finish(axes, "training steps", "error rate on validation", logarithmic=True)
    return figure


def accuracy_curves(title: str, panels: list[Panel], styles: dict[str, Style],
                    ylabel: str = "accuracy") -> Figure:
    """Draws a panel for each parameter: a curve for each network, with its interval as a band.

    The legend takes the place that is left over in the last row.
    """
    # a place for each panel, and one for the legend
    columns = 3
    rows = math.ceil((len(panels) + 1) / columns)
    figure, axes = chart(title, 3.4 * columns, 0.7 + 2.7 * rows, nrows=rows, ncols=columns,
                         sharey=True, squeeze=False)

    # the panels
    handles = {}  # of all networks by label: not every one is in every panel
    for one, panel in zip(axes.flat, panels, strict=False):
        for name, found in panel.networks.items():
            curve(one, panel.values, found["accuracy"], styles[name], name, low=found["low"],
                  high=found["high"])
        for value in panel.marked:
            one.axvline(value, color="grey", linestyle="--", linewidth=1)
        one.set_xlabel(panel.xlabel)
        one.grid()
        lines, labels = one.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))

    # the legend
    for one in axes.flat[len(panels):]:
        one.set_axis_off()
    figure.supylabel(ylabel)
    axes.flat[-1].legend(handles.values(), handles.keys(), loc="center")
    return figure
