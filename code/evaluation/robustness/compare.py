"""Several networks under the same attacks, on the same images, at the same budgets.

Besides: whether images made on one network fool another, and whether the attacks may be trusted
(gradient_masking.py); and how the networks bear damage that nobody aims at them (corruptions.py).
"""
import inspect
import itertools
from typing import NamedTuple

import numpy as np

import registry
from data.dataset import Dataset, stream
from evaluation import attacks, sampling
from evaluation.attacking import balls, budgets
from evaluation.attacking.steps import Attacked, success_curve
from evaluation.figures import charts
from evaluation.figures.side_by_side import Panel, Style, accuracy_curves, styles_of
from evaluation.network.predictor import Predictor
from evaluation.report import Report
from evaluation.robustness import corruptions, detection, gradient_masking
from evaluation.sampling import Shared
from evaluation.statistics.intervals import wilson, with_interval
from output import progress
from settings import InputError

Predictors = dict[str, Predictor]  # by name

# Every public function of that file is a corruption.
CORRUPTIONS = {name: value for name, value in vars(corruptions).items()
               if inspect.isfunction(value) and not name.startswith("_")
               and value.__module__ == corruptions.__name__}


class Row(NamedTuple):
    """One attack of the table."""
    attack: str
    norm: str    # "linf" or "l2"

    def title(self) -> str:
        return f"{self.attack} {self.norm}"


# The usual attack and the strongest one have a second row in --attack all.
IN_L2_TOO = ("pgd", "strong")


def compare(predictors: Predictors, dataset: Dataset, cfg, report: Report) -> tuple[dict, dict]:
    """-> numbers to print, the success rates and whether the checks hold; details, all tables

    cfg.ATTACK: one attack, or "all". Draws success.png, transfer.png and corruptions.png.
    """
    rows = rows_of(cfg)
    check_needs(rows, predictors, cfg)
    (images, labels), sample = sampling.right_for_all(predictors, dataset, cfg)
    detectors = {name: detector_of(predictor, sample, dataset, cfg)
                 for name, predictor in predictors.items()
                 if "decoder" in predictor.network.capabilities}

    # every attack on every network
    table, panels = {}, []
    for row in rows:
        networks = {name: try_attack(row, name, predictor, sample, cfg, detectors.get(name))
                    for name, predictor in predictors.items()
                    if attacks.needs_of(row.attack) <= predictor.network.capabilities}
        table[row.title()] = networks
        if networks:
            panels.append(panel(row, networks, cfg))
    styles = styles_of(predictors)
    title = f"{dataset.name}: {len(sample.labels)} test images that all networks classify right"
    report.draw("success", accuracy_curves(f"{title}, after an attack", panels, styles,
                                           "share that withstands the attack"))

    # transfer, corruptions, checks
    matrix = gradient_masking.transfer(predictors, sample, cfg)
    report.draw("transfer", charts.matrix(
        f"{title}\npgd, L-infinity {cfg.EPSILON / 2:.3g}, {gradient_masking.STEPS} steps", matrix,
        list(predictors), "tried on", "made on", "share that fools", "{:.3f}"))
    damaged = accuracies_when_damaged(predictors, images, labels, cfg)
    draw_corruptions(dataset, len(labels), damaged, styles, report)
    checks = {}
    for k, (name, predictor) in enumerate(progress(predictors.items(), "checks")):
        others = np.delete(matrix[:, k], k)  # made on the others, tried on this one
        checks[name] = gradient_masking.check(predictor, sample, cfg, matrix[k, k], others)

    # numbers to print
    numbers = {"images": len(labels), "images_all_classify_right": len(sample.labels)}
    for (attack, networks), name in itertools.product(table.items(), predictors):
        if name in networks:
            numbers[f"{name}:_{attack}_success_rate"] = networks[name]["success_rate"]
    for name, made in checks.items():
        for words, one in made.items():
            numbers[f"{name}:_{words}"] = "holds" if one["holds"] else "fails"
    thresholds = {name: detector.threshold for name, detector in detectors.items()}
    return numbers, {"attacks": table, "detection_thresholds": thresholds, "transfer": matrix,
                     "networks": list(predictors), "corruptions": damaged, "checks": checks}


def rows_of(cfg) -> list[Row]:
    """-> the attacks that cfg.ATTACK stands for"""
    if cfg.ATTACK != "all":
        return [Row(cfg.ATTACK, attacks.norm_of(cfg.ATTACK, cfg.NORM))]
    rows = [Row(attack, attacks.norm_of(attack, "linf"))
            for attack in registry.names(attacks.FOLDER)]
    return rows + [Row(attack, "l2") for attack in IN_L2_TOO]


def check_needs(rows: list[Row], predictors: Predictors, cfg):
    """InputError unless one of the networks, at least, has what one of the attacks needs."""
    for row in rows:
        needs = attacks.needs_of(row.attack)
        if any(needs <= predictor.network.capabilities for predictor in predictors.values()):
            return
    raise InputError(f"--attack {cfg.ATTACK}: expected a network with "
                     f"{' and '.join(sorted(attacks.needs_of(cfg.ATTACK)))}, received only "
                     "networks without")


# ---- the table ----

class Detector(NamedTuple):
    """What calls an image of one network suspect, and how often it is wrong about natural ones."""
    threshold: float      # distance from the reconstruction
    suspects: np.ndarray  # bool [N], of the sample


def detector_of(predictor: Predictor, sample: Shared, dataset: Dataset, cfg) -> Detector:
    """-> the detector of a network with a decoder"""
    threshold = detection.find_threshold(predictor, dataset, cfg)
    return Detector(threshold, is_suspect(predictor, sample.images, sample.labels, threshold))


def is_suspect(predictor: Predictor, images: np.ndarray, labels: np.ndarray,
               threshold: float) -> np.ndarray:
    """images [N, H, W, C], labels [N] -> whether each is too far from its reconstruction [N]"""
    reconstruction = predictor.predict(images).from_predicted[:, 0]
    return detection.reconstruction_distance(images, reconstruction) > threshold


def try_attack(row: Row, name: str, predictor: Predictor, sample: Shared, cfg,
               detector: Detector | None) -> dict:
    """Attacks one network with one row of the table -> its numbers, with intervals (Wilson)

    A success beyond the largest budget does not count: the attack `original` knows no budget.
    The median distance is over all images. It is infinite if half of them or more are not fooled.
    """
    threshold = detector.threshold if detector else None
    attacked = attacks.run(row.attack, predictor, sample.images, sample.goals,
                           cfg.changed(NORM=row.norm), threshold, f"{name}, {row.title()}")
    tried = curve_budgets(row, cfg)
    count, fooled = len(sample.labels), attacked.budget <= tried[-1]
    numbers = {"images": count, **share("success_rate", fooled),
               "median_distance": np.median(np.where(fooled, distance(attacked), np.inf)),
               "budgets": tried, "success_rates": success_curve(attacked, tried)}

    # does the reconstruction give it away?
    if detector:
        seen = is_suspect(predictor, attacked.images, sample.labels, detector.threshold)
        numbers |= {**share("detection_rate", seen[fooled]),
                    **share("false_positive_rate", detector.suspects),
                    **share("undetected_success_rate", fooled & ~seen)}
    return numbers


def share(name: str, yes: np.ndarray) -> dict:
    """bool [n] -> the share that is true and its 95 % interval; None for an empty array"""
    if not len(yes):
        return {name: None, f"{name}_interval": None}
    rate = yes.mean()
    return {name: float(rate), f"{name}_interval": [float(end) for end in wilson(rate, len(yes))]}


def distance(attacked: Attacked) -> np.ndarray:
    """-> how far each image was moved, in the norm of the attack [N]"""
    return attacked.l2 if attacked.norm == "L2" else attacked.linf


def curve_budgets(row: Row, cfg) -> np.ndarray:
    """-> the budgets at which the curve is drawn: 0, and BUDGETS more at equal distances

    An attack with fewer steps than BUDGETS tries fewer.
    """
    return np.append(np.float32(0), balls.budgets(row.norm, cfg, budgets.BUDGETS))


def panel(row: Row, networks: dict[str, dict], cfg) -> Panel:
    """The numbers of each network -> the share that withstands, against the budget

    Where any wrong class is a success, that is the accuracy that is left.
    """
    left = {name: with_interval(1 - numbers["success_rates"], numbers["images"])
            for name, numbers in networks.items()}
    return Panel(f"{row.attack}: {balls.BALLS[row.norm].norm} budget", curve_budgets(row, cfg), left)


# ---- corruptions ----

def accuracies_when_damaged(predictors: Predictors, images: np.ndarray, labels: np.ndarray,
                            cfg) -> dict:
    """-> {corruption: {network: accuracy at each strength, with its interval}}

    Strength 0 is the images as they are.
    """
    def accuracy(predictor, damaged):
        predicted = predictor.predict(damaged).predicted[:, 0]
        return float((predicted == labels).mean())

    natural = {network: accuracy(one, images) for network, one in predictors.items()}
    table = {}
    for name, corruption in progress(CORRUPTIONS.items(), "corruptions"):
        values = {network: [natural[network]] for network in predictors}
        for strength in corruptions.STRENGTHS:
            damaged = corruption(images, strength, stream(cfg.SEED, name, strength))
            for network, predictor in predictors.items():
                values[network].append(accuracy(predictor, damaged))
        table[name] = {network: with_interval(np.array(measured), len(labels))
                       for network, measured in values.items()}
    return table


def draw_corruptions(dataset: Dataset, count: int, table: dict, styles: dict[str, Style],
                     report: Report):
    """Draws corruptions.png, a panel for each corruption."""
    strengths = np.array([0, *corruptions.STRENGTHS])
    panels = [Panel(f"{name}: strength", strengths, networks) for name, networks in table.items()]
    title = f"{dataset.name}: {count} test images, damaged"
    report.draw("corruptions", accuracy_curves(title, panels, styles))
