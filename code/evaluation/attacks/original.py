"""Steps of the L2 length LR along the gradient of the capsule's length, until it succeeds.

The attack of the original repository. It has no budget.
"""
import numpy as np

from evaluation.attacking.balls import l2_norm
from evaluation.attacking.budgets import sign
from evaluation.attacking.steps import Attacked, climb, distances
from output import progress
from settings import POSITIVE, Setting

SETTINGS = {
    "LR": Setting(
        1.0, "adversarial, original attack: L2 length of one step, pixels in [0, 1]", "original",
        POSITIVE),
}
NORM = "l2"
TITLE = "attack of the original repository"
POINTS = 60    # L2 budgets at which its success rate is drawn


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    step = np.float32(sign(cfg) * cfg.LR)

    def move(x, gradient, active):
        return np.clip(x + step * gradient / l2_norm(gradient), 0, 1)

    with progress(title=title, total=len(images), unit="image") as bar:
        found = climb(predictor, "length", images, classes, cfg.TARGETED, move, cfg.MAX_ITERS, bar)
    l2, linf = distances(images, found.images)
    tried = np.linspace(0, l2[found.success].max(initial=1), POINTS)
    return Attacked(found.images, found.success, found.steps, l2, linf, norm="L2",
                    budget=np.where(found.success, l2, np.inf), tried=tried)
