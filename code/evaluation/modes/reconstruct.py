"""How well the capsules describe each test image, and whether their lengths are probabilities.

Of images of two digits see pairs/reconstruct.py.
"""
import numpy as np
from scipy import stats

from data.dataset import Dataset, scale
from evaluation.figures import charts, sheets
from evaluation.figures.style import shorten
from evaluation.network.predictor import Predictions, Predictor
from evaluation.pairs import reconstruct as reconstructed_pairs
from evaluation.report import Report
from evaluation.statistics import tables
from evaluation.statistics.intervals import with_interval
from output import progress
from settings import Setting, one_of

MOST_IMAGES = 100  # in a figure
MOST_LETTERS = 11  # of a class's name above an image
BINS = 10          # of lengths

SETTINGS = {
    "SHOW": Setting(
        "errors", "reconstruct, of one digit: draw errors, reconstructed from the label's and from "
        "the predicted capsule, or all images", "ours; the original draws batches with errors",
        one_of(("errors", "all"))),
    "MASK": Setting(
        "predicted", "reconstruct --show all: the capsule to draw, predicted or label",
        "ours; the original takes the label's", one_of(("predicted", "label"))),
}
NEEDS = frozenset({"capsules", "decoder"})


def run(predictor: Predictor, dataset: Dataset, cfg, report: Report) -> tuple[dict, dict]:
    """Returns accuracy, squared errors, calibration; the confusion matrix and the wrong images.

    Rows and columns of the confusion are the classes, in the order of class_names.
    """
    if dataset.test.labels.shape[1] == 2:
        return reconstructed_pairs.run(predictor, dataset, cfg, report)

    # predict and decode
    test = dataset.test.take(slice(None))
    images, labels = scale(test.images), test.labels[:, 0]
    predictions = predictor.predict(images, test.labels, "reconstruct")
    predicted = predictions.predicted[:, 0]
    right = predicted == labels
    wrong = np.flatnonzero(~right)

    # draw images, measure and draw the rest
    wanted = wrong if cfg.SHOW == "errors" else np.arange(len(labels))
    images_drawn = draw_images(images, labels, predictions, wanted, dataset, cfg, report)
    confusion = tables.confusion(labels, predicted, dataset.classes)
    report.draw("confusion", charts.matrix(
        f"{dataset.name}: {len(wrong)} errors in {len(labels)} test images", confusion,
        charts.short_names(dataset.class_names), "predicted class", "true class", "errors",
        "{:.0f}"))
    calibration = reliability(predictions.scores.max(axis=1), right)
    report.draw("reliability", charts.reliability(
        f"{dataset.name}: is a capsule's length a probability?", calibration))
    by_label, by_predicted = (
        np.square(images - drawn[:, 0]).mean(axis=(1, 2, 3))
        for drawn in (predictions.from_label, predictions.from_predicted))     # [N] each
    numbers = {"images": len(labels), "accuracy": right.mean(), "errors": len(wrong),
               "images_drawn": images_drawn,
               "squared_error_per_pixel_right": tables.mean(by_label[right]),
               "squared_error_per_pixel_wrong_label_capsule": tables.mean(by_label[wrong]),
               "squared_error_per_pixel_wrong_predicted_capsule": tables.mean(by_predicted[wrong]),
               "expected_calibration_error": expected_calibration_error(calibration)}
    return numbers, {"confusion": confusion, "reliability": calibration, "wrong": wrong}


# ---- whether a capsule's length is a probability (Guo 2017, arXiv 1706.04599) ----

def reliability(lengths: np.ndarray, correct: np.ndarray) -> dict[str, np.ndarray]:
    """Bins N images by the lengths [N] of their winning capsules, in [0, 1]; NaN for an empty bin.

    correct [N]: whether they are the label's. Returns "count", mean "length", "accuracy" and its
    interval (Wilson) from "low" to "high", [BINS] each.
    """
    count = np.histogram(lengths, BINS, (0, 1))[0]
    length, accuracy = stats.binned_statistic(lengths, [lengths, correct], "mean", BINS,
                                              (0, 1)).statistic
    return {"count": count, "length": length, **with_interval(accuracy, count)}


def expected_calibration_error(found: dict[str, np.ndarray]) -> float:
    """Returns the mean distance of an image's bin's mean length from its accuracy."""
    distance = np.abs(found["length"] - found["accuracy"])                     # [BINS]
    return np.nansum(distance * found["count"]) / found["count"].sum()


# ---- drawing ----

def draw_images(images: np.ndarray, labels: np.ndarray, predictions: Predictions,
                wanted: np.ndarray, dataset: Dataset, cfg, report: Report) -> int:
    """Draws the images [wanted] above their reconstructions, in MAX_ITERS figures at most.

    Returns how many images it drew.
    """
    # for each capsule the class that it stands for, and what it draws
    kinds = {"label": (labels, predictions.from_label),
             "predicted": (predictions.predicted[:, 0], predictions.from_predicted)}
    if cfg.SHOW == "all":
        kinds = {cfg.MASK: kinds[cfg.MASK]}
    of = "errors" if cfg.SHOW == "errors" else "test images"
    size = min(cfg.BATCH_SIZE, MOST_IMAGES)
    wanted = wanted[:cfg.MAX_ITERS * size]
    for page, start in enumerate(progress(range(0, len(wanted), size), "figures")):
        which = wanted[start:start + size]
        captions = [caption(dataset.class_names[j]) for j in labels[which]]
        rows = [sheets.Row("input", images[which], captions)]
        for kind, (classes, drawn) in kinds.items():
            captions = [caption(dataset.class_names[classes[n]], predictions.scores[n, classes[n]])
                        for n in which]
            rows.append(sheets.Row(f"{kind} capsule", drawn[which, 0], captions,
                                   classes[which] != labels[which]))
        report.draw(f"{cfg.SHOW}-{page:03}", sheets.rows_of_images(
            f"{dataset.name}, {of} {start + 1} to {start + len(which)}\n"
            "class (length of its capsule); bold: not the label", rows))
    return len(wanted)


def caption(name: str, length: float | None = None) -> str:
    """Returns a class and the length of its capsule; on two lines unless the name is a number."""
    if length is None:
        return shorten(name, MOST_LETTERS)
    space = " " if name.isdigit() else "\n"
    return f"{shorten(name, MOST_LETTERS)}{space}({length:.2f})"
