"""Examples of an attack: one image of each class, on one sheet."""
from collections.abc import Callable

import numpy as np

from data.dataset import Dataset
from evaluation.figures import sheets
from evaluation.figures.style import RED, shorten
from evaluation.network.predictor import Predictor
from evaluation.report import Report
from evaluation.sampling import Sample

SHOWN = 10         # most classes whose attacked images are drawn, each against each
MOST_LETTERS = 11  # of a class's name over a column of images


def attack_examples(predictor: Predictor, attack: Callable, sample: Sample, dataset: Dataset, cfg,
                    title: str, report: Report) -> list[dict]:
    """Attacks one image of each class, towards each other class if cfg.TARGETED, and draws all.

    Of many classes it takes the first SHOWN. Returns numbers for each example.

    attack: a function of images, classes and title that returns Attacked
    """
    # attack; without a target, the goal is the label
    shown = range(min(dataset.classes, SHOWN))
    natural = {j: sample.images[sample.labels == j][0] for j in shown if j in sample.labels}
    pairs = [(j, goal) for j in natural for goal in shown if (goal != j) == cfg.TARGETED]
    if not pairs:
        return []
    goals = np.array([goal for _, goal in pairs], sample.labels.dtype)
    attacked = attack(np.stack([natural[label] for label, _ in pairs]), goals, title="examples")
    after = predictor.predict(attacked.images)
    score = "score" if after.capsules is None else "length"
    examples = [{"label": label, "target": goal if cfg.TARGETED else None,
                 "success": attacked.success[n], "predicted": after.predicted[n, 0],
                 score: after.scores[n].max(), "steps": attacked.steps[n],
                 "l2": attacked.l2[n], "linf": attacked.linf[n]}
                for n, (label, goal) in enumerate(pairs)]

    # the sheet: targets in columns, or before and after in rows
    labels = list(natural)
    cells = {(k, j) if cfg.TARGETED else (0, k): sheets.Cell(natural[j])
             for k, j in enumerate(labels)}
    for n, (label, goal) in enumerate(pairs):
        k = labels.index(label)
        frame = None if attacked.success[n] else RED
        cells[(k, goal) if cfg.TARGETED else (1, k)] = sheets.Cell(attacked.images[n], frame)
    columns = [shorten(dataset.class_names[j], MOST_LETTERS)
               for j in (shown if cfg.TARGETED else labels)]
    title, rows, xlabel, ylabel = f"{title}\nframed: failed", ["before", "after"], "true class", ""
    if cfg.TARGETED:
        rows = [columns[j] for j in labels]
        xlabel, ylabel = "target (on the diagonal: before)", "true class"
    report.draw("examples", sheets.table(title, rows, columns, cells, xlabel, ylabel))
    return examples
