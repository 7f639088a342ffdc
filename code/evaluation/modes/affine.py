"""How well the network reads digits that are turned, sheared, scaled and moved, as no training
image was.

It measures two things: the accuracy on affNIST, and that on digits in the middle of the canvas, of
which one parameter at a time is changed. Of synthetic affNIST it also measures the digits apart
that are moved farther than 6 pixels, the most in training by default. Several networks are measured
on the same images.
"""
import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from data.dataset import Dataset, Split, batches, scale
from data.datasets import affnist
from data.making import affine
from evaluation import sampling
from evaluation.figures import sheets
from evaluation.figures.side_by_side import Panel, accuracy_curves, styles_of
from evaluation.network.predictor import Predictor
from evaluation.report import Numbers, Report
from evaluation.statistics.intervals import of_copies
from output import progress
from settings import InputError, Setting, at_least

SETTINGS = {
    "AFFNIST_IMAGES": Setting(
        10_000, "affine: images of affNIST measured, spread evenly over the classes; it has 320000",
        "ours", at_least(1)),
}
COMPARES = True

Correct = dict[str, np.ndarray]  # for each network bool [N]: it classifies the image right

PIECE = 1_000  # images that are made float32 at once, to save memory
SHOWN = 100    # images on the sheet


class Parameter(NamedTuple):
    """One parameter of a transform: its values on a curve, and affNIST's range."""
    words: str
    values: np.ndarray
    low: float
    high: float


# affNIST moves a digit only so far that all its ink stays on the canvas of 40 pixels. A digit that
# is 20 pixels wide can move by (40 - 20) / 2 = 10, a narrow one farther. Training moves by 6.
PARAMETERS = {
    "rotation": Parameter("rotation, degrees anticlockwise", np.linspace(-40, 40, 9),
                          -affine.ROTATION, affine.ROTATION),
    "shear": Parameter("shear, to the right", np.linspace(-0.4, 0.4, 9),
                       -affine.SHEAR, affine.SHEAR),
    "horizontal": Parameter("horizontal scale", np.linspace(0.6, 1.4, 9), *affine.SCALES),
    "vertical": Parameter("vertical scale", np.linspace(0.6, 1.4, 9), *affine.SCALES),
    "right": Parameter("displacement to the right, pixels", np.linspace(-12, 12, 9), -10, 10),
}


def check_dataset(dataset: Dataset, cfg):
    """InputError unless the dataset has affNIST, too."""
    if affnist.CENTRED not in dataset.further:
        raise InputError("--mode affine: expected --dataset affnist and a network trained on it, "
                         f"received {dataset.name}")


def run(predictors: dict[str, Predictor], dataset: Dataset, cfg,
        report: Report) -> tuple[Numbers, dict]:
    """Returns the accuracy on each split; the same with intervals, and each parameter's curve."""
    # the images
    centred = dataset.further[affnist.CENTRED]()
    name = next(name for name in dataset.further if name != affnist.CENTRED)
    whole = dataset.further[name]()
    # They follow from the ink around an image's middle. So a digit on 40 x 40 pixels has the same
    # ones as on 28 x 28, from which the synthetic images are made.
    transforms = affnist.transforms_of(centred) if name == affnist.SYNTHETIC else None
    chosen = sampling.spread_evenly(whole.labels[:, 0], cfg.AFFNIST_IMAGES, cfg.SEED)
    digits = centred.take(sampling.spread_evenly(centred.labels[:, 0], cfg.NUM_IMAGES, cfg.SEED))
    report.draw("examples", examples(name, centred, whole, transforms, chosen[:SHOWN]))

    # whole splits, then one parameter at a time
    splits = {"expanded MNIST": dataset.test, name: whole.take(chosen)}
    correct = {split: judge(predictors, images, split) for split, images in splits.items()}
    curves = {field: along(predictors, digits, field, parameter.values)
              for field, parameter in PARAMETERS.items()}
    title = (f"test digits of MNIST in the middle of {dataset.image_shape[0]} x "
             f"{dataset.image_shape[1]} pixels, one parameter changed at a time: "
             f"{len(digits.labels)} for each point, 95 % intervals\ndashed: the range of {name}")
    panels = [Panel(parameter.words, parameter.values, curves[field]["networks"],
                    (parameter.low, parameter.high)) for field, parameter in PARAMETERS.items()]
    report.draw("curves", accuracy_curves(title, panels, styles_of(predictors)))

    # tables
    table = {split: with_intervals(found) for split, found in correct.items()}
    if transforms:  # then it is known which digit each image is made of: copies are neighbours
        table[name] = with_intervals(correct[name], chosen // affnist.COPIES)
        table |= by_displacement(name, transforms, chosen, correct[name])

    # numbers to print
    counts = {f"{split}_images": found["images"] for split, found in table.items()}
    accuracies = {name: {f"{split}_accuracy": found["networks"][name]["accuracy"]
                         for split, found in table.items()} for name in predictors}
    if len(predictors) == 1:
        accuracies, = accuracies.values()
    return counts | accuracies, {"table": table, "curves": curves}


# ---- measuring ----

def judge(predictors: dict[str, Predictor], split: Split, title: str | None = None) -> Correct:
    """Returns for each network whether it classifies each of the N images right. title: of a bar"""
    found = {name: [] for name in predictors}
    pieces = math.ceil(len(split.labels) / PIECE)
    for batch in progress(batches(split, PIECE), title, pieces):
        for name, predictor in predictors.items():
            predictions = predictor.predict(batch.images)
            found[name].append((predictions.predicted == batch.labels)[:, 0])
    return {name: np.concatenate(pieces) for name, pieces in found.items()}


def with_intervals(correct: Correct, digits: np.ndarray | None = None) -> dict[str, Any]:
    """Returns the number of images and the accuracies with intervals.

    digits [N]: the number of the digit that each image is made of; None: each has its own, or it is
    not known, as of affNIST's own file. Then the intervals of many copies are a little narrow.
    """
    count = len(next(iter(correct.values())))
    digits = np.arange(count) if digits is None else digits
    networks = {}
    for name, yes in correct.items():
        low, high = of_copies(yes, digits)
        networks[name] = {"accuracy": float(yes.mean()), "low": low, "high": high}
    return {"images": count, "networks": networks}


def by_displacement(name: str, transforms: affine.Transforms, chosen: np.ndarray,
                    correct: Correct) -> dict[str, Any]:
    """Tabulates digits moved as far as in training (by default) apart from those moved farther.

    chosen [N]: which of the transformed images were judged
    """
    most = affnist.DEFAULTS["SHIFT"]
    far = np.maximum(np.abs(transforms.right), np.abs(transforms.down))[chosen]  # pixels [N]
    parts = {f"{name}, moved by {most} or less": far <= most,
             f"{name}, moved by more than {most}": far > most}
    return {words: with_intervals({network: yes[which] for network, yes in correct.items()},
                                  chosen[which] // affnist.COPIES)
            for words, which in parts.items() if which.any()}


def along(predictors: dict[str, Predictor], digits: Split, field: str,
          values: np.ndarray) -> dict[str, Any]:
    """Returns the accuracies on the digits as one parameter takes each of its `values`."""
    measured = []
    for value in progress(values, field):
        transforms = affine.identity(len(digits.labels), **{field: value})
        images = affine.apply(digits.images, transforms, digits.images.shape[1])
        correct = judge(predictors, digits._replace(images=images))
        measured.append(with_intervals(correct)["networks"])
    networks = {name: {key: [one[name][key] for one in measured]
                       for key in ("accuracy", "low", "high")} for name in predictors}
    return {"values": values, "networks": networks}


# ---- drawing ----

def examples(name: str, centred: Split, whole: Split, transforms: affine.Transforms | None,
             chosen: np.ndarray) -> Figure:
    """Returns a sheet of the images [chosen] of affNIST.

    transforms: of all images; where they are known, each image is below its digit.
    """
    labels = [str(label) for label in whole.labels[chosen, 0]]
    images = scale(whole.images[chosen])
    if not transforms:
        return sheets.rows_of_images(f"{name}, test", [sheets.Row(name, images, labels)])
    digit = chosen // affnist.COPIES
    parameters = zip(*(values[chosen] for values in transforms), strict=True)
    words = [f"{turn:+.0f}° {shear:+.2f}\n{wide:.2f} x {high:.2f}"
             for turn, shear, wide, high, *_ in parameters]
    title = (f"{name}: test digits of MNIST and their transforms\n"
             "rotation anticlockwise, shear to the right, horizontal x vertical scale")
    return sheets.rows_of_images(title, [
        sheets.Row("centred", scale(centred.images[digit]), labels),
        sheets.Row("synthetic", images, words)])
