"""The budgets of an attack, one after the other: a small ball around the image comes first."""
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from evaluation.attacking import balls
from evaluation.attacking.balls import BALLS
from evaluation.attacking.steps import Attacked, climb, distances
from evaluation.network.predictor import Predictor
from output import progress

BUDGETS = 10   # budgets tried on the way to EPSILON
STRETCH = 2.5  # all steps for a budget are together so many budgets long (Madry 2018)


def climb_in_growing_balls(predictor: Predictor, images: np.ndarray, classes: np.ndarray, cfg,
                           title: str | None, steps: int | None = None,
                           random: np.random.Generator | None = None,
                           objectives: Sequence[str | Callable] = ("margin",), restarts: int = 1,
                           threshold: float | None = None) -> Attacked:
    """Climbs within balls around the images, a small one before a large one.

    For each budget there are `restarts` rounds, and in each of them every objective has a try.
    Images that are not fooled yet go on to the next try, and to the next budget.

    predictor, images, classes, cfg, title: those of an attack, see attacks/__init__.py
    steps: of each try; None: MAX_ITERS divided by the number of budgets
    random: each try starts at a random point in the ball; None: at the natural image
    objectives: names of functions of objectives.py, or functions like those; each of them has
    `restarts` tries
    threshold: the detector's, only for objectives that take one; it changes what counts as a
    success, see `climb`
    """
    # BUDGETS of them; fewer if MAX_ITERS is less, because each has one step at least
    budgets = balls.budgets(cfg.NORM, cfg, min(BUDGETS, cfg.MAX_ITERS))
    steps = steps or cfg.MAX_ITERS // len(budgets)
    found, success = images.copy(), np.zeros(len(images), bool)
    made, budget = np.zeros(len(images), int), np.full(len(images), np.inf)
    with progress(title=title, total=len(images), unit="image") as bar:
        for radius, _, objective in itertools.product(budgets, range(restarts), objectives):
            # the ball around each image that is left, and the steps in it
            left = np.flatnonzero(~success)
            ball = BALLS[cfg.NORM](images[left], radius)
            start = images[left] if random is None else ball.somewhere(random)
            step = sign(cfg) * radius * np.float32(STRETCH / steps if steps > 1 else 1)

            # active: those of the images `left` that climb. ball, step: those of this round.
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


def sign(cfg) -> int:
    """Which way the objective goes: up with the target's, +1, or down with the label's, -1."""
    return 1 if cfg.TARGETED else -1
