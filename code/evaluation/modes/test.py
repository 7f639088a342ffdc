"""Accuracy and mean losses over the whole test split; the history of the training if at hand.

Of images with two labels, also how the errors depend on the overlap of the two digits. Several
networks are measured on the same images, and their histories drawn in one figure.
"""
from pathlib import Path

import numpy as np

from data.dataset import Dataset
from data.readers.files import from_json
from evaluation.figures import charts, side_by_side
from evaluation.figures.charts import History
from evaluation.network.predictor import Predictor
from evaluation.pairs import figures as pair_figures
from evaluation.pairs import overlap
from evaluation.pairs.overlap import ByOverlap
from evaluation.report import Report
from evaluation.sampling import has_sources
from evaluation.statistics.intervals import of_pairs, wilson
from settings import InputError, split_paths
from training.devices import Devices
from training.evaluate import evaluate
from training.step import make_test_step

COMPARES = True


def run(predictors: dict[str, Predictor], dataset: Dataset, cfg,
        report: Report) -> tuple[dict, dict]:
    """-> accuracy, error rate and losses; of pairs, error and share with one label by overlap.

    Draws curves.png; of pairs overlap.png.
    """
    histories = {name: read_history(Path(path).parent / "metrics.jsonl")
                 for name, path in zip(predictors, split_paths(cfg.CKPT), strict=True)}

    # measure
    means, bins, intervals = {}, {}, {}
    count = len(dataset.test.labels)
    in_pairs = dataset.test.labels.shape[1] == 2 and has_sources(dataset)
    for name, predictor in predictors.items():
        if in_pairs:
            means[name], bins[name], intervals[name] = measure_pairs(predictor, dataset)
        else:
            means[name] = measure(predictor, dataset, cfg)
            intervals[name] = wilson(1 - means[name]["accuracy"], count)

    # draw
    draw_histories(histories, predictors, report)
    if in_pairs:
        draw_overlap(bins, means, side_by_side.styles_of(predictors), dataset, report)

    # numbers to print
    numbers = {"images": count}
    for name, found in means.items():
        accuracy = found["accuracy"]
        owner = f"{name}:_" if len(predictors) > 1 else ""
        for key, value in {"accuracy": accuracy, "error": 1 - accuracy, **found}.items():
            numbers[f"{owner}{key}"] = value
    by_overlap = {name: {"edges": pair_figures.EDGES, **found._asdict()}
                  for name, found in bins.items()}
    return numbers, {"error_intervals": intervals, "by_overlap": by_overlap}


def measure(predictor: Predictor, dataset: Dataset, cfg) -> dict[str, float]:
    """-> the means of the accuracy and of the losses"""
    test_step = make_test_step(predictor.network, predictor.trained, Devices())
    return evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test")


def measure_pairs(predictor: Predictor,
                  dataset: Dataset) -> tuple[dict[str, float], ByOverlap, tuple[float, float]]:
    """-> the means, bins of overlap, the interval of the error

    The means have the share of pairs of which one label is found or more.
    """
    means, judged = overlap.measure(predictor, dataset.test)
    means["one_right_or_both_rate"] = means.pop("some_right")
    digits = overlap.members(dataset.test)
    return means, overlap.by_overlap(judged, digits), of_pairs(~judged.right, digits)


def draw_overlap(bins: dict[str, ByOverlap], means: dict[str, dict],
                 styles: dict[str, side_by_side.Style], dataset: Dataset, report: Report):
    """Draws overlap.png: the errors of one network, or the accuracies of several."""
    count = len(dataset.test.labels)
    if len(bins) > 1:
        title = f"{dataset.name}: both digits right, in {count:,} pairs, 95 % intervals"
        figure = pair_figures.accuracy_by_overlap(title, bins, styles)
    else:
        (name, found), = bins.items()
        title = f"{dataset.name}: {1 - means[name]['accuracy']:.2%} errors in {count:,} pairs"
        figure = pair_figures.errors_by_overlap(title, found)
    report.draw("overlap", figure)


# ---- the history of the training ----

def draw_histories(histories: dict[str, dict[str, History]], predictors: dict[str, Predictor],
                   report: Report):
    """Draws curves.png of the networks that have a history on validation."""
    there = {name: one for name, one in histories.items()
             if len(one["train"].steps) and len(one["val"].steps)}
    if not there:
        return
    stems = {Path(predictors[name].trained.DATASET).stem: None for name in there}
    title = f"training on {', '.join(stems)}"
    if len(predictors) > 1:
        styles = side_by_side.styles_of(predictors)
        report.draw("curves", side_by_side.validation_curves(title, there, styles))
    else:
        only, = there.values()
        report.draw("curves", charts.curves(title, only["train"], only["val"]))


def read_history(path: Path) -> dict[str, History]:
    """-> of "train", "val" and "val_average", as train.py wrote them; empty if there is none

    InputError if it is not a metrics.jsonl.
    """
    try:
        lines = path.read_text().splitlines() if path.is_file() else []
        records = [from_json(line) for line in lines if line.endswith("}")]  # the last may be half
        return {split: history(records, split) for split in ("train", "val", "val_average")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a metrics.jsonl of train.py "
                         f"({type(error).__name__}: {error})") from None


def history(records: list[dict], split: str) -> History:
    """-> the metrics of one split."""
    mine = [record for record in records if record["split"] == split]
    return History(np.array([record["step"] for record in mine], float),
                   np.array([record["loss"] for record in mine], float),
                   np.array([1 - record["accuracy"] for record in mine], float))
