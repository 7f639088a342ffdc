"""How little it takes to fool the network, and how often its reconstruction gives the attack away.

It attacks test images that are classified right. With TARGETED, SEED draws one other class for
each of them as its target.
"""
import inspect
from typing import TYPE_CHECKING

import numpy as np

from data.dataset import Dataset, scale, stream
from evaluation import attacks, charts, detection, sampling, tables
from evaluation.climbing import Attacked, success_curve
from evaluation.examples import attack_examples
from evaluation.report import Report
from evaluation.sampling import Sample
from settings import POSITIVE, SWITCH, UP_TO_ONE, Setting, one_of

if TYPE_CHECKING:  # imports TensorFlow
    from evaluation.predictor import Predictions, Predictor

# The public functions of attacks.py, by name.
ATTACKS = {name: value for name, value in vars(attacks).items()
           if inspect.isfunction(value) and value.__module__ == attacks.__name__
           and not name.startswith("_")}

SETTINGS = {
    "ATTACK": Setting("original", f"adversarial: {', '.join(ATTACKS)}", "original; see attacks.py",
                      one_of(ATTACKS)),
    "TARGETED": Setting(
        True, "adversarial: towards a given class, or only away from the true one", "original",
        SWITCH),
    "LR": Setting(
        1.0, "adversarial, original attack: L2 length of one step, pixels in [0, 1]", "original",
        POSITIVE),
    "EPSILON": Setting(
        0.3, "adversarial, other attacks: largest change of a pixel (L-infinity), pixels in [0, 1]",
        "Madry 2018", UP_TO_ONE),
}
NEEDS = frozenset()  # detection by reconstruction, which needs a decoder, is left out without one


def check_dataset(dataset: Dataset, cfg):
    """InputError unless every image has one label."""
    sampling.check_one_label(dataset, "adversarial")


def folder(cfg) -> str:
    """The folder of this attack, such as pgd-untargeted."""
    return f"{cfg.ATTACK}-{aim(cfg)}"


def aim(cfg) -> str:
    return "targeted" if cfg.TARGETED else "untargeted"


def run(predictor: "Predictor", dataset: Dataset, cfg, report: Report) -> tuple[dict, dict]:
    """-> success, distances, steps, detection; the success curve, tables and examples."""
    attack = ATTACKS[cfg.ATTACK]
    title = f"{dataset.name}, {attacks.TITLES.get(cfg.ATTACK, cfg.ATTACK)}, {aim(cfg)}"
    everything = np.arange(len(dataset.test.labels))
    sample = sampling.classified_right(predictor, dataset.test, everything, cfg)
    labels = sample.labels

    # one image of each class, to look at
    examples = attack_examples(predictor, attack, sample, dataset, cfg, title, report)

    # all images, to measure
    targets = draw_targets(labels, dataset.classes, cfg.SEED)
    attacked = attack(predictor, sample.images, targets if cfg.TARGETED else labels, cfg, "attack")
    after = predictor.predict(attacked.images, labels[:, None])

    # success rate, distance, steps
    success, curve = measure_success(attacked, title, report)
    others = targets if cfg.TARGETED else after.predicted[:, 0]
    by_class = draw_tables(labels, others, attacked, dataset, cfg, title, report)

    # detection by reconstruction
    if "decoder" in predictor.network.capabilities:
        found = measure_detection(predictor, sample, attacked, after, dataset, cfg, title, report)
    else:
        found = {}
    numbers = {"images": sample.drawn, "images_classified_right": len(labels), **success, **found}
    return numbers, {"curve": curve, **by_class, "examples": examples}


def draw_targets(labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """labels [N] -> another class for each [N]"""
    further = stream(seed, "target").integers(1, classes, len(labels))
    return ((labels + further) % classes).astype(labels.dtype)


def measure_success(attacked: Attacked, title: str, report: Report) -> tuple[dict, dict]:
    """-> numbers about the successful attacks, and the success curve. Draws success.png."""
    done = attacked.success
    l2, linf, steps = attacked.l2[done], attacked.linf[done], attacked.steps[done]
    rates = success_curve(attacked, attacked.tried)
    report.draw("success", charts.success(
        f"{title}: {done.mean():.1%} of {len(done)} images", attacked.tried, rates,
        f"{attacked.norm} budget (pixels in [0, 1])", steps))
    numbers = {"success_rate": done.mean(),
               "mean_l2": tables.mean(l2), "median_l2": tables.median(l2),
               "mean_linf": tables.mean(linf), "median_linf": tables.median(linf),
               "mean_steps": tables.mean(steps), "median_steps": tables.median(steps)}
    return numbers, {"norm": attacked.norm, "budgets": attacked.tried, "success_rates": rates}


def draw_tables(labels: np.ndarray, others: np.ndarray, attacked: Attacked, dataset: Dataset, cfg,
                title: str, report: Report) -> dict[str, np.ndarray]:
    """labels [N], others [N]: the targets, or what the images became -> tables [J, J] by name

    Draws each of them.
    """
    xlabel = "target" if cfg.TARGETED else "class after the attack"

    def draw(name, table, colour_label, form):
        report.draw(name, charts.matrix(title, table, dataset.class_names, xlabel, "true class",
                                        colour_label, form))
        return {name: table}

    done = attacked.success
    table = tables.mean_by_classes(labels[done], others[done], attacked.l2[done], dataset.classes)
    drawn = draw("l2_by_class", table, "mean L2 distance needed (pixels in [0, 1])", "{:.1f}")
    if cfg.TARGETED:
        table = tables.mean_by_classes(labels, others, done, dataset.classes)
        return drawn | draw("success_by_class", table, "success rate", "{:.2f}")
    counts = tables.confusion(labels, others, dataset.classes)
    table = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return drawn | draw("share_by_class", table, "share of the true class", "{:.2f}")


def measure_detection(predictor: "Predictor", sample: Sample, attacked: Attacked,
                      after: "Predictions", dataset: Dataset, cfg, title: str,
                      report: Report) -> dict:
    """-> how well the reconstruction tells attacked from natural images. Draws detection.png.

    after: predictions of the attacked images. The threshold is that of validation images. Where
    none were held out, it is that of training images, which are reconstructed a little better.
    """
    # the threshold
    split = dataset.val if len(dataset.val.labels) else dataset.train
    chosen = sampling.spread_evenly(split.labels[:, 0], cfg.NUM_IMAGES, cfg.SEED)
    images, labels = scale(split.take(chosen).images), split.labels[chosen]
    known = predictor.predict(images, labels, "images for the threshold")
    distances = detection.reconstruction_distance(images, known.from_predicted[:, 0])
    limit = detection.threshold(distances)

    # natural and successfully attacked test images
    natural = detection.reconstruction_distance(sample.images,
                                                sample.predictions.from_predicted[:, 0])
    fooling = detection.reconstruction_distance(attacked.images, after.from_predicted[:, 0])
    fooling = fooling[attacked.success]
    report.draw("detection", charts.detection(f"{title}: detection by reconstruction", natural,
                                              fooling, limit))
    return {"detection_threshold": limit, "false_positive_rate": (natural > limit).mean(),
            "detection_rate": tables.mean(fooling > limit),
            "roc_area": detection.roc_area(natural, fooling),
            "undetected_success_rate": (fooling <= limit).sum() / len(attacked.success)}
