"""Accuracy and mean losses over the whole test split; the history of the training if at hand."""
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.dataset import Dataset
from evaluation import charts
from evaluation.charts import History
from evaluation.report import Report
from settings import InputError

if TYPE_CHECKING:  # imports TensorFlow
    from evaluation.predictor import Predictor

SETTINGS = {}
NEEDS = frozenset()


def run(predictor: "Predictor", dataset: Dataset, cfg, report: Report) -> tuple[dict, dict]:
    """-> accuracy, error rate and losses; no further details. Draws curves.png."""
    from training.devices import Devices
    from training.evaluate import evaluate
    from training.step import make_test_step

    train, val = read_history(Path(cfg.CKPT).parent / "metrics.jsonl")
    test_step = make_test_step(predictor.network, predictor.trained, Devices())
    means = evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test")
    if len(train.steps) and len(val.steps):
        title = f"training on {Path(predictor.trained.DATASET).stem}"
        report.draw("curves", charts.curves(title, train, val))
    accuracy = means.pop("accuracy")
    return {"images": len(dataset.test.labels), "accuracy": accuracy, "error": 1 - accuracy,
            **means}, {}


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
