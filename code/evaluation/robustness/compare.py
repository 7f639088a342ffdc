"""Several networks under the same attacks, on the same images, at the same budgets.

Besides: transfer from source to target models and gradient-masking checks (gradient_masking.py);
accuracies under common corruptions (corruptions.py).
"""
import numpy as np

import registry
from data.dataset import Dataset, scale, stream
from evaluation import attacks, sampling
from evaluation.attacking import engine
from evaluation.figures import charts
from evaluation.figures.side_by_side import Panel, accuracy_curves, styles_of
from evaluation.network.predictor import Predictor, accuracies
from evaluation.report import Report
from evaluation.robustness import detection, gradient_masking
from evaluation.robustness.corruptions import CORRUPTIONS, STRENGTHS
from evaluation.sampling import Shared
from evaluation.statistics.intervals import wilson, with_interval
from evaluation.statistics.tables import mean
from output import progress

# The usual attack and the strongest one have a second row in --attack all.
IN_L2_TOO = ("pgd", "strong")


def compare(predictors: dict[str, Predictor], dataset: Dataset, cfg,
            report: Report) -> tuple[dict, dict]:
    """Returns numbers, those of each network under its name, and all tables as details.

    cfg.ATTACK: one attack, or "all". Draws success.png, transfer.png and corruptions.png.
    """
    # images
    chosen = sampling.spread_evenly(dataset.test.labels[:, 0], cfg.NUM_IMAGES, cfg.SEED)
    images, labels = scale(dataset.test.take(chosen).images), dataset.test.labels[chosen, 0]
    sample = sampling.correct_for_all(predictors, images, labels, dataset.classes, cfg)
    title = f"{dataset.name}: {len(sample.labels)} test images that all networks classify correctly"
    thresholds = {name: detection.find_threshold(predictor, dataset, cfg)
                  for name, predictor in predictors.items()
                  if "decoder" in predictor.network.capabilities}

    # Every attack on every network. For targeted attacks the robust accuracy is the fraction of
    # images that do not become the target.
    table, panels = {}, []
    for attack, norm in attacks_of(cfg):
        row = f"{attack} {norm}"
        networks = {name: try_attack(attack, predictor, sample, cfg.changed(NORM=norm),
                                     thresholds.get(name), f"{name}, {row}")
                    for name, predictor in predictors.items()
                    if not attacks.lacks(attack, predictor)}
        table[row] = networks
        robust = {name: with_interval(1 - found["success_rates"], found["images"])
                  for name, found in networks.items()}
        if networks:
            panels.append(Panel(f"{attack}: {engine.NORMS[norm]} budget",
                                engine.budgets(norm, cfg), robust))
    styles = styles_of(predictors)
    report.draw("success", accuracy_curves(f"{title}, under attack", panels, styles,
                                           "robust accuracy"))

    # transfer
    matrix = gradient_masking.transfer(predictors, sample, cfg)
    report.draw("transfer", charts.matrix(
        f"{title}\npgd, L-infinity {cfg.EPSILON / 2:.3g}, {gradient_masking.STEPS} steps", matrix,
        list(predictors), "target model", "source model", "success rate", "{:.3f}"))

    # common corruptions, from strength 0 on
    corrupted = {}
    for name, corruption in progress(CORRUPTIONS.items(), "corruptions"):
        variants = [corruption(images, strength, stream(cfg.SEED, name, strength))
                    for strength in STRENGTHS]
        corrupted[name] = accuracies(predictors, [images, *variants], labels)
    panels = [Panel(f"{name}: strength", np.array([0, *STRENGTHS]), networks)
              for name, networks in corrupted.items()]
    report.draw("corruptions", accuracy_curves(
        f"{dataset.name}: {len(labels)} test images under common corruptions", panels, styles))

    # gradient-masking checks, and all numbers to print
    numbers = {"images": len(labels), "images_all_classify_right": len(sample.labels)}
    checks = {}
    for k, (name, predictor) in enumerate(progress(predictors.items(), "checks")):
        others = np.delete(matrix[:, k], k)  # of the other source models
        checks[name] = gradient_masking.check(predictor, sample, cfg, matrix[k, k], others)
        rates = {f"{row}_success_rate": networks[name]["success_rate"]
                 for row, networks in table.items() if name in networks}
        held = {words: "holds" if one["holds"] else "fails" for words, one in checks[name].items()}
        numbers[name] = rates | held
    return numbers, {"attacks": table, "detection_thresholds": thresholds, "transfer": matrix,
                     "networks": list(predictors), "corruptions": corrupted, "checks": checks}


def attacks_of(cfg) -> list[tuple[str, str]]:
    """Returns the attacks that cfg.ATTACK stands for, and the norm of each: "linf" or "l2"."""
    if cfg.ATTACK != "all":
        return [(cfg.ATTACK, attacks.norm_of(cfg.ATTACK, cfg.NORM))]
    rows = [(attack, attacks.norm_of(attack, "linf")) for attack in registry.names(attacks.FOLDER)]
    return rows + [(attack, "l2") for attack in IN_L2_TOO]


def try_attack(attack: str, predictor: Predictor, sample: Shared, cfg, threshold: float | None,
               title: str) -> dict:
    """Attacks one network in the norm cfg.NORM. Returns its numbers, with intervals (Wilson).

    A success beyond the largest budget does not count: the attack `original` knows no budget.
    """
    attacked = attacks.run(attack, predictor, sample.images, sample.goals, cfg, threshold, title)
    tried = engine.budgets(cfg.NORM, cfg)
    fooled = attacked.budget <= tried[-1]
    numbers = {"images": len(sample.labels), "budgets": tried,
               "success_rates": attacked.success_rates(tried)}
    rates = {"success_rate": fooled}

    # does the reconstruction give it away?
    if threshold is not None:
        suspect, false_alarm = (
            detection.reconstruction_distance(images, predictor.predict(images)) > threshold
            for images in (attacked.images, sample.images))
        rates |= {"detection_rate": suspect[fooled], "false_positive_rate": false_alarm,
                  "undetected_success_rate": fooled & ~suspect}
    for name, yes in rates.items():
        numbers[name] = mean(yes)
        numbers[f"{name}_interval"] = wilson(numbers[name], len(yes))
    return numbers
