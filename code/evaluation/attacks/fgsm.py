"""FGSM: one step as long as the budget (Goodfellow 2015)."""
from evaluation.attacking.engine import Attacked, sweep


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    """Tries one budget after the other, the smallest first, each from the image itself."""
    return sweep(predictor, images, classes, cfg, title, steps=1, random_start=False)
