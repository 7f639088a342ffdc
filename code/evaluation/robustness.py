"""Several networks under the same attacks, on the same images, at the same budgets.

Besides: whether images made on one network fool another (transfer), how the networks bear damage
that nobody aims at them (corruptions.py), and whether the attacks may be trusted. An attack whose
gradient is masked makes a network look robust. Then a larger budget or more steps may do worse, an
unbounded attack may fail, or images made elsewhere may do better than its own (Athalye 2018).
"""
import inspect
import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from data.dataset import Dataset, scale, stream
from evaluation import attacks, charts, corruptions, detection, sampling, tables
from evaluation.balls import BALLS, LInfinity
from evaluation.climbing import Attacked, Climb, climb, success_curve
from evaluation.intervals import wilson
from evaluation.report import Report
from output import progress
from settings import InputError

if TYPE_CHECKING:  # imports TensorFlow
    from evaluation.predictor import Predictor

Predictors = dict[str, "Predictor"]  # by name

STEPS = 20         # of the attacks that are made for transfer and for the checks
CHECKED = 200      # images on which the attacks are checked
CORRUPTIONS = {name: value for name, value in vars(corruptions).items()
               if inspect.isfunction(value)}


class Row(NamedTuple):
    """One attack of the table."""
    attack: str
    norm: str    # "linf" or "l2"

    def title(self) -> str:
        return f"{self.attack} {self.norm}"


IN_L2_TOO = ("pgd", "strong")  # attacks of --attack all with a second row


class Sample(NamedTuple):
    """N test images that all networks classify right."""
    images: np.ndarray   # float32 [N, H, W, C] in [0, 1]
    labels: np.ndarray   # [N]
    goals: np.ndarray    # [N]: the targets of targeted attacks; otherwise the labels


def compare(predictors: Predictors, dataset: Dataset, cfg, report: Report) -> tuple[dict, dict]:
    """-> success rates and whether the checks hold; all tables.

    cfg.ATTACK: one attack, or "all". Draws success.png, transfer.png and corruptions.png.
    """
    drawn, sample = draw_sample(predictors, dataset, cfg)
    detectors = {name: detector_of(predictor, sample, dataset, cfg)
                 for name, predictor in predictors.items()
                 if "decoder" in predictor.network.capabilities}

    # every attack on every network
    table, panels = {}, []
    for row in rows_of(cfg):
        found = {name: attacked(row, name, predictor, sample, cfg, detectors.get(name))
                 for name, predictor in predictors.items()
                 if attacks.lacks(predictor, row.attack) is None}
        table[row.title()] = {name: one.numbers for name, one in found.items()}
        if found:
            panels.append(panel(row, found, cfg))
    if not panels:
        raise InputError(f"--attack {cfg.ATTACK}: expected a network with "
                         f"{attacks.NEEDS[cfg.ATTACK]}, received only networks without")
    title = f"{dataset.name}: {len(sample.labels)} test images that all networks classify right"
    report.draw("success", charts.accuracy_curves(f"{title}, after an attack", panels))

    # transfer, corruptions, checks
    matrix = transfer(predictors, sample, cfg)
    report.draw("transfer", charts.matrix(
        f"{title}\npgd, L-infinity {cfg.EPSILON / 2:.3g}, {STEPS} steps", matrix, list(predictors),
        "tried on", "made on", "share that fools", "{:.3f}"))
    damaged = corrupt(predictors, *drawn, cfg)
    draw_corruptions(dataset, len(drawn[1]), damaged, report)
    checks = {}
    for k, (name, predictor) in enumerate(progress(predictors.items(), "checks")):
        others = np.delete(matrix[:, k], k)
        checks[name] = check(predictor, sample, cfg, matrix[k, k], others)

    # numbers to print
    numbers = {"images": len(drawn[1]), "images_all_classify_right": len(sample.labels)}
    for (attack, networks), name in itertools.product(table.items(), predictors):
        if name in networks:
            numbers[f"{name}:_{attack}_success_rate"] = networks[name]["success_rate"]
    for name, made in checks.items():
        for words, one in made.items():
            numbers[f"{name}:_{words}"] = "holds" if one["holds"] else "fails"
    limits = {name: detector.limit for name, detector in detectors.items()}
    return numbers, {"attacks": table, "detection_thresholds": limits, "transfer": matrix,
                     "networks": list(predictors), "corruptions": damaged, "checks": checks}


def rows_of(cfg) -> list[Row]:
    """-> the attacks that cfg.ATTACK stands for"""
    if cfg.ATTACK != "all":
        return [Row(cfg.ATTACK, attacks.NORMS.get(cfg.ATTACK, cfg.NORM))]
    rows = [Row(attack, attacks.NORMS.get(attack, "linf")) for attack in attacks.by_name()]
    return rows + [Row(attack, "l2") for attack in IN_L2_TOO]


def draw_sample(predictors: Predictors, dataset: Dataset, cfg) -> tuple[tuple, Sample]:
    """-> cfg.NUM_IMAGES test images and labels; and those that all networks classify right.

    InputError if there are none.
    """
    chosen = sampling.spread_evenly(dataset.test.labels[:, 0], cfg.NUM_IMAGES, cfg.SEED)
    images, labels = scale(dataset.test.take(chosen).images), dataset.test.labels[chosen, 0]
    right = np.ones(len(labels), bool)
    for predictor in predictors.values():
        right &= predictor.predict(images, labels[:, None]).predicted[:, 0] == labels
    if not right.any():
        raise InputError(f"--ckpt: expected networks that classify a test image right, all of "
                         f"them, to attack it; received none of {len(labels)}")
    goals = labels[right]
    if cfg.TARGETED:
        goals = sampling.draw_targets(goals, dataset.classes, cfg.SEED)
    return (images, labels), Sample(images[right], labels[right], goals)


# ---- the table ----

class Detector(NamedTuple):
    """What calls an image of one network suspect, and how often it is wrong about natural ones."""
    limit: float          # distance from the reconstruction
    suspects: np.ndarray  # bool [N], of the sample


def detector_of(predictor: "Predictor", sample: Sample, dataset: Dataset, cfg) -> Detector:
    """-> the detector of a network with a decoder"""
    limit = detection.limit(predictor, dataset, cfg)
    return Detector(limit, is_suspect(predictor, sample.images, sample.labels, limit))


def is_suspect(predictor: "Predictor", images: np.ndarray, labels: np.ndarray,
               limit: float) -> np.ndarray:
    """images [N, H, W, C], labels [N] -> whether each is too far from its reconstruction [N]"""
    drawn = predictor.predict(images, labels[:, None]).from_predicted[:, 0]
    return detection.reconstruction_distance(images, drawn) > limit


class Found(NamedTuple):
    """One attack on one network."""
    attacked: Attacked
    numbers: dict


def attacked(row: Row, name: str, predictor: "Predictor", sample: Sample, cfg,
             detector: Detector | None) -> Found:
    """-> the attack of that row on the sample, and its numbers with their intervals (Wilson)

    A success beyond the largest budget does not count: the original attack has none of its own.
    """
    attack = getattr(attacks, row.attack)
    limit = detector.limit if detector else None
    done = attack(predictor, sample.images, sample.goals,
                  cfg.changed(ATTACK=row.attack, NORM=row.norm), limit, f"{name}, {row.title()}")
    tried = budgets(row, cfg)
    count, fooled = len(sample.labels), done.budget <= tried[-1]
    numbers = {"images": count, **share("success_rate", fooled),
               "median_distance": tables.median(distance(done)[fooled]),
               "budgets": tried, "success_rates": success_curve(done, tried)}

    # does the reconstruction give it away?
    if detector:
        seen = is_suspect(predictor, done.images, sample.labels, detector.limit)
        numbers |= {**share("detection_rate", seen[fooled]),
                    **share("false_positive_rate", detector.suspects),
                    **share("undetected_success_rate", fooled & ~seen)}
    return Found(done, numbers)


def share(name: str, yes: np.ndarray) -> dict:
    """bool [n] -> how many are true, with the ends of the interval; None of none"""
    if not len(yes):
        return {name: None, f"{name}_interval": None}
    rate = yes.mean()
    return {name: float(rate), f"{name}_interval": [float(end) for end in wilson(rate, len(yes))]}


def distance(done: Attacked) -> np.ndarray:
    """-> how far each image was moved, in the norm of the attack [N]"""
    return done.l2 if done.norm == "L2" else done.linf


def budgets(row: Row, cfg) -> np.ndarray:
    """-> no budget, and those that attacks.py tries when there are steps enough [BUDGETS + 1]"""
    largest = cfg.EPSILON_L2 if row.norm == "l2" else cfg.EPSILON
    return np.linspace(0, largest, attacks.BUDGETS + 1, dtype=np.float32)


def panel(row: Row, found: dict[str, Found], cfg) -> charts.Panel:
    """-> the accuracy that is left, against the budget"""
    tried, networks = budgets(row, cfg), {}
    for name, one in found.items():
        left = 1 - success_curve(one.attacked, tried)
        low, high = wilson(left, one.numbers["images"])
        networks[name] = {"accuracy": left, "low": low, "high": high}
    return charts.Panel(f"{row.attack}: {BALLS[row.norm].norm} budget", tried, networks, ())


# ---- transfer ----

def fixed_pgd(predictor: "Predictor", sample: Sample, cfg, radius: float, steps: int,
              stop: bool = True) -> Climb:
    """PGD in one L-infinity ball, from a random point; stop: an image rests when it has succeeded.
    """
    ball = LInfinity(sample.images, np.float32(radius))
    step = np.float32((1 if cfg.TARGETED else -1) * attacks.STRETCH * radius / steps)

    def move(x, gradient, active):
        return ball.moved(x, gradient, step, active)

    start = ball.somewhere(stream(cfg.SEED, "attack"))
    with progress() as bar:
        return climb(predictor, "margin", start, sample.goals, cfg.TARGETED, move, steps, bar,
                     stop=stop)


def transfer(predictors: Predictors, sample: Sample, cfg) -> np.ndarray:
    """-> the share of images made on one network that fool another [made on, tried on]

    They are made with half of EPSILON, and go on after they have succeeded.
    """
    rates = np.zeros((len(predictors), len(predictors)))
    for k, maker in enumerate(progress(predictors.values(), "transfer")):
        made = fixed_pgd(maker, sample, cfg, cfg.EPSILON / 2, STEPS, stop=False).images
        for n, other in enumerate(predictors.values()):
            predicted = other.predict(made, sample.labels[:, None]).predicted[:, 0]
            rates[k, n] = ((predicted == sample.goals) == cfg.TARGETED).mean()
    return rates


# ---- corruptions ----

def corrupt(predictors: Predictors, images: np.ndarray, labels: np.ndarray, cfg) -> dict:
    """-> {corruption: {network: accuracy at each strength, with its interval}}"""
    found = {}
    for name, corruption in progress(CORRUPTIONS.items(), "corruptions"):
        found[name] = {network: {"accuracy": [], "low": [], "high": []} for network in predictors}
        for strength in (0, *corruptions.STRENGTHS):
            random = stream(cfg.SEED, name, strength)
            damaged = corruption(images, strength, random) if strength else images
            for network, predictor in predictors.items():
                predicted = predictor.predict(damaged, labels[:, None]).predicted[:, 0]
                accuracy = (predicted == labels).mean()
                values = accuracy, *wilson(accuracy, len(labels))
                for key, value in zip(found[name][network], values, strict=True):
                    found[name][network][key].append(float(value))
    return found


def draw_corruptions(dataset: Dataset, count: int, found: dict, report: Report):
    """Draws corruptions.png, a panel for each corruption."""
    strengths = np.array([0, *corruptions.STRENGTHS])
    panels = [charts.Panel(f"{name}: strength", strengths, networks, ())
              for name, networks in found.items()]
    report.draw("corruptions", charts.accuracy_curves(
        f"{dataset.name}: {count} test images, damaged", panels))


# ---- may the attacks be trusted? ----

def check(predictor: "Predictor", sample: Sample, cfg, own: float,
          others: np.ndarray) -> dict[str, dict]:
    """-> for each check, in words: success rates, and whether it holds

    own: how often images made on this network fool it; others [n]: those made elsewhere
    """
    few = Sample(*(array[:CHECKED] for array in sample))

    def rate(radius, steps):
        return float(fixed_pgd(predictor, few, cfg, radius, steps).success.mean())

    larger = [rate(cfg.EPSILON * part, STEPS) for part in (1 / 8, 1 / 4, 1 / 2, 1)]
    longer = [rate(cfg.EPSILON / 4, steps) for steps in (STEPS // 4, STEPS // 2, STEPS, 2 * STEPS)]
    unbounded = rate(1, 2 * STEPS)
    return {
        "a_larger_budget_never_does_worse": judged(larger, sorted(larger) == larger),
        "more_steps_never_do_worse": judged(longer, sorted(longer) == longer),
        "an_unbounded_attack_always_succeeds": judged([unbounded], unbounded == 1),
        "no_image_made_elsewhere_does_better": judged([own, *others], own >= others.max(initial=0)),
    }


def judged(rates: list[float], holds: bool) -> dict:
    return {"success_rates": rates, "holds": bool(holds)}
