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
from evaluation.network.predictor import Predictor, accuracies
from evaluation.report import Numbers, Report
from evaluation.statistics.intervals import of_clusters
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

    # Whole splits. Of synthetic images it is known which digit each one is made of: copies are
    # neighbours. Digits that moved as far as in training (by default) are also counted apart.
    table = {"expanded MNIST": with_intervals(judge(predictors, dataset.test, "expanded MNIST"))}
    correct = judge(predictors, whole.take(chosen), name)
    table[name] = with_intervals(correct, chosen // affnist.COPIES if transforms else None)
    if transforms:
        most = affnist.DEFAULTS["SHIFT"]
        far = np.maximum(np.abs(transforms.right), np.abs(transforms.down))[chosen]  # pixels [N]
        for words, which in ((f"{name}, moved by {most} or less", far <= most),
                             (f"{name}, moved by more than {most}", far > most)):
            if which.any():
                part = {network: yes[which] for network, yes in correct.items()}
                table[words] = with_intervals(part, chosen[which] // affnist.COPIES)

    # one parameter at a time
    curves = {}
    for field, parameter in PARAMETERS.items():
        variants = (moved(digits, field, value) for value in progress(parameter.values, field))
        curves[field] = {"values": parameter.values,
                         "networks": accuracies(predictors, variants, digits.labels[:, 0])}
    title = (f"test digits of MNIST in the middle of {dataset.image_shape[0]} x "
             f"{dataset.image_shape[1]} pixels, one parameter changed at a time: "
             f"{len(digits.labels)} for each point, 95 % intervals\ndashed: the range of {name}")
    panels = [Panel(parameter.words, parameter.values, curves[field]["networks"],
                    (parameter.low, parameter.high)) for field, parameter in PARAMETERS.items()]
    report.draw("curves", accuracy_curves(title, panels, styles_of(predictors)))

    # numbers to print
    numbers = {f"{split}_images": found["images"] for split, found in table.items()}
    for network in predictors:
        mine = {f"{split}_accuracy": found["networks"][network]["accuracy"]
                for split, found in table.items()}
        numbers |= mine if len(predictors) == 1 else {network: mine}
    return numbers, {"table": table, "curves": curves}


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
        low, high = of_clusters(yes, digits[:, None])
        networks[name] = {"accuracy": float(yes.mean()), "low": low, "high": high}
    return {"images": count, "networks": networks}


def moved(digits: Split, field: str, value: float) -> np.ndarray:
    """Returns the digits with one parameter changed, float32 [N, H, W, 1] in [0, 1]."""
    transforms = affine.identity(len(digits.labels), **{field: value})
    return scale(affine.apply(digits.images, transforms, digits.images.shape[1]))


# ---- drawing ----

def examples(name: str, centred: Split, whole: Split, transforms: affine.Transforms | None,
             chosen: np.ndarray) -> Figure:
    """Returns a sheet of the images [chosen] of affNIST, below their digits if these are known."""
    labels = [str(label) for label in whole.labels[chosen, 0]]
    images = scale(whole.images[chosen])
    if not transforms:
        return sheets.rows_of_images(f"{name}, test", [sheets.Row(name, images, labels)])
    words = [f"{transforms.rotation[n]:+.0f}° {transforms.shear[n]:+.2f}\n"
             f"{transforms.horizontal[n]:.2f} x {transforms.vertical[n]:.2f}" for n in chosen]
    title = (f"{name}: test digits of MNIST and their transforms\n"
             "rotation anticlockwise, shear to the right, horizontal x vertical scale")
    return sheets.rows_of_images(title, [
        sheets.Row("centred", scale(centred.images[chosen // affnist.COPIES]), labels),
        sheets.Row("synthetic", images, words)])
