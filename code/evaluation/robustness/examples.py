"""Examples of an attack: one image of each class, in a figure each and all in one sheet."""
import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from data.dataset import Dataset
from evaluation.attacking.steps import Attacked
from evaluation.figures import sheets
from evaluation.figures.style import RED
from evaluation.network.predictor import Predictions, Predictor
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
    which = [np.flatnonzero(sample.labels == pair.label)[0] for pair in pairs]
    goals = np.array([pair.goal for pair in pairs], sample.labels.dtype)
    attacked = attack(sample.images[which], goals, title="examples")
    after = predictor.predict(attacked.images)

    # describe and draw
    examples = []
    for n, pair in enumerate(progress(pairs, "figures")):
        example = describe(pair, attacked, after, n, cfg)
        natural, adversarial = sample.images[which[n]], attacked.images[n]
        name = f"{pair.label}-to-{pair.goal}" if cfg.TARGETED else f"{pair.label}"
        report.draw(name, figure_of_pair(example, natural, adversarial, dataset, title))
        examples.append(example)
    before = {pair.label: sample.images[n] for pair, n in zip(pairs, which, strict=True)}
    sheet = sheet_of_pairs(pairs, before, attacked, rows, shown, dataset, cfg, title)
    report.draw("examples", sheet)
    return examples


def describe(pair: Pair, attacked: Attacked, after: Predictions, n: int, cfg) -> dict:
    """-> the numbers of the n-th example, for results.json"""
    score = "score" if after.capsules is None else "length"
    return {"label": pair.label, "target": pair.goal if cfg.TARGETED else None,
            "success": attacked.success[n], "predicted": after.predicted[n, 0],
            score: after.scores[n].max(), "steps": attacked.steps[n],
            "l2": attacked.l2[n], "linf": attacked.linf[n]}


def figure_of_pair(example: dict, natural: np.ndarray, adversarial: np.ndarray, dataset: Dataset,
                   title: str) -> Figure:
    """-> the figure of one example"""
    names = dataset.class_names
    label, predicted = names[example["label"]], names[example["predicted"]]
    goal = "any other class" if example["target"] is None else names[example["target"]]
    outcome = "success" if example["success"] else "failed"
    score = example.get("length", example.get("score"))
    captions = (f"class {label}", f"classified as {predicted} ({score:.2f})",
                f"L2 {example['l2']:.2f}, L-infinity {example['linf']:.2f}")
    title = f"{title}\n{label} to {goal}: {outcome} after {example['steps']} steps"
    return sheets.pair(title, natural, adversarial, captions)


def sheet_of_pairs(pairs: list[Pair], before: dict[int, np.ndarray], attacked: Attacked,
                   rows: list[int], shown: range, dataset: Dataset, cfg, title: str) -> Figure:
    """-> all examples in one figure. before: the natural image of each class of `rows`"""
    cells = {}
    for k, j in enumerate(rows):
        cells[(k, j) if cfg.TARGETED else (0, k)] = sheets.Cell(before[j])
    for n, pair in enumerate(pairs):
        k = rows.index(pair.label)
        frame = None if attacked.success[n] else RED
        cells[(k, pair.goal) if cfg.TARGETED else (1, k)] = sheets.Cell(attacked.images[n], frame)

    title = f"{title}\nframed: failed"
    names = [dataset.class_names[j] for j in rows]
    if not cfg.TARGETED:
        return sheets.examples(title, ["before", "after"], names, cells, "true class", "")
    columns = [dataset.class_names[j] for j in shown]
    return sheets.examples(title, names, columns, cells, "target (on the diagonal: before)",
                           "true class")
