"""PGD on the network without routing, which therefore cannot hide the gradient (Gu 2021)."""
from evaluation.attacking.engine import Attacked, sweep
from evaluation.network.objectives import unrouted_margin

NEEDS = frozenset({"routing"})


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    return sweep(predictor, images, classes, cfg, title, objectives=[unrouted_margin])
