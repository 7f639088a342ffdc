"""FGSM: one step as long as the budget (Goodfellow 2015)."""
from evaluation.attacking.engine import Attacked, sweep


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    return sweep(predictor, images, classes, cfg, title, steps=1, random_start=False)
