"""Examples of an attack: one image of each class, in a figure each and all in one sheet."""
import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from data.dataset import Dataset
from evaluation.attacking.engine import Attacked
from evaluation.figures import sheets
from evaluation.figures.style import RED
from evaluation.network.predictor import Predictor
from evaluation.report import Report
from evaluation.sampling import Sample
from output import progress

SHOWN = 10  # most classes whose attacked images are drawn, each against each


class Pair(NamedTuple):
    """A class, and the class that its image is to become; without a target, the class again."""
    label: int
    goal: int


def attack_examples(predictor: Predictor, attack: Callable, sample: Sample, dataset: Dataset, cfg,
                    title: str, report: Report) -> list[dict]:
    """Attacks one image of each class, towards each other class if cfg.TARGETED, and draws them.

    Of many classes it takes the first SHOWN. attack(images, classes, title) -> Attacked
    -> numbers for each example
    """
    # attack
    shown = range(min(dataset.classes, SHOWN))
    rows = [j for j in shown if j in sample.labels]
    pairs = [Pair(j, j) for j in rows]
    if cfg.TARGETED:
        pairs = [Pair(j, goal) for j, goal in itertools.product(rows, shown) if goal != j]
    if not pairs:
        return []
    natural = {j: sample.images[np.flatnonzero(sample.labels == j)[0]] for j in rows}
    goals = np.array([pair.goal for pair in pairs], sample.labels.dtype)
    attacked = attack(np.stack([natural[pair.label] for pair in pairs]), goals, title="examples")
    after = predictor.predict(attacked.images)
    score = "score" if after.capsules is None else "length"

    # describe and draw
    examples = []
    for n, pair in enumerate(progress(pairs, "figures")):
        target = pair.goal if cfg.TARGETED else None
        name = f"{pair.label}-to-{pair.goal}" if cfg.TARGETED else f"{pair.label}"
        examples.append({
            "label": pair.label, "target": target, "success": attacked.success[n],
            "predicted": after.predicted[n, 0], score: after.scores[n].max(),
            "steps": attacked.steps[n], "l2": attacked.l2[n], "linf": attacked.linf[n]})
        report.draw(name, figure_of_pair(examples[n], score, natural[pair.label],
                                         attacked.images[n], dataset, title))
    sheet = sheet_of_pairs(pairs, natural, attacked, shown, dataset, cfg, title)
    report.draw("examples", sheet)
    return examples


def figure_of_pair(example: dict, score: str, natural: np.ndarray, adversarial: np.ndarray,
                   dataset: Dataset, title: str) -> Figure:
    """Returns the figure of one example."""
    names = dataset.class_names
    label, predicted = names[example["label"]], names[example["predicted"]]
    goal = "any other class" if example["target"] is None else names[example["target"]]
    outcome = "success" if example["success"] else "failed"
    captions = (f"class {label}", f"classified as {predicted} ({example[score]:.2f})",
                f"L2 {example['l2']:.2f}, L-infinity {example['linf']:.2f}")
    title = f"{title}\n{label} to {goal}: {outcome} after {example['steps']} steps"
    return sheets.pair(title, natural, adversarial, captions)


def sheet_of_pairs(pairs: list[Pair], natural: dict[int, np.ndarray], attacked: Attacked,
                   shown: range, dataset: Dataset, cfg, title: str) -> Figure:
    """Returns all examples in one figure. natural: the image of each class before the attack"""
    rows = {j: k for k, j in enumerate(natural)}
    cells = {(k, j) if cfg.TARGETED else (0, k): sheets.Cell(natural[j]) for j, k in rows.items()}
    for pair, image, success in zip(pairs, attacked.images, attacked.success, strict=True):
        k = rows[pair.label]
        place = (k, pair.goal) if cfg.TARGETED else (1, k)
        cells[place] = sheets.Cell(image, None if success else RED)

    title = f"{title}\nframed: failed"
    names = [dataset.class_names[j] for j in natural]
    if not cfg.TARGETED:
        return sheets.examples(title, ["before", "after"], names, cells, "true class", "")
    columns = [dataset.class_names[j] for j in shown]
    return sheets.examples(title, names, columns, cells, "target (on the diagonal: before)",
                           "true class")
