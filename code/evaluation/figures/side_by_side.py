"""Charts of several networks side by side: a curve for each."""
import math
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import config
from evaluation.figures.charts import History, chart
from evaluation.figures.style import BLUE, ORANGE, RED
from evaluation.network.predictor import Predictor

# Okabe and Ito, as those of style.py
COLOURS = (BLUE, RED, "#009E73", "#CC79A7", ORANGE, "#56B4E9")
MARKERS = "os^vD*Ph<>pd"


class Style(NamedTuple):
    """What a network's curves look like."""
    colour: str
    marker: str


def styles_of(predictors: dict[str, Predictor]) -> dict[str, Style]:
    """Returns for each network a marker of its own, and the colour of its model and loss.

    So seeds of one network share the colour. Settings that a run may change make no other model.
    The 13th network has the first one's marker again.
    """
    kept = [name for name, row in {**config.MODEL, **config.LOSS}.items() if not row.may_change]
    models = [tuple(one.trained[name] for name in kept) for one in predictors.values()]
    different = list(dict.fromkeys(models))
    return {name: Style(COLOURS[different.index(model) % len(COLOURS)], MARKERS[n % len(MARKERS)])
            for n, (name, model) in enumerate(zip(predictors, models, strict=True))}


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
    axes.set(xlabel="training steps", ylabel="error rate on validation", yscale="log")
    axes.grid(which="both")
    axes.legend()
    return figure


class Panel(NamedTuple):
    """Accuracies of several networks along one parameter."""
    xlabel: str
    values: np.ndarray                # [n]
    networks: dict[str, dict]         # by name, see intervals.with_interval: arrays [n]
    marked: tuple[float, ...] = ()    # values to mark, such as the ends of a range


def accuracy_curves(title: str, panels: list[Panel], styles: dict[str, Style],
                    ylabel: str = "accuracy") -> Figure:
    """Draws a panel for each parameter: a curve for each network, with its interval as a band.

    The legend takes the place that is left over in the last row.
    """
    columns = 3
    rows = math.ceil((len(panels) + 1) / columns)
    figure, axes = chart(title, 3.4 * columns, 0.7 + 2.7 * rows, nrows=rows, ncols=columns,
                         sharey=True, squeeze=False)
    for k, one in enumerate(axes.flat):
        if k >= len(panels):
            one.set_axis_off()
            continue
        panel = panels[k]
        draw_accuracies(one, panel.values, panel.networks, styles)
        for value in panel.marked:
            one.axvline(value, color="grey", linestyle="--", linewidth=1)
        one.set_xlabel(panel.xlabel)
        one.grid()
    for one in axes[:, 0]:
        one.set_ylabel(ylabel)
    # Not every network is in every panel.
    handles = {}
    for one in axes.flat:
        for handle, name in zip(*one.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    axes.flat[-1].legend(handles.values(), handles.keys(), loc="center")
    return figure


def draw_accuracies(axes: Axes, values: np.ndarray, networks: dict[str, dict],
                    styles: dict[str, Style]):
    """Draws a curve for each network of a Panel, with its interval as a band."""
    for name, found in networks.items():
        curve(axes, values, found["accuracy"], styles[name], name)
        axes.fill_between(values, found["low"], found["high"], color=styles[name].colour,
                          alpha=0.2)


def curve(axes: Axes, x: np.ndarray, y: np.ndarray, style: Style, label: str, line: str = "-"):
    """Draws one curve."""
    if label.startswith("_"):
        label = f" {label}"  # matplotlib leaves a label that begins with _ out of the legend
    axes.plot(x, y, f"{style.marker}{line}", color=style.colour, markersize=4, linewidth=1.2,
              label=label)
