"""What each dimension of a class's capsule does to the image.

Measured on test images that are classified right. Of two digits in an image the first one is
tweaked. The decoder sees one capsule at a time, all others are set to zero. So the other digit,
which is decoded from a capsule of its own, cannot move. That is measured, not assumed.
"""
import itertools

import numpy as np
from matplotlib.figure import Figure

from data.dataset import Dataset
from evaluation import sampling
from evaluation.capsules import shapes
from evaluation.capsules.effects import Effects, measure_effects
from evaluation.figures import charts
from evaluation.figures.sheets import Cell, table
from evaluation.figures.style import ORANGE
from evaluation.network.predictor import Predictor
from evaluation.pairs import overlap
from evaluation.pairs.figures import LEGEND, in_two_colours
from evaluation.report import Report
from evaluation.sampling import Sample
from output import progress
from settings import POSITIVE, InputError, Rule, Setting, suggestion

MOST_STRIDES = 50  # from 0 to the largest value that is added to a dimension

SETTINGS = {
    "TWEAK_TARGET": Setting(
        "-1", "cap_tweak: the one class to tweak, by its name or its number from 0; -1 takes every "
        "class", "original", Rule("the name or the number of a class, or -1", bool)),
    "TWEAK_RANGE": Setting(
        0.25, "cap_tweak: the most that is added to or taken from a dimension",
        "original; paper, sec. 5.1", POSITIVE),
    "TWEAK_STRIDE": Setting(
        0.05, "cap_tweak: the step between two added values", "original; paper, sec. 5.1",
        POSITIVE),
}
NEEDS = frozenset({"capsules", "decoder"})


def check(cfg):
    """InputError unless the range is a whole number of strides, from 1 to MOST_STRIDES."""
    strides = cfg.TWEAK_RANGE / cfg.TWEAK_STRIDE  # 0.25 / 0.05 is not exactly 5
    if not (0.5 < strides < MOST_STRIDES + 0.5 and abs(strides - round(strides)) < 1e-6):
        raise InputError(f"--tweak_range, --tweak_stride: expected a range of 1 to {MOST_STRIDES} "
                         f"whole strides, received {cfg.TWEAK_RANGE} and {cfg.TWEAK_STRIDE}")


def candidates(dataset: Dataset, cfg) -> np.ndarray:
    """Returns the indices of the test images whose first label is TWEAK_TARGET, or of all.

    A class is known by its name, or else by its number. InputError if it is not, or has no images.
    """
    labels, names, target = dataset.test.labels[:, 0], dataset.class_names, cfg.TWEAK_TARGET
    numbers = {str(j): j for j in range(len(names))}
    numbers |= {name: j for j, name in enumerate(names)}  # which may be another's number
    if target == "-1" and target not in names:
        return np.arange(len(labels))
    if target not in numbers:
        raise InputError("--tweak_target: expected a class by its name, or by its number from 0 "
                         f"to {len(names) - 1}, or -1 for every class, received "
                         f"{target}{suggestion(target, names)}")
    found = np.flatnonzero(labels == numbers[target])
    if not len(found):
        raise InputError(f"--tweak_target {target}: expected a class of the test split, "
                         "received one without images")
    return found


def run(predictor: Predictor, dataset: Dataset, cfg, report: Report) -> tuple[dict, dict]:
    """Returns how many dimensions have a significant effect, the strongest ones; all effects.

    Of pairs also how much the other digit moves.
    """
    # tweak and measure
    strides = round(cfg.TWEAK_RANGE / cfg.TWEAK_STRIDE)
    values = np.arange(-strides, strides + 1) * cfg.TWEAK_STRIDE               # [K]
    sample = sampling.classified_correctly(predictor, dataset.test,
                                           candidates(dataset, cfg), cfg)
    labels = sample.labels
    capsules = sample.predictions.capsules[np.arange(len(labels)), labels]     # [N, E]
    measured = []
    for capsule, j in zip(progress(capsules, "tweak", unit="image"), labels, strict=True):
        grey = tweaked(predictor, capsule, j, values).mean(axis=-1)            # [E, K, H, W]
        shape = shapes.measure(grey.reshape(-1, *grey.shape[2:]))              # [E K, M]
        measured.append(shape.reshape(*grey.shape[:2], -1))
    digits = overlap.members(dataset.test, sample.index)[:, 0]                 # [N]
    effects = measure_effects(np.stack(measured), labels, dataset.classes, values, digits)

    # a figure for each class: its first image, and the effects on all
    classes, first = np.unique(labels, return_index=True)
    details = {}
    for j, n in zip(progress(classes, "figures"), first, strict=True):
        grid, words = tweaked(predictor, capsules[n], j, values), ""
        if sample.others.size:  # the other digit is what its own capsule draws
            other = sample.others[n:n + 1, 0]                                  # [1]
            decoded = predictor.decode(sample.predictions.capsules[n, other], other)[0]
            grid = in_two_colours(grid, np.broadcast_to(decoded, grid.shape))
            words = f" beside class {dataset.class_names[other[0]]} ({LEGEND})"
        report.draw(f"class-{j}", figure_of_class(grid, values, effects, j, dataset, words))
        details[f"class {j}"] = {
            "images": effects.images[j], "digits": effects.digits[j],
            "dimensions": [effects.describe(j, e) for e in range(len(grid))]}

    # all effects in one figure and a few numbers
    shown = np.where(effects.significant, effects.standard, np.nan)[classes]   # [classes, E, M]
    title = f"{dataset.name}: what +{effects.per:.3g} on a dimension changes"
    names = [dataset.class_names[j] for j in classes]
    report.draw("effects", charts.effects(title, shown, names, list(shapes.MEASURES)))
    numbers = {"images": sample.drawn, "images_classified_right": len(labels),
               "dimensions": shown[..., 0].size,
               "dimensions_with_a_significant_effect": np.isfinite(shown).any(axis=2).sum()}
    for m, name in enumerate(shapes.MEASURES):
        key = f"largest_effect_on_{name.replace(' ', '_')}_in_sd"
        numbers[key] = np.nanmax(np.abs(shown[..., m]), initial=0)
    if sample.others.size:
        numbers["largest_change_of_the_other_digit"] = change_of_other(predictor, sample, values)
    # explore.py knows by the weights whether these effects are those of its network
    weights = predictor.network.digest()
    return numbers, {"weights": weights, "per": effects.per, "effects": details}


def tweaked(predictor: Predictor, capsule: np.ndarray, j: int, values: np.ndarray) -> np.ndarray:
    """Returns what a capsule [E] of class j draws with a value added to a dimension.

    Each of `values` [K] is added to each dimension, one at a time: [E, K, H, W, C].
    """
    E, K = len(capsule), len(values)
    steps = np.eye(E, dtype=np.float32)[:, None] * values.astype(np.float32)[:, None]  # [E, K, E]
    images = predictor.decode((capsule + steps).reshape(-1, E), np.full(E * K, j))
    return images.reshape(E, K, *images.shape[1:])


def change_of_other(predictor: Predictor, sample: Sample, values: np.ndarray) -> float:
    """Returns the largest change of a pixel of the other digit.

    The first and the last of `values` are added to each dimension of the first label's capsule.
    """
    N, _, E = sample.predictions.capsules.shape
    before = predictor.decode_labels(sample.predictions.capsules, sample.others)
    largest = 0
    for e, value in progress(list(itertools.product(range(E), values[[0, -1]])), "the other digit"):
        capsules = sample.predictions.capsules.copy()                          # [N, J, E]
        capsules[np.arange(N), sample.labels, e] += value
        after = predictor.decode_labels(capsules, sample.others)               # [N, 1, H, W, C]
        largest = max(largest, np.abs(after - before).max())
    return largest


def figure_of_class(grid: np.ndarray, values: np.ndarray, effects: Effects, j: int,
                    dataset: Dataset, beside: str) -> Figure:
    """Shows the tweaked images [E, K, H, W, C] of one image of class j, each dimension's effect.

    beside: what else is shown, in words
    """
    count, images = effects.digits[j], effects.images[j]
    observed = f"{count} images" if count == images else f"{count} digits in {images} images"
    title = (f"{dataset.name}, class {dataset.class_names[j]}{beside}: what each dimension of its "
             f"capsule does\nright: the strongest effect of +{effects.per:.3g}, mean of "
             f"{observed}, except those that vanish\n"
             "sd: spread within the class, of 1 px, 5°, half a pixel of stroke or 10 px² of area "
             "at least")
    cells = {(e, k): Cell(grid[e, k], None if values[k] else ORANGE)  # as the image is: framed
             for e, k in np.ndindex(grid.shape[:2])}
    rows = [f"dimension {e}" for e in range(len(grid))]
    notes = [effects.strongest(j, e) or "nothing significant" for e in range(len(grid))]
    columns = [f"{value:+.3g}" if value else "0" for value in values]
    return table(title, rows, columns, cells, "added to the dimension", notes=notes)
