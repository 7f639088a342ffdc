"""How little it takes to fool the network, and how often its reconstruction gives the attack away.

It attacks correctly classified test images. With TARGETED, SEED draws one other class for each of
them as its target. Several networks, or all attacks, are compared in one table
(robustness/compare.py).
"""
import functools
from collections.abc import Callable

import numpy as np
from scipy import stats

import registry
from data.dataset import Dataset
from evaluation import attacks, sampling
from evaluation.attacking.engine import Attacked
from evaluation.figures import charts, sheets
from evaluation.figures.style import RED, shorten
from evaluation.network.predictor import Predictor
from evaluation.report import Report
from evaluation.robustness import detection
from evaluation.robustness.compare import compare
from evaluation.sampling import Sample
from evaluation.statistics import tables
from output import say
from registry import names
from settings import POSITIVE, SWITCH, UP_TO_ONE, InputError, Setting, one_of, split_paths

SETTINGS = {
    "ATTACK": Setting(
        "original", f"adversarial: {', '.join(names('evaluation.attacks'))}, or all of them",
        "original; see evaluation/attacks", one_of((*names("evaluation.attacks"), "all"))),
    "TARGETED": Setting(
        True, "adversarial: towards a given class, or only away from the true one", "original",
        SWITCH),
    "NORM": Setting(
        "linf", "adversarial, other attacks: what a budget limits, the largest change of a pixel "
        "(linf) or the Euclidean length of the change (l2); --attack all has rows of both",
        "Madry 2018", one_of(("linf", "l2"))),
    "EPSILON": Setting(
        0.3, "adversarial, --norm linf: the largest budget, pixels in [0, 1]; of several networks "
        "also that of transfer and checks", "Madry 2018", UP_TO_ONE),
    "EPSILON_L2": Setting(
        4.0, "adversarial, --norm l2: the largest budget, pixels in [0, 1]", "ours", POSITIVE),
}
COMPARES = True

SHOWN = 10         # most classes whose attacked images are drawn, each against each
MOST_LETTERS = 11  # of a class's name over a column of images


def check_dataset(dataset: Dataset, cfg):
    """InputError unless every image has one label."""
    sampling.check_one_label(dataset, "adversarial")


def folder(cfg) -> str:
    """Returns the folder of this attack, such as pgd-untargeted or pgd-l2-untargeted."""
    fixed = cfg.ATTACK == "all" or hasattr(registry.module(attacks.FOLDER, cfg.ATTACK), "NORM")
    norm = "-l2" if cfg.NORM == "l2" and not fixed else ""
    compared = "-compared" if len(split_paths(cfg.CKPT)) > 1 else ""
    return f"{cfg.ATTACK}{norm}-{aim(cfg)}{compared}"


def aim(cfg) -> str:
    return "targeted" if cfg.TARGETED else "untargeted"


def run(predictors: dict[str, Predictor], dataset: Dataset, cfg,
        report: Report) -> tuple[dict, dict]:
    """Runs one attack on one network in detail, or a table of several.

    InputError if no network has what the attack needs.
    """
    if cfg.ATTACK != "all":
        lacks = [attacks.lacks(cfg.ATTACK, predictor) for predictor in predictors.values()]
        if all(lacks):
            raise InputError(f"--attack {cfg.ATTACK}: expected a network with "
                             f"{' and '.join(sorted(lacks[0]))}, received {cfg.CKPT} without; "
                             "another attack works")
    if len(predictors) > 1 or cfg.ATTACK == "all":
        return compare(predictors, dataset, cfg, report)
    return attack_in_detail(next(iter(predictors.values())), dataset, cfg, report)


def attack_in_detail(predictor: Predictor, dataset: Dataset, cfg,
                     report: Report) -> tuple[dict, dict]:
    """Returns success, distances, steps, detection; the success curve, tables and examples."""
    name = getattr(registry.module(attacks.FOLDER, cfg.ATTACK), "TITLE", cfg.ATTACK)
    title = f"{dataset.name}, {name}, {aim(cfg)}"
    everything = np.arange(len(dataset.test.labels))
    sample = sampling.classified_correctly(predictor, dataset.test, everything, cfg)
    labels = sample.labels
    threshold = None
    if "decoder" in predictor.network.capabilities:
        threshold = detection.find_threshold(predictor, dataset, cfg)
    else:
        say("no detection by reconstruction: the network has no decoder")

    # attack all images, and measure the successful attacks
    attack = functools.partial(attacks.run, cfg.ATTACK, predictor, cfg=cfg, threshold=threshold)
    goals = sampling.draw_goals(labels, dataset.classes, cfg)
    attacked = attack(sample.images, goals, title="attack")
    done = attacked.success
    numbers = {"images": sample.drawn, "images_classified_right": len(labels),
               "success_rate": done.mean()}
    for key in ("l2", "linf", "steps"):
        values = getattr(attacked, key)[done]
        numbers[f"mean_{key}"] = tables.mean(values)
        numbers[f"median_{key}"] = np.median(values) if done.any() else np.nan
    rates = attacked.success_rates(attacked.tried)
    report.draw("success", charts.success(
        f"{title}: {done.mean():.1%} of {len(done)} images", attacked.tried, rates,
        f"{attacked.norm} budget (pixels in [0, 1])", attacked.steps[done]))
    curve = {"norm": attacked.norm, "budgets": attacked.tried, "success_rates": rates}

    # tables by class, detection, one image of each class to look at
    after = predictor.predict(attacked.images)
    others = goals if cfg.TARGETED else after.predicted[:, 0]
    by_class = draw_tables(labels, others, attacked, dataset, cfg, title, report)
    if threshold is not None:
        natural = detection.reconstruction_distance(sample.images, sample.predictions)
        fooling = detection.reconstruction_distance(attacked.images, after)[done]
        report.draw("detection", charts.detection(f"{title}: detection by reconstruction", natural,
                                                  fooling, threshold))
        numbers |= {"detection_threshold": threshold,
                    "false_positive_rate": (natural > threshold).mean(),
                    "detection_rate": tables.mean(fooling > threshold),
                    "auroc": detection.auroc(natural, fooling),
                    "undetected_success_rate": (fooling <= threshold).sum() / len(done)}
    examples = attack_examples(predictor, attack, sample, dataset, cfg, title, report)
    return numbers, {"curve": curve, **by_class, "examples": examples}


def draw_tables(labels: np.ndarray, others: np.ndarray, attacked: Attacked, dataset: Dataset, cfg,
                title: str, report: Report) -> dict[str, np.ndarray]:
    """Returns tables [J, J] by name, and draws each of them.

    labels [N]; others [N]: the targets, or what the images became
    """
    done, classes = attacked.success, dataset.classes
    names = charts.short_names(dataset.class_names)
    xlabel = "target" if cfg.TARGETED else "class after the attack"

    def draw(name, table, words, form):
        report.draw(name, charts.matrix(title, table, names, xlabel, "true class", words, form))
        return {name: table}

    l2 = mean_by_class(labels[done], others[done], attacked.l2[done], classes)
    found = draw("l2_by_class", l2, "mean L2 distance needed (pixels in [0, 1])", "{:.1f}")
    if cfg.TARGETED:
        success = mean_by_class(labels, others, done, classes)
        return found | draw("success_by_class", success, "success rate", "{:.2f}")
    counts = tables.confusion(labels, others, classes)
    fraction = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return found | draw("share_by_class", fraction, "fraction of the true class", "{:.2f}")


def mean_by_class(labels: np.ndarray, others: np.ndarray, values: np.ndarray,
                  classes: int) -> np.ndarray:
    """Returns the mean of `values` [N] for each label and other class [J, J]; NaN for none."""
    return stats.binned_statistic_2d(labels, others, values, bins=classes,
                                     range=[(0, classes), (0, classes)]).statistic


def attack_examples(predictor: Predictor, attack: Callable, sample: Sample, dataset: Dataset, cfg,
                    title: str, report: Report) -> list[dict]:
    """Attacks one image of each class, towards each other class if cfg.TARGETED, and draws all.

    Of many classes it takes the first SHOWN. Returns numbers for each example.

    attack: a function of images, classes and title that returns Attacked
    """
    # attack; without a target, the goal is the label
    shown = range(min(dataset.classes, SHOWN))
    natural = {j: sample.images[sample.labels == j][0] for j in shown if j in sample.labels}
    pairs = [(j, goal) for j in natural for goal in shown if (goal != j) == cfg.TARGETED]
    if not pairs:
        return []
    goals = np.array([goal for _, goal in pairs], sample.labels.dtype)
    attacked = attack(np.stack([natural[label] for label, _ in pairs]), goals, title="examples")
    after = predictor.predict(attacked.images)
    score = "score" if after.capsules is None else "length"
    examples = [{"label": label, "target": goal if cfg.TARGETED else None,
                 "success": attacked.success[n], "predicted": after.predicted[n, 0],
                 score: after.scores[n].max(), "steps": attacked.steps[n],
                 "l2": attacked.l2[n], "linf": attacked.linf[n]}
                for n, (label, goal) in enumerate(pairs)]

    # the sheet: targets in columns, or before and after in rows
    labels, cells = list(natural), {}
    for n, (label, goal) in enumerate(pairs):
        k = labels.index(label)
        before, moved = ((k, label), (k, goal)) if cfg.TARGETED else ((0, k), (1, k))
        cells[before] = sheets.Cell(natural[label])
        cells[moved] = sheets.Cell(attacked.images[n], None if attacked.success[n] else RED)
    names = [shorten(dataset.class_names[j], MOST_LETTERS) for j in shown]
    of_labels = [names[j] for j in labels]
    rows, columns, xlabel, ylabel = ["before", "after"], of_labels, "true class", ""
    if cfg.TARGETED:
        rows, columns = of_labels, names
        xlabel, ylabel = "target (on the diagonal: before)", "true class"
    report.draw("examples", sheets.table(f"{title}\nframed: failed", rows, columns, cells, xlabel,
                                         ylabel))
    return examples
