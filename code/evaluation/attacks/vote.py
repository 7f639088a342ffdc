"""PGD on the network without routing, which therefore cannot hide the gradient (Gu 2021)."""
from data.dataset import stream
from evaluation.attacking.budgets import climb_in_growing_balls
from evaluation.attacking.steps import Attacked

NEEDS = frozenset({"routing"})


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    return climb_in_growing_balls(predictor, images, classes, cfg, title,
                                  random=stream(cfg.SEED, "attack"),
                                  objectives=("unrouted_margin",))
