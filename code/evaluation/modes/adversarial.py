"""How little it takes to fool the network, and how often its reconstruction gives the attack away.

It attacks test images that are classified right. With TARGETED, SEED draws one other class for
each of them as its target. Several networks, or all attacks, are compared in one table
(robustness.py).
"""
import functools

import numpy as np

import registry
from data.dataset import Dataset
from evaluation import attacks, sampling
from evaluation.attacking.steps import Attacked, success_curve
from evaluation.figures import charts
from evaluation.network.predictor import Predictions, Predictor
from evaluation.report import Report
from evaluation.robustness import compare as robustness
from evaluation.robustness import detection
from evaluation.robustness.examples import attack_examples
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


def check(cfg):
    """InputError for a setting without effect, unless it has its default: of another attack, or of
    another norm.
    """
    table = {**SETTINGS, **registry.settings(attacks.FOLDER)}
    changed = {name for name, setting in table.items() if cfg[name] != setting.default}

    # the norm
    follows = cfg.ATTACK != "all" and attacks.follows_norm(cfg.ATTACK)
    if "NORM" in changed and not follows:
        raise InputError(f"--norm: expected an attack that takes its norm from there, received "
                         f"--attack {cfg.ATTACK}")
    if cfg.ATTACK == "all":
        return

    # settings of the other attacks
    registry.check_owned(changed, attacks.FOLDER, "--attack", cfg.ATTACK)

    # the largest budget
    norm = attacks.norm_of(cfg.ATTACK, cfg.NORM)
    used = {"EPSILON" if norm == "linf" else "EPSILON_L2"}
    if len(split_paths(cfg.CKPT)) > 1:
        used.add("EPSILON")  # of transfer and checks
    for name in ("EPSILON", "EPSILON_L2"):
        if name in changed - used:
            raise InputError(f"--{name.lower()}: expected an attack in the other norm, received "
                             f"--attack {cfg.ATTACK} in {norm}"
                             + ("; see --norm" if follows else ""))


def check_dataset(dataset: Dataset, cfg):
    """InputError unless every image has one label."""
    sampling.check_one_label(dataset, "adversarial")


def folder(cfg) -> str:
    """The folder of this attack, such as pgd-untargeted or pgd-l2-untargeted."""
    follows = cfg.ATTACK != "all" and attacks.follows_norm(cfg.ATTACK)
    norm = "-l2" if follows and cfg.NORM == "l2" else ""
    compared = "-compared" if len(split_paths(cfg.CKPT)) > 1 else ""
    return f"{cfg.ATTACK}{norm}-{aim(cfg)}{compared}"


def aim(cfg) -> str:
    return "targeted" if cfg.TARGETED else "untargeted"


def run(predictors: dict[str, Predictor], dataset: Dataset, cfg,
        report: Report) -> tuple[dict, dict]:
    """One attack on one network in detail, or a table of several."""
    if len(predictors) > 1 or cfg.ATTACK == "all":
        return robustness.compare(predictors, dataset, cfg, report)
    return attack_in_detail(next(iter(predictors.values())), dataset, cfg, report)


def attack_in_detail(predictor: Predictor, dataset: Dataset, cfg,
                     report: Report) -> tuple[dict, dict]:
    """-> success, distances, steps, detection; the success curve, tables and examples.

    InputError if the attack needs something of the network that it does not have.
    """
    check_needs(cfg, predictor)
    title = f"{dataset.name}, {attacks.title_of(cfg.ATTACK)}, {aim(cfg)}"
    everything = np.arange(len(dataset.test.labels))
    sample = sampling.classified_right(predictor, dataset.test, everything, cfg)
    labels = sample.labels
    threshold = None
    if "decoder" in predictor.network.capabilities:
        threshold = detection.find_threshold(predictor, dataset, cfg)

    # one image of each class, to look at
    attack = functools.partial(attacks.run, cfg.ATTACK, predictor, cfg=cfg, threshold=threshold)
    examples = attack_examples(predictor, attack, sample, dataset, cfg, title, report)

    # all images, to measure
    targets = sampling.draw_targets(labels, dataset.classes, cfg.SEED)
    attacked = attack(sample.images, targets if cfg.TARGETED else labels, title="attack")
    after = predictor.predict(attacked.images)

    # success rate, distance, steps
    success, curve = measure_success(attacked, title, report)
    others = targets if cfg.TARGETED else after.predicted[:, 0]
    by_class = draw_tables(labels, others, attacked, dataset, cfg, title, report)

    # detection by reconstruction
    found = {}
    if threshold is None:
        say("no detection by reconstruction: the network has no decoder")
    else:
        found = measure_detection(sample, attacked, after, threshold, title, report)
    numbers = {"images": sample.drawn, "images_classified_right": len(labels), **success, **found}
    return numbers, {"curve": curve, **by_class, "examples": examples}


def check_needs(cfg, predictor: Predictor):
    """InputError if the network lacks what the attack asks of it."""
    lacks = attacks.needs_of(cfg.ATTACK) - predictor.network.capabilities
    if lacks:
        raise InputError(f"--attack {cfg.ATTACK}: expected a network with "
                         f"{' and '.join(sorted(lacks))}, received {predictor.trained.MODEL} "
                         "without; another attack works")


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
    names = charts.short_names(dataset.class_names)

    def draw(name, table, colour_label, form):
        report.draw(name, charts.matrix(title, table, names, xlabel, "true class", colour_label,
                                        form))
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


def measure_detection(sample: Sample, attacked: Attacked, after: Predictions, threshold: float,
                      title: str, report: Report) -> dict:
    """-> how well the reconstruction tells attacked from natural images. Draws detection.png.

    after: predictions of the attacked images; threshold: above which distance an image is suspect
    """
    natural = detection.reconstruction_distance(sample.images,
                                                sample.predictions.from_predicted[:, 0])
    fooling = detection.reconstruction_distance(attacked.images, after.from_predicted[:, 0])
    fooling = fooling[attacked.success]
    report.draw("detection", charts.detection(f"{title}: detection by reconstruction", natural,
                                              fooling, threshold))
    return {"detection_threshold": threshold, "false_positive_rate": (natural > threshold).mean(),
            "detection_rate": tables.mean(fooling > threshold),
            "roc_area": detection.roc_area(natural, fooling),
            "undetected_success_rate": (fooling <= threshold).sum() / len(attacked.success)}
