"""Examples of an attack: one image of each class, in a figure each and all in one sheet."""
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from data.dataset import Dataset
from evaluation.figures import sheets
from evaluation.figures.style import RED
from evaluation.network.predictor import Predictor
from evaluation.report import Report
from evaluation.sampling import Sample
from output import progress

SHOWN = 10  # most classes whose attacked images are drawn, each against each


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
    examples = []
    for n, (label, goal) in enumerate(progress(pairs, "figures")):
        examples.append({
            "label": label, "target": goal if cfg.TARGETED else None,
            "success": attacked.success[n], "predicted": after.predicted[n, 0],
            score: after.scores[n].max(), "steps": attacked.steps[n],
            "l2": attacked.l2[n], "linf": attacked.linf[n]})
        report.draw(f"{label}-to-{goal}" if cfg.TARGETED else f"{label}", figure_of_example(
            examples[n], score, natural[label], attacked.images[n], dataset.class_names, title))

    # all of them on one sheet
    rows = list(natural)
    cells = {(k, j) if cfg.TARGETED else (0, k): sheets.Cell(natural[j])
             for k, j in enumerate(rows)}
    for n, (label, goal) in enumerate(pairs):
        place = (rows.index(label), goal) if cfg.TARGETED else (1, rows.index(label))
        cells[place] = sheets.Cell(attacked.images[n], None if attacked.success[n] else RED)
    names = [dataset.class_names[j] for j in rows]
    title = f"{title}\nframed: failed"
    if cfg.TARGETED:
        columns = [dataset.class_names[j] for j in shown]
        sheet = sheets.examples(title, names, columns, cells, "target (on the diagonal: before)",
                                "true class")
    else:
        sheet = sheets.examples(title, ["before", "after"], names, cells, "true class", "")
    report.draw("examples", sheet)
    return examples


def figure_of_example(example: dict, score: str, natural: np.ndarray, adversarial: np.ndarray,
                      names: tuple[str, ...], title: str) -> Figure:
    """Returns the figure of one example: both images [H, W, C], and what became of the class."""
    label, predicted = names[example["label"]], names[example["predicted"]]
    goal = "any other class" if example["target"] is None else names[example["target"]]
    outcome = "success" if example["success"] else "failed"
    captions = (f"class {label}", f"classified as {predicted} ({example[score]:.2f})",
                f"L2 {example['l2']:.2f}, L-infinity {example['linf']:.2f}")
    title = f"{title}\n{label} to {goal}: {outcome} after {example['steps']} steps"
    return sheets.pair(title, natural, adversarial, captions)
