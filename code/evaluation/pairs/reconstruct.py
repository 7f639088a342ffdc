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
    """Returns accuracy and segmentation; its tables.

    Draws segmentation.png, and right.png and wrong.png if there are such pairs.
    """
    # measure the whole split
    measured, right, overlaps = segmentation.measure(predictor, dataset.test, cfg.BATCH_SIZE,
                                                     cfg.SEED)
    tables = segmentation.tables(measured, right, overlaps)
    title = f"{dataset.name}: do the capsules of {len(right):,} pairs draw their own digits?"
    report.draw("segmentation", pair_figures.segmentation_by_overlap(title, tables["by_overlap"]))

    # draw some pairs
    chosen = np.unique(np.linspace(0, len(right) - 1, LOOKED_AT).astype(int))
    batch = as_batch(dataset.test.take(chosen))
    drawn = segmentation.draw(predictor, batch, stream(cfg.SEED, "absent"))
    for name, which, words in (
            ("right", drawn.right, "both labels are predicted"),
            ("wrong", ~drawn.right, "misclassified; bold: not the labels")):
        first = np.flatnonzero(which)[:SHOWN]
        if len(first):
            pairs = Batch(*(array[first] for array in batch))
            shown = segmentation.Drawn(*(array[first] for array in drawn))
            title = f"{dataset.name}: {words}"
            report.draw(name, pair_figures.sheet(title, pairs, shown, dataset))

    # the most of it, to print
    accuracy = right.mean()
    numbers = {"images": len(right), "accuracy": accuracy, "error": 1 - accuracy}
    for part, measure, kind in itertools.product(("right", "wrong"), segmentation.MEASURES,
                                                 segmentation.KINDS):
        name = f"{measure}_{part}_{kind.replace(' ', '_')}"
        numbers[name] = tables[part][kind][measure]
    return numbers, {"segmentation": tables}
