"""Adversarial images. Each public function is an attack, found by its name.

An attack moves an image along a gradient: up, towards a target class; or, when it has no target,
down, away from the true one. The original climbs the length of the target's capsule. FGSM, BIM and
PGD climb its margin, the length less that of the longest other capsule, because an attack has
succeeded exactly when the target's margin is above 0; on MNIST this finds the way to a target much
more often than the length alone. None climbs the margin loss that the network was trained with:
that one is flat, its gradient exactly zero, where the true capsule is longer than m+ and the others
are shorter than m-. So for most images such an attack would fail by not moving, and the network
would look more robust than it is.

All attacks have one signature:

    attack(predictor, images, classes, cfg, title=None) -> Attacked

images [N, H, W, C] in [0, 1], which should be classified right: the others need no attack
classes [N]: the targets if cfg.TARGETED, otherwise the labels
cfg: settings of the mode adversarial: MAX_ITERS steps for each image in all, LR, EPSILON, SEED
title: of a progress bar; None shows no bar
"""
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from data.dataset import stream
from evaluation.climbing import Attacked, climb, distances, norm
from output import progress

if TYPE_CHECKING:  # imports TensorFlow
    from evaluation.predictor import Predictor

BUDGETS = 10   # L-infinity budgets tried on the way to EPSILON
STRETCH = 2.5  # the steps for a budget are together that many budgets long (Madry 2018)
POINTS = 60    # L2 budgets at which the original's success rate is drawn
TITLES = {"original": "attack of the original repository"}  # where the name alone says too little


def original(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
             title: str | None = None) -> Attacked:
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
         title: str | None = None) -> Attacked:
    """One step of the budget's length along the signs of the gradient (Goodfellow 2015)."""
    return _in_growing_balls(predictor, images, classes, cfg, title, steps=1)


def bim(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
        title: str | None = None) -> Attacked:
    """Several smaller steps of that kind for each budget (Kurakin 2017)."""
    steps = cfg.MAX_ITERS // len(_budgets(cfg))
    return _in_growing_balls(predictor, images, classes, cfg, title, steps)


def pgd(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
        title: str | None = None) -> Attacked:
    """The same from a random point within the budget (Madry 2018)."""
    random = stream(cfg.SEED, "attack")
    steps = cfg.MAX_ITERS // len(_budgets(cfg))

    def start(x, low, high):
        return random.uniform(low, high).astype(np.float32)

    return _in_growing_balls(predictor, images, classes, cfg, title, steps, start)


def _in_growing_balls(predictor: "Predictor", images: np.ndarray, classes: np.ndarray, cfg,
                      title: str | None, steps: int,
                      start: Callable = lambda x, low, high: x) -> Attacked:
    """Climbs the margin within L-infinity balls, a small one before a large one.

    Only images that withstand one budget meet the next, from the natural image on.
    start(x, low, high) -> where they begin in the ball from `low` to `high`
    """
    budgets = _budgets(cfg)
    found, success = images.copy(), np.zeros(len(images), bool)
    made, budget = np.zeros(len(images), int), np.full(len(images), np.inf)
    with progress(title=title, total=len(images), unit="image") as bar:
        for epsilon in budgets:
            # the ball around each image that is left, and the steps in it
            left = np.flatnonzero(~success)
            x = images[left]
            low, high = np.maximum(0, x - epsilon), np.minimum(1, x + epsilon)
            step = _sign(cfg) * epsilon * np.float32(STRETCH / steps if steps > 1 else 1)

            def move(x, gradient, active, low=low, high=high, step=step):
                return np.clip(x + step * np.sign(gradient), low[active], high[active])

            climbed = climb(predictor, "margin", start(x, low, high), classes[left],
                            cfg.TARGETED, move, steps, bar)

            # what has come of them
            found[left], success[left] = climbed.images, climbed.success
            made[left] += climbed.steps
            budget[left[climbed.success]] = epsilon
    l2, linf = distances(images, found)
    return Attacked(found, success, made, l2, linf, norm="L-infinity",
                    budget=budget, tried=np.append(0, budgets))


def _budgets(cfg) -> np.ndarray:
    """-> the L-infinity budgets that are tried one after the other, up to EPSILON; float32 [n]

    There are BUDGETS of them, or MAX_ITERS if that is less: each has one step at least.
    """
    count = min(BUDGETS, cfg.MAX_ITERS)
    return np.linspace(0, cfg.EPSILON, count + 1, dtype=np.float32)[1:]


def _sign(cfg) -> np.float32:
    """Up, towards the target, or down, away from the label."""
    return np.float32(1 if cfg.TARGETED else -1)
