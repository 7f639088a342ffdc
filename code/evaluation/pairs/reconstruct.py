"""Images of two digits: whether each capsule draws its own digit alone, measured and shown."""
import itertools

import numpy as np

from data.dataset import Batch, Dataset, as_batch, stream
from evaluation.network.predictor import Predictor
from evaluation.pairs import figures as pair_figures
from evaluation.pairs import segmentation
from evaluation.report import Report

LOOKED_AT = 500    # pairs, spread evenly over the test split, of which the first ones are drawn
SHOWN = 20         # pairs in a figure


def run(predictor: Predictor, dataset: Dataset, cfg, report: Report) -> tuple[dict, dict]:
    """Returns accuracy and segmentation; its tables. Draws segmentation.png, right.png and wrong.png."""
    # measure the whole split
    found = segmentation.measure(predictor, dataset.test, cfg.BATCH_SIZE, cfg.SEED)
    total = len(dataset.test.labels)
    title = f"{dataset.name}: do the capsules of {total:,} pairs draw their own digits?"
    report.draw("segmentation", pair_figures.segmentation_by_overlap(title, found.by_overlap))

    # draw some pairs
    chosen = np.unique(np.linspace(0, total - 1, LOOKED_AT).astype(int))
    batch = as_batch(dataset.test.take(chosen))
    drawn = segmentation.draw(predictor, batch, stream(cfg.SEED, "absent"))
    draw_pairs("right", drawn.right, "both labels are predicted", batch, drawn, dataset, report)
    draw_pairs("wrong", ~drawn.right, "misclassified; bold: not the labels", batch, drawn, dataset,
               report)

    # the most of it, to print
    tables = {"right": found.right, "wrong": found.wrong}
    numbers = {"images": total, "accuracy": found.accuracy, "error": 1 - found.accuracy}
    for part, measure, kind in itertools.product(tables, segmentation.MEASURES, segmentation.KINDS):
        name = f"{measure}_{part}_{kind.replace(' ', '_')}"
        numbers[name] = tables[part][kind][measure]["mean"]
    by_overlap = {"edges": pair_figures.EDGES, **found.by_overlap}
    return numbers, {"segmentation": {**tables, "by_overlap": by_overlap}}


def draw_pairs(name: str, which: np.ndarray, words: str, batch: Batch, drawn: segmentation.Drawn,
               dataset: Dataset, report: Report):
    """Draws name.png, the first pairs of bool [N] `which`, if there are any."""
    first = np.flatnonzero(which)[:SHOWN]
    if len(first):
        batch, drawn = (type(one)(*(array[first] for array in one)) for one in (batch, drawn))
        report.draw(name, pair_figures.sheet(f"{dataset.name}: {words}", batch, drawn, dataset))
