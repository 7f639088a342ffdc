"""PGD on several objectives, from RESTARTS points each: up to MAX_ITERS steps for every one.

An image counts as robust only if all of them fail (Carlini and Wagner 2017; Croce and Hein 2020).
"""
from evaluation.attacking.engine import Attacked, sweep
from evaluation.network.objectives import log_probability, margin, unrouted_margin
from settings import Setting, at_least

SETTINGS = {
    "RESTARTS": Setting(
        2, "adversarial --attack strong: random starts for each budget and objective", "ours",
        at_least(1)),
}


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    objectives = [margin, log_probability]
    if "routing" in predictor.network.capabilities:
        objectives.append(unrouted_margin)
    return sweep(predictor, images, classes, cfg, title, objectives=objectives,
                 restarts=cfg.RESTARTS)
