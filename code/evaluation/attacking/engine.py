"""The engine of all gradient attacks: norm balls, steps along a gradient, a sweep over budgets.

Pixels stay in [0, 1]. A norm says how far an image has moved: L-infinity by its most changed pixel,
L2 by the Euclidean length of the change.
"""
import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data.dataset import stream
from evaluation.network.objectives import margin
from evaluation.network.predictor import Predictor
from output import progress

BUDGETS = 10   # budgets in a sweep up to EPSILON
NORMS = {"linf": "L-infinity", "l2": "L2"}
STRETCH = 2.5  # all steps for a budget are together so many budgets long (Madry 2018)


class Ball(NamedTuple):
    """The images that an attacker with some budget may choose from, around N natural images."""
    norm: str             # "linf": each pixel moves by the radius at most; "l2": the whole change
    natural: np.ndarray   # [N, H, W, C] in [0, 1]
    radius: np.float32

    def random_point(self, random: np.random.Generator) -> np.ndarray:
        """Draws an image from each ball [N, H, W, C]; uniformly, in L2 before pixels are clipped.
        """
        if self.norm == "linf":
            low, high = self.natural - self.radius, self.natural + self.radius
            return random.uniform(np.maximum(0, low), np.minimum(1, high)).astype(np.float32)
        direction = random.normal(size=self.natural.shape)
        dimensions = math.prod(self.natural.shape[1:])
        # the volume grows with the radius to the power of `dimensions`
        fraction = random.random((len(self.natural), 1, 1, 1)) ** (1 / dimensions)
        change = self.radius * fraction * direction / l2_norm(direction)
        return np.clip(self.natural + change, 0, 1).astype(np.float32)

    def step(self, x: np.ndarray, gradient: np.ndarray, length: np.float32,
             active: np.ndarray) -> np.ndarray:
        """Moves x by one step along the gradient, and projects it into the ball.

        It follows the signs of the gradient, which is not zero, or in L2 the normalised gradient.

        x, gradient [n, H, W, C]; length: negative to go against the gradient; active [n]: which of
        the N balls is each one's
        """
        natural = self.natural[active]
        if self.norm == "linf":
            low, high = np.maximum(0, natural - self.radius), np.minimum(1, natural + self.radius)
            return np.clip(x + length * np.sign(gradient), low, high)
        change = x + length * gradient / l2_norm(gradient) - natural
        moved = np.maximum(l2_norm(change), np.finfo(np.float32).tiny)
        # Clipping brings a pixel nearer to the natural one, so the image stays in the ball.
        return np.clip(natural + change * np.minimum(1, self.radius / moved), 0, 1)


def l2_norm(arrays: np.ndarray) -> np.ndarray:
    """Returns the L2 norms [N, 1, 1, 1] of arrays [N, H, W, C]."""
    return np.sqrt(np.square(arrays).sum(axis=(1, 2, 3), keepdims=True))


def distances(images: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the L2 and the L-infinity distance [N] of N images from where they were moved."""
    change = (moved - images).reshape(len(images), -1)
    return np.linalg.norm(change, axis=1), np.abs(change).max(axis=1)


class Climb(NamedTuple):
    """N images after climbing."""
    images: np.ndarray   # [N, H, W, C]
    success: np.ndarray  # bool [N]
    steps: np.ndarray    # [N]


class Attacked(NamedTuple):
    """N attacked images. Distances are from the natural image, with pixels in [0, 1]."""
    images: np.ndarray   # [N, H, W, C] in [0, 1]; the last iterate if the attack failed
    success: np.ndarray  # bool [N]: classified as the target, or no longer as the label; by the
                         # attack `hidden` also undetected
    steps: np.ndarray    # gradient steps [N]
    l2: np.ndarray       # distances [N]
    linf: np.ndarray
    norm: str            # of the budget: "L2" or "L-infinity"
    budget: np.ndarray   # smallest budget with success [N], infinite without
    tried: np.ndarray    # budgets [n] at which to draw the success rate, from 0

    def success_rates(self, budgets: np.ndarray) -> np.ndarray:
        """Returns the fraction of images that an attacker with each of `budgets` [n] fools [n]."""
        return (self.budget <= np.asarray(budgets)[:, None]).mean(axis=1)


def climb(predictor: Predictor, objective: Callable, ball: Ball, start: np.ndarray,
          classes: np.ndarray, length: float, cfg, max_steps: int, bar: tqdm | None = None,
          threshold: float | None = None, stop: bool = True) -> Climb:
    """Moves each image until it succeeds, its gradient vanishes or max_steps are made.

    start [N, H, W, C] in [0, 1], in the ball; classes [N]: the targets if cfg.TARGETED, otherwise
    the labels
    length: of a step; up the objective of a target, down that of a label
    bar: a progress bar, moved on by each success
    threshold: the detector's, for objectives that take one. With it, the sign of the objective
    decides whether the attack has succeeded, not the predicted class
    stop: if false, images go on after they have succeeded
    """
    length = np.float32(length if cfg.TARGETED else -length)
    images, active = start.copy(), np.arange(len(start))
    success, steps = np.zeros(len(images), bool), np.zeros(len(images), int)
    while len(active):
        # which have succeeded?
        scores, value, gradient = predictor.gradient(objective, images[active], classes[active],
                                                     threshold)
        if threshold is None:
            done = (scores.argmax(axis=1) == classes[active]) == cfg.TARGETED  # [n]
        else:
            done = value > 0 if cfg.TARGETED else value < 0                    # [n]
        success[active] = done
        if bar is not None:
            bar.update(int(done.sum()))

        # one step for the others
        moving = l2_norm(gradient)[:, 0, 0, 0] > 0
        go = ~(done & stop) & moving & (steps[active] < max_steps)             # [n]
        active = active[go]
        images[active] = ball.step(images[active], gradient[go], length, active)
        steps[active] += 1
    return Climb(images, success, steps)


def sweep(predictor: Predictor, images: np.ndarray, classes: np.ndarray, cfg, title: str | None,
          steps: int | None = None, random_start: bool = True,
          objectives: Sequence[Callable] = (margin,), restarts: int = 1,
          threshold: float | None = None) -> Attacked:
    """Attacks with one budget after the other, the smallest first.

    For each budget there are `restarts` rounds, and in each of them every objective has a try.
    Images that are not fooled yet go on to the next try, and to the next budget.

    predictor, images, classes, cfg, title: those of an attack, see attacks/__init__.py
    steps: of each try; None: MAX_ITERS divided by the number of budgets
    random_start: each try starts at a random point in the ball, otherwise at the natural image
    objectives: functions like those of objectives.py
    threshold: the detector's, only for objectives that take one, see `climb`
    """
    # BUDGETS of them; fewer if MAX_ITERS is less, because each has one step at least
    tried = budgets(cfg.NORM, cfg, min(BUDGETS, cfg.MAX_ITERS))
    steps = steps or cfg.MAX_ITERS // (len(tried) - 1)
    stretch = STRETCH / steps if steps > 1 else 1
    random = stream(cfg.SEED, "attack")
    found, success = images.copy(), np.zeros(len(images), bool)
    made, budget = np.zeros(len(images), int), np.full(len(images), np.inf)
    with progress(title=title, total=len(images), unit="image") as bar:
        for radius, _, objective in itertools.product(tried[1:], range(restarts), objectives):
            left = np.flatnonzero(~success)
            ball = Ball(cfg.NORM, images[left], radius)
            start = ball.random_point(random) if random_start else images[left]
            after = climb(predictor, objective, ball, start, classes[left],
                          radius * np.float32(stretch), cfg, steps, bar, threshold)
            found[left], success[left] = after.images, after.success
            made[left] += after.steps
            budget[left[after.success]] = radius
    return Attacked(found, success, made, *distances(images, found), NORMS[cfg.NORM], budget, tried)


def budgets(norm: str, cfg, count: int = BUDGETS) -> np.ndarray:
    """Returns 0 and `count` radii at equal distances, float32 [count + 1].

    norm: "linf", up to EPSILON, or "l2", up to EPSILON_L2
    """
    largest = cfg.EPSILON if norm == "linf" else cfg.EPSILON_L2
    return np.linspace(0, largest, count + 1, dtype=np.float32)
