"""PGD: as BIM, from a random point within the budget (Madry 2018)."""
from evaluation.attacking.engine import Attacked, sweep


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    return sweep(predictor, images, classes, cfg, title)
