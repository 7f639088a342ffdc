"""Examples of an attack: one image of each class, in a figure each and all in one sheet."""
from collections.abc import Callable

import numpy as np

from data.dataset import Dataset
from evaluation.figures import sheets
from evaluation.figures.style import RED, shorten
from evaluation.network.predictor import Predictor
from evaluation.report import Report
from evaluation.sampling import Sample
from output import progress

SHOWN = 10         # most classes whose attacked images are drawn, each against each
MOST_LETTERS = 11  # of a class's name over a column of images


def attack_examples(predictor: Predictor, attack: Callable, sample: Sample, dataset: Dataset, cfg,
                    title: str, report: Report) -> list[dict]:
    """Attacks one image of each class, towards each other class if cfg.TARGETED, and draws them.

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

    # numbers and a figure of each
    names, examples = dataset.class_names, []
    for n, (label, goal) in enumerate(progress(pairs, "figures")):
        success, steps = attacked.success[n], attacked.steps[n]
        predicted, longest = after.predicted[n, 0], after.scores[n].max()
        l2, linf = attacked.l2[n], attacked.linf[n]
        examples.append({"label": label, "target": goal if cfg.TARGETED else None,
                         "success": success, "predicted": predicted, score: longest,
                         "steps": steps, "l2": l2, "linf": linf})
        captions = (f"class {names[label]}", f"classified as {names[predicted]} ({longest:.2f})",
                    f"L2 {l2:.2f}, L-infinity {linf:.2f}")
        aim = names[goal] if cfg.TARGETED else "any other class"
        outcome = f"{'success' if success else 'failed'} after {steps} steps"
        report.draw(f"{label}-to-{goal}" if cfg.TARGETED else f"{label}", sheets.pair(
            f"{title}\n{names[label]} to {aim}: {outcome}", natural[label], attacked.images[n],
            captions))

    # all of them on one sheet: targets in columns, or before and after in rows
    labels = list(natural)
    cells = {(k, j) if cfg.TARGETED else (0, k): sheets.Cell(natural[j])
             for k, j in enumerate(labels)}
    for n, (label, goal) in enumerate(pairs):
        k = labels.index(label)
        frame = None if attacked.success[n] else RED
        cells[(k, goal) if cfg.TARGETED else (1, k)] = sheets.Cell(attacked.images[n], frame)
    columns = [shorten(names[j], MOST_LETTERS) for j in (shown if cfg.TARGETED else labels)]
    title = f"{title}\nframed: failed"
    if cfg.TARGETED:
        rows = [columns[j] for j in labels]
        sheet = sheets.table(title, rows, columns, cells, "target (on the diagonal: before)",
                             "true class")
    else:
        sheet = sheets.table(title, ["before", "after"], columns, cells, "true class")
    report.draw("examples", sheet)
    return examples
