"""Checks for gradient masking, and the transfer of adversarial images between networks.

A masked gradient makes a network look robust. Then a larger budget or more steps may do worse, an
unbounded attack may fail, or images made on another network may do better (Athalye 2018).
"""
import numpy as np

from data.dataset import stream
from evaluation.attacking.engine import STRETCH, Ball, Climb, climb
from evaluation.network.objectives import margin
from evaluation.network.predictor import Predictor
from evaluation.sampling import Shared
from output import progress

NEAR = 1 / 8      # of EPSILON: how far from the images an attack may start
STEPS = 20        # of the attacks that are made here
CHECKED = 200     # images on which the attacks are checked
TOLERANCE = 0.02  # drop of a success rate that a check tolerates


def in_one_ball(predictor: Predictor, sample: Shared, cfg, radius: float, steps: int,
                stop: bool = True) -> Climb:
    """Runs PGD in one L-infinity ball. stop: an image stops at its first success.

    It starts at a random point near each natural image, because the gradient may vanish at the
    image itself. Far from the image, noise alone would fool the network before any step.
    """
    ball = Ball("linf", sample.images, np.float32(radius))
    near = ball._replace(radius=np.float32(min(radius, cfg.EPSILON * NEAR)))
    start = near.random_point(stream(cfg.SEED, "attack"))
    return climb(predictor, margin, ball, start, sample.goals, STRETCH * radius / steps, cfg, steps,
                 stop=stop)


def transfer(predictors: dict[str, Predictor], sample: Shared, cfg) -> np.ndarray:
    """Returns the fraction of images of each source model that fool each target model [S, T].

    They are made with half of EPSILON. The attack makes all its steps, even after a success.
    """
    rates = np.zeros((len(predictors), len(predictors)))
    for s, source in enumerate(progress(predictors.values(), "transfer")):
        made = in_one_ball(source, sample, cfg, cfg.EPSILON / 2, STEPS, stop=False).images
        for t, target in enumerate(predictors.values()):
            predicted = target.predict(made).predicted[:, 0]
            rates[s, t] = ((predicted == sample.goals) == cfg.TARGETED).mean()
    return rates


def check(predictor: Predictor, sample: Shared, cfg, own: float,
          others: np.ndarray) -> dict[str, dict]:
    """Returns for each check, in words, its success rates, and whether it holds.

    own: how often images made on this network fool it; others [n]: those of other source models.
    Without any, that check is left out.
    """
    few = Shared(*(array[:CHECKED] for array in sample))

    def rate(radius, steps):
        return in_one_ball(predictor, few, cfg, radius, steps).success.mean()

    larger = [rate(cfg.EPSILON * part, STEPS) for part in (1 / 8, 1 / 4, 1 / 2, 1)]
    longer = [rate(cfg.EPSILON / 4, steps) for steps in (STEPS // 4, STEPS // 2)]
    longer += [larger[1], rate(cfg.EPSILON / 4, 2 * STEPS)]
    unbounded = rate(1, 2 * STEPS)
    checks = {"a_larger_budget_never_does_worse": (larger, never_falls(larger)),
              "more_steps_never_do_worse": (longer, never_falls(longer)),
              "an_unbounded_attack_always_succeeds": ([unbounded], unbounded == 1)}
    if len(others):
        checks["no_image_made_elsewhere_does_better"] = ([own, *others],
                                                         own >= others.max() - TOLERANCE)
    return {words: {"success_rates": rates, "holds": bool(holds)}
            for words, (rates, holds) in checks.items()}


def never_falls(rates: list[float]) -> bool:
    """Returns whether none of them is lower than any before by more than TOLERANCE."""
    return (rates >= np.maximum.accumulate(rates) - TOLERANCE).all()
