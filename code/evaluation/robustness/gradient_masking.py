"""Whether the attacks may be trusted, and whether images made on one network fool another.

An attack whose gradient is masked makes a network look robust. Then a larger budget or more steps
may do worse, an unbounded attack may fail, or images made elsewhere may do better than its own
(Athalye 2018).
"""
import functools

import numpy as np

from data.dataset import stream
from evaluation.attacking.balls import LInfinity
from evaluation.attacking.budgets import STRETCH, sign
from evaluation.attacking.steps import Climb, climb
from evaluation.network.predictor import Predictor
from evaluation.sampling import Shared
from output import progress

NEAR = 1 / 8      # of EPSILON: how far from the images an attack may start
STEPS = 20        # of the attacks that are made here
CHECKED = 200     # images on which the attacks are checked
TOLERANCE = 0.02  # drop of a success rate that a check tolerates


def in_one_ball(predictor: Predictor, sample: Shared, cfg, radius: float, steps: int,
                stop: bool = True) -> Climb:
    """PGD in one L-infinity ball. stop: an image stops at its first success.

    It starts at a random point near each natural image, because the gradient may vanish at the
    image itself. Far from the image, noise alone would fool the network before any step.
    """
    ball = LInfinity(sample.images, np.float32(radius))
    near = LInfinity(sample.images, np.float32(min(radius, cfg.EPSILON * NEAR)))
    start = near.somewhere(stream(cfg.SEED, "attack"))
    step = np.float32(sign(cfg) * STRETCH * radius / steps)

    def move(x, gradient, active):
        return ball.moved(x, gradient, step, active)

    with progress() as bar:
        return climb(predictor, "margin", start, sample.goals, cfg.TARGETED, move, steps, bar,
                     stop=stop)


def transfer(predictors: dict[str, Predictor], sample: Shared, cfg) -> np.ndarray:
    """-> the share of images made on one network that fool another [made on, tried on]

    They are made with half of EPSILON. The attack makes all its steps, even after a success.
    """
    rates = np.zeros((len(predictors), len(predictors)))
    for k, maker in enumerate(progress(predictors.values(), "transfer")):
        made = in_one_ball(maker, sample, cfg, cfg.EPSILON / 2, STEPS, stop=False).images
        for n, other in enumerate(predictors.values()):
            predicted = other.predict(made).predicted[:, 0]
            rates[k, n] = ((predicted == sample.goals) == cfg.TARGETED).mean()
    return rates


def check(predictor: Predictor, sample: Shared, cfg, own: float,
          others: np.ndarray) -> dict[str, dict]:
    """-> for each check, in words: success rates, and whether it holds

    own: how often images made on this network fool it; others [n]: those made elsewhere. Without
    any, that check is left out.
    """
    few = Shared(*(array[:CHECKED] for array in sample))

    @functools.cache
    def rate(radius, steps):
        return float(in_one_ball(predictor, few, cfg, radius, steps).success.mean())

    larger = [rate(cfg.EPSILON * part, STEPS) for part in (1 / 8, 1 / 4, 1 / 2, 1)]
    longer = [rate(cfg.EPSILON / 4, steps) for steps in (STEPS // 4, STEPS // 2, STEPS, 2 * STEPS)]
    unbounded = rate(1, 2 * STEPS)
    checks = {
        "a_larger_budget_never_does_worse": judged(larger, never_falls(larger)),
        "more_steps_never_do_worse": judged(longer, never_falls(longer)),
        "an_unbounded_attack_always_succeeds": judged([unbounded], unbounded == 1),
    }
    if len(others):
        checks["no_image_made_elsewhere_does_better"] = judged(
            [own, *others], own >= others.max() - TOLERANCE)
    return checks


def never_falls(rates: list[float]) -> bool:
    """Whether none of them is lower than any before by more than TOLERANCE."""
    return bool((rates >= np.maximum.accumulate(rates) - TOLERANCE).all())


def judged(rates: list[float], holds: bool) -> dict:
    return {"success_rates": rates, "holds": bool(holds)}
