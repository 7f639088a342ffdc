"""Accuracy and mean losses over the whole test split; the history of the training if at hand.

Of images with two labels, also how the errors depend on the overlap of the two digits.
"""
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.dataset import Dataset
from evaluation import charts, overlap, pair_figures
from evaluation.charts import History
from evaluation.report import Report
from settings import InputError

if TYPE_CHECKING:  # imports TensorFlow
    from evaluation.predictor import Predictor

SETTINGS = {}
NEEDS = frozenset()


def run(predictor: "Predictor", dataset: Dataset, cfg, report: Report) -> tuple[dict, dict]:
    """-> accuracy, error rate and losses; of pairs, the same by overlap. Draws curves.png."""
    train, val = read_history(Path(cfg.CKPT).parent / "metrics.jsonl")
    if dataset.test.labels.shape[1] == 2 and has_sources(dataset):
        means, details = measure_pairs(predictor, dataset, cfg, report)
    else:
        means, details = measure(predictor, dataset, cfg), {}
    if len(train.steps) and len(val.steps):
        title = f"training on {Path(predictor.trained.DATASET).stem}"
        report.draw("curves", charts.curves(title, train, val))
    accuracy = means.pop("accuracy")
    return {"images": len(dataset.test.labels), "accuracy": accuracy, "error": 1 - accuracy,
            **means}, details


def has_sources(dataset: Dataset) -> bool:
    """Whether the test split shows what each label stands for apart."""
    return dataset.test.take(slice(0, 1)).sources is not None


def measure(predictor: "Predictor", dataset: Dataset, cfg) -> dict[str, float]:
    """-> the means of the accuracy and of the losses"""
    from training.devices import Devices
    from training.evaluate import evaluate
    from training.step import make_test_step
    test_step = make_test_step(predictor.network, predictor.trained, Devices())
    return evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test")


def measure_pairs(predictor: "Predictor", dataset: Dataset, cfg,
                  report: Report) -> tuple[dict[str, float], dict]:
    """-> the means, with the share of pairs of which one label is found or more; bins of overlap

    Draws overlap.png.
    """
    means, found = overlap.measure(predictor, dataset.test, cfg.BATCH_SIZE)
    means["one_right_or_both_rate"] = means.pop("some_right")
    error = 1 - means["accuracy"]
    title = f"{dataset.name}: {error:.2%} errors in {found.count.sum():,} pairs"
    report.draw("overlap", pair_figures.errors_by_overlap(title, found))
    return means, {"by_overlap": {"edges": pair_figures.EDGES, **found._asdict()}}


def read_history(path: Path) -> tuple[History, History]:
    """-> of training and of validation, as train.py wrote them; empty if there is no such file

    InputError if it is not a metrics.jsonl.
    """
    try:
        lines = path.read_text().splitlines() if path.is_file() else []
        records = [json.loads(line) for line in lines if line.endswith("}")]  # the last may be half
        return history(records, "train"), history(records, "val")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a metrics.jsonl of train.py "
                         f"({type(error).__name__}: {error})") from None


def history(records: list[dict], split: str) -> History:
    """-> the metrics of one split."""
    mine = [record for record in records if record["split"] == split]
    return History(np.array([record["step"] for record in mine], float),
                   np.array([record["loss"] for record in mine], float),
                   np.array([1 - record["accuracy"] for record in mine], float))
