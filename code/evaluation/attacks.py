"""Adversarial images. Each public function of the signature below is an attack, found by name.

An attack moves an image along a gradient: up, towards a target class; or, when it has no target,
down, away from the true one. The original climbs the length of the target's capsule. FGSM, BIM and
PGD climb its margin, the length less that of the longest other capsule, because an attack has
succeeded exactly when the target's margin is above 0; on MNIST this finds the way to a target much
more often than the length alone. None climbs the margin loss that the network was trained with:
that one is flat, its gradient exactly zero, where the true capsule is longer than m+ and the others
are shorter than m-. So for most images such an attack would fail by not moving, and the network
would look more robust than it is.

All attacks have one signature:

    attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked

images [N, H, W, C] in [0, 1], which should be classified right: the others need no attack
classes [N]: the targets if cfg.TARGETED, otherwise the labels
cfg: settings of the mode adversarial: MAX_ITERS steps for each image in all (for each try of
    `strong`), LR, NORM, EPSILON, EPSILON_L2, RESTARTS, SEED
threshold: the distance from its reconstruction above which the detector calls an image suspect;
    None without a decoder
title: of a progress bar; None shows no bar
"""
import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.dataset import stream
from evaluation import balls
from evaluation.balls import BALLS, norm
from evaluation.climbing import Attacked, climb, distances
from output import progress

if TYPE_CHECKING:  # imports TensorFlow
    from evaluation.predictor import Predictor

BUDGETS = 10   # budgets tried on the way to EPSILON
STRETCH = 2.5  # the steps for a budget are together that many budgets long (Madry 2018)
POINTS = 60    # L2 budgets at which the original's success rate is drawn
TITLES = {"original": "attack of the original repository"}  # where the name alone says too little

# The only norm of an attack that does not follow NORM.
NORMS = {"original": "l2"}

PARAMETERS = ["predictor", "images", "classes", "cfg", "threshold", "title"]  # of an attack

# What an attack asks of the network, where that is more than scores.
NEEDS = {"vote": "routing", "hidden": "decoder"}


def original(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
             threshold: float | None, title: str | None = None) -> Attacked:
    """Steps of the L2 length LR along the gradient of the capsule's length, until it succeeds."""
    step = np.float32(_sign(cfg) * cfg.LR)

    def move(x, gradient, active):
        return np.clip(x + step * gradient / norm(gradient), 0, 1)

    with progress(title=title, total=len(images), unit="image") as bar:
        found = climb(predictor, "length", images, classes, cfg.TARGETED, move, cfg.MAX_ITERS, bar)
    l2, linf = distances(images, found.images)
    tried = np.linspace(0, l2[found.success].max(initial=1), POINTS)
    return Attacked(found.images, found.success, found.steps, l2, linf, norm="L2",
                    budget=np.where(found.success, l2, np.inf), tried=tried)


def fgsm(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
         threshold: float | None, title: str | None = None) -> Attacked:
    """One step as long as the budget (Goodfellow 2015)."""
    return _in_growing_balls(predictor, images, classes, cfg, title, steps=1, random=None)


def bim(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
        threshold: float | None, title: str | None = None) -> Attacked:
    """Several smaller steps of that kind for each budget (Kurakin 2017)."""
    return _in_growing_balls(predictor, images, classes, cfg, title, _steps(cfg), random=None)


def pgd(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
        threshold: float | None, title: str | None = None) -> Attacked:
    """The same from a random point within the budget (Madry 2018)."""
    return _in_growing_balls(predictor, images, classes, cfg, title, _steps(cfg),
                             stream(cfg.SEED, "attack"))


def vote(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
         threshold: float | None, title: str | None = None) -> Attacked:
    """PGD on the network without routing, which therefore cannot hide the gradient (Gu 2021)."""
    return _in_growing_balls(predictor, images, classes, cfg, title, _steps(cfg),
                             stream(cfg.SEED, "attack"), objectives=("unrouted_margin",))


def hidden(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
           threshold: float | None, title: str | None = None) -> Attacked:
    """PGD that also stays below the threshold of the detector (Qin, Frosst and others 2020).

    It has succeeded where the network is wrong and the detector is silent.
    """
    objective = "towards_hidden" if cfg.TARGETED else "away_hidden"
    return _in_growing_balls(predictor, images, classes, cfg, title, _steps(cfg),
                             stream(cfg.SEED, "attack"), objectives=(objective,),
                             threshold=threshold)


def strong(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
           threshold: float | None, title: str | None = None) -> Attacked:
    """PGD on several objectives, from RESTARTS points each: up to MAX_ITERS steps for every one.

    An image counts as robust only if all of them fail (Carlini and Wagner 2017; Croce and Hein
    2020).
    """
    objectives = ["margin", "log_probability"]
    if "routing" in predictor.network.capabilities:
        objectives.append("unrouted_margin")
    return _in_growing_balls(predictor, images, classes, cfg, title, _steps(cfg),
                             stream(cfg.SEED, "attack"), objectives, cfg.RESTARTS)


def by_name() -> dict[str, Callable]:
    """-> the attacks, which are the public functions of this file. Each is checked.

    ValueError if one has other parameters than an attack.
    """
    found = {}
    for name, value in globals().items():
        of_this_file = inspect.isfunction(value) and value.__module__ == __name__
        if not of_this_file or name.startswith("_") or value in (by_name, lacks):
            continue
        parameters = list(inspect.signature(value).parameters)
        if parameters != PARAMETERS:
            raise ValueError(f"attack {name}: expected the parameters {', '.join(PARAMETERS)}, "
                             f"received {', '.join(parameters)}; the name of a function that is "
                             "no attack begins with _")
        found[name] = _checked(name, value)
    return found


def _checked(name: str, attack: Callable) -> Callable:
    """-> the attack. ValueError if it leaves [0, 1], or has another norm than was asked for."""
    @functools.wraps(attack)
    def checked(predictor, images, classes, cfg, *given, **named) -> Attacked:
        attacked = attack(predictor, images, classes, cfg, *given, **named)
        asked = BALLS[NORMS.get(name, cfg.NORM)].norm
        if not np.all((attacked.images >= 0) & (attacked.images <= 1)):
            raise ValueError(f"attack {name}: expected pixels in [0, 1], received others")
        if attacked.norm != asked:
            raise ValueError(f"attack {name}: expected budgets in the norm {asked}, received "
                             f"{attacked.norm}; an attack in one norm alone stands in NORMS")
        return attacked

    return checked


def lacks(predictor: "Predictor", attack: str) -> str | None:
    """-> what the attack asks of the network and it does not have; None if nothing is missing"""
    need = NEEDS.get(attack)
    return None if need is None or need in predictor.network.capabilities else need


def _in_growing_balls(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
                      title: str | None, steps: int, random: np.random.Generator | None,
                      objectives: Sequence[str] = ("margin",), restarts: int = 1,
                      threshold: float | None = None) -> Attacked:
    """Climbs within balls around the images, a small one before a large one.

    Images that are not fooled yet go on to the next budget. Each try starts at the natural image,
    or at a random point in the ball if `random` is given. Every objective has `restarts` tries of
    that many steps.
    """
    budgets = _budgets(cfg)
    found, success = images.copy(), np.zeros(len(images), bool)
    made, budget = np.zeros(len(images), int), np.full(len(images), np.inf)
    with progress(title=title, total=len(images), unit="image") as bar:
        for radius, _, objective in itertools.product(budgets, range(restarts), objectives):
            # the ball around each image that is left, and the steps in it
            left = np.flatnonzero(~success)
            ball = BALLS[cfg.NORM](images[left], radius)
            start = images[left] if random is None else ball.somewhere(random)
            step = _sign(cfg) * radius * np.float32(STRETCH / steps if steps > 1 else 1)

            def move(x, gradient, active, ball=ball, step=step):
                return ball.moved(x, gradient, step, active)

            climbed = climb(predictor, objective, start, classes[left], cfg.TARGETED, move, steps,
                            bar, threshold)

            # what has come of them
            found[left], success[left] = climbed.images, climbed.success
            made[left] += climbed.steps
            budget[left[climbed.success]] = radius
    l2, linf = distances(images, found)
    return Attacked(found, success, made, l2, linf, BALLS[cfg.NORM].norm, budget,
                    tried=np.append(0, budgets))


def _budgets(cfg) -> np.ndarray:
    """-> the budgets that are tried one after the other, up to that of NORM; float32 [n]

    There are BUDGETS of them, or MAX_ITERS if that is less: each has one step at least.
    """
    return balls.budgets(cfg.NORM, cfg, min(BUDGETS, cfg.MAX_ITERS))


def _steps(cfg) -> int:
    """-> the steps for each budget, of MAX_ITERS in all"""
    return cfg.MAX_ITERS // len(_budgets(cfg))


def _sign(cfg) -> np.float32:
    """Up, towards the target, or down, away from the label."""
    return np.float32(1 if cfg.TARGETED else -1)
