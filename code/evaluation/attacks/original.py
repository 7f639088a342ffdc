"""Steps of the L2 length LR along the gradient of the capsule's length, until it succeeds.

The attack of the original repository. It has no budget.
"""
import numpy as np

from evaluation.attacking.engine import Attacked, Ball, climb, distances
from evaluation.network import objectives
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
    anywhere = Ball("l2", images, np.float32(np.inf))
    with progress(title=title, total=len(images), unit="image") as bar:
        found = climb(predictor, objectives.length, anywhere, images, classes, cfg.LR, cfg,
                      cfg.MAX_ITERS, bar)
    l2, linf = distances(images, found.images)
    tried = np.linspace(0, l2[found.success].max(initial=1), POINTS)
    return Attacked(*found, l2, linf, "L2", np.where(found.success, l2, np.inf), tried)
