"""Accuracy and mean losses over the whole test split, precision and recall of each class, every
error; the history of the training if at hand.

Of images with two labels, also how the errors depend on the overlap of the two digits. Several
networks are measured on the same images, and their histories drawn in one figure.

With --ensemble also what several networks say together (paper, section 7, of seven). The mean is
that of their scores, class by class: lengths of the class capsules, or the logits of networks
without capsules.
"""
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data.dataset import Batch, Dataset, Examples, batches
from evaluation.figures import charts, side_by_side
from evaluation.figures.charts import History
from evaluation.network.predictor import Predictor
from evaluation.pairs import figures as pair_figures
from evaluation.pairs import overlap
from evaluation.report import Numbers, Report
from evaluation.statistics.intervals import of_clusters
from model.compile import compiled
from model.network import Network, top_k
from output import progress
from runs import records
from runs.checkpoints import Loaded
from settings import SWITCH, InputError, Setting, split_paths
from training.step import loss_terms, pad

SETTINGS = {
    "ENSEMBLE": Setting(
        False, "test: also measure the mean of the scores of the networks in --ckpt A,B,C",
        "paper, sec. 7, for CIFAR-10", SWITCH),
}
COMPARES = True


class Judged(NamedTuple):
    """What a network says of N images with K labels."""
    terms: dict[str, np.ndarray]  # [N] each: the loss, its terms, the accuracy
    predicted: np.ndarray         # [N, K]
    scores: np.ndarray            # [N, K], of the predicted classes
    hits: np.ndarray              # bool [N, K]: the predicted class is a label
    overlap: np.ndarray | None    # [N], of pairs of digits that are known apart
    all_scores: np.ndarray | None = None  # [N, J], of all classes; None: not asked for


def check(cfg):
    """InputError if one network is to be an ensemble."""
    count = len(split_paths(cfg.CKPT))
    if cfg.ENSEMBLE and count < 2:
        raise InputError("--ensemble: expected several networks, by --ckpt A,B,C, "
                         f"received {count}")


def check_networks(loaded: list[Loaded], cfg):
    """InputError unless the scores of an ensemble's networks mean the same."""
    first, *others = loaded
    for one in others if cfg.ENSEMBLE else []:
        if subject_of(one) != subject_of(first):
            raise InputError(f"--ensemble: expected networks like {first.prefix}, "
                             f"{subject_of(first):.300}; received {one.prefix}, "
                             f"{subject_of(one):.300}")


def subject_of(loaded: Loaded) -> str:
    """Returns what the network's scores are, of which images and classes, in words."""
    network, classes = loaded.network, ", ".join(loaded.run.class_names)
    return f"{kind_of_scores(network)} for [H, W, C] {tuple(network.image_shape)} and {classes}"


def kind_of_scores(network: Network) -> str:
    return "lengths of capsules" if "capsules" in network.capabilities else "logits"


def run(predictors: dict[str, Predictor], dataset: Dataset, cfg,
        report: Report) -> tuple[Numbers, dict]:
    """Returns accuracy, error rate and losses; of each class its counts, precision and recall; of
    pairs, error and fraction with one label found by overlap.

    Draws curves.png; of pairs overlap.png. Makes per_class.csv and errors.csv.
    """
    folders = [Path(path).parent for path in split_paths(cfg.CKPT)]
    histories = dict(zip(predictors, map(read_history, folders), strict=True))

    # measure
    test, several = dataset.test, len(predictors) > 1
    digits = overlap.members(test)  # of which the intervals are, because pairs may share them
    judged = {name: judge(predictor, test, cfg.ENSEMBLE) for name, predictor in predictors.items()}
    numbers, intervals, by_overlap = {"images": len(test.labels)}, {}, {}
    for name, found in judged.items():
        wrong = ~found.hits.all(axis=1)
        means = {term: values.mean(dtype=float) for term, values in found.terms.items()}
        mine = {"accuracy": means["accuracy"], "error": 1 - means["accuracy"], **means}
        intervals[name] = of_clusters(wrong, digits)
        if found.overlap is not None:
            some = found.hits.any(axis=1)
            mine["one_right_or_both_rate"] = some.mean()
            by_overlap[name] = {"edges": overlap.EDGES, **overlap.by_overlap(
                found.overlap, ~wrong, some, digits)}
        numbers |= {name: mine} if several else mine
    details = {}
    if cfg.ENSEMBLE:
        details["ensemble"] = measure_ensemble(predictors, judged, test.labels, digits)
        numbers["ensemble_error_rate"] = details["ensemble"]["error"]

    # draw and tabulate
    draw_histories(histories, predictors, report)
    title = f"{dataset.name}: both digits right, in {len(test.labels):,} pairs"
    if by_overlap and several:
        styles = side_by_side.styles_of(predictors)
        report.draw("overlap", pair_figures.accuracy_by_overlap(title, by_overlap, styles))
    elif by_overlap:
        title = f"{dataset.name}: {numbers['error']:.2%} errors in {len(test.labels):,} pairs"
        report.draw("overlap", pair_figures.errors_by_overlap(title, *by_overlap.values()))
    classes = {name: per_class(test.labels, found, dataset) for name, found in judged.items()}
    report.tabulate("per_class", list(classes[name][0]), classes)
    report.tabulate("errors", ["file", "label", "predicted", "score"], {
        name: errors(found, dataset) for name, found in judged.items()})

    details |= {"error_intervals": intervals, "by_overlap": by_overlap, "per_class": classes}
    return numbers, details


# ---- measuring ----

def judge(predictor: Predictor, split: Examples, all_scores: bool = False) -> Judged:
    """Asks the network for the whole split, batch by batch.

    With one label for each image, the longest capsule is decoded, as if the label were not known.
    With several, the capsules of the labels are decoded. all_scores: keep those of all classes.
    """
    network, (total, K) = predictor.network, split.labels.shape
    size = min(predictor.batch_size, total)

    def ask(part: Batch):
        output = network(part.images, None if K == 1 else part.labels)
        predicted = top_k(output.scores, K)                                    # [B, K]
        scores = tf.gather(output.scores, predicted, batch_dims=1)             # [B, K]
        answer = {"terms": loss_terms(network, output, part), "predicted": predicted,
                  "scores": scores}
        return {**answer, "all_scores": output.scores} if all_scores else answer

    # batch by batch
    ask = compiled(ask, predictor.trained)
    parts, overlaps = [], []
    for batch in progress(batches(split, size), "test", math.ceil(total / size)):
        padded, _ = pad(batch, size)  # one shape for all, so TensorFlow compiles once
        parts.append(tf.nest.map_structure(lambda one: one.numpy(), ask(padded)))
        if K == 2 and batch.sources is not None:
            overlaps.append(overlap.overlap(batch.sources))

    # of all N images; what filled up the last batch is cut off
    answers = tf.nest.map_structure(lambda *some: np.concatenate(some)[:total], *parts)
    return Judged(**answers, hits=hits_of(answers["predicted"], split.labels),
                  overlap=np.concatenate(overlaps) if overlaps else None)


def hits_of(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns whether each predicted class is a label of its image. Both are [N, K]."""
    return (predicted[:, :, None] == labels[:, None]).any(axis=2)


def measure_ensemble(predictors: dict[str, Predictor], judged: dict[str, Judged],
                     labels: np.ndarray, digits: np.ndarray) -> dict:
    """Returns accuracy and error, with its interval, of the mean of the networks' scores.

    labels [N, K]; digits [N, 2]: see overlap.members
    """
    some = next(iter(predictors))
    mean = np.mean([one.all_scores for one in judged.values()], axis=0)        # [N, J]
    predicted = top_k(mean, labels.shape[1]).numpy()
    wrong = ~hits_of(predicted, labels).all(axis=1)
    return {"networks": list(predictors), "averaged": kind_of_scores(predictors[some].network),
            "accuracy": 1 - wrong.mean(), "error": wrong.mean(),
            "error_interval": of_clusters(wrong, digits)}


def per_class(labels: np.ndarray, judged: Judged, dataset: Dataset) -> list[dict]:
    """Returns for each class how many images show it, how many are said to, how many are both.

    labels [N, K]. Precision and recall are NaN if there are no images to divide by.
    """
    images, predicted, correct = (
        np.bincount(classes.ravel(), minlength=dataset.classes)
        for classes in (labels, judged.predicted, judged.predicted[judged.hits]))
    with np.errstate(invalid="ignore"):
        precision, recall = correct / predicted, correct / images
    columns = {"class": dataset.class_names, "images": images, "predicted": predicted,
               "correct": correct, "precision": precision, "recall": recall}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def errors(judged: Judged, dataset: Dataset) -> list[dict[str, str]]:
    """Returns file, label, predicted class and its score for each image that is wrong.

    Without file names it is the image's index in the test split. Several classes are joined by +.
    """
    names, labels = np.array(dataset.class_names), dataset.test.labels
    files = dataset.test_files or range(len(labels))
    return [{"file": files[n], "label": " + ".join(names[labels[n]]),
             "predicted": " + ".join(names[judged.predicted[n]]),
             "score": " + ".join(map("{:.4f}".format, judged.scores[n]))}
            for n in np.flatnonzero(~judged.hits.all(axis=1))]


# ---- the history of the training ----

def draw_histories(histories: dict[str, dict[str, History]], predictors: dict[str, Predictor],
                   report: Report):
    """Draws curves.png of the networks that have a history on validation."""
    there = {name: one for name, one in histories.items()
             if len(one["train"].steps) and len(one["val"].steps)}
    if not there:
        return
    trained_on = {Path(predictors[name].trained.DATASET).stem: None for name in there}
    title = f"training on {', '.join(trained_on)}"
    if len(predictors) > 1:
        styles = side_by_side.styles_of(predictors)
        report.draw("curves", side_by_side.validation_curves(title, there, styles))
    else:
        only, = there.values()
        report.draw("curves", charts.curves(title, only["train"], only["val"]))


def read_history(folder: Path) -> dict[str, History]:
    """Returns "train", "val" and "val_average" as train.py wrote them; empty without a file.

    InputError if there is a metrics.jsonl that is none.
    """
    found, history = records.read(folder), {}
    for split in ("train", "val", "val_average"):
        rows = [(one["step"], one["loss"], 1 - one["accuracy"]) for one in found[split]]
        history[split] = History(*np.array(rows, float).reshape(-1, 3).T)
    return history
