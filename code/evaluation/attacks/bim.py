"""BIM: several smaller steps of FGSM's kind for each budget (Kurakin 2017)."""
from evaluation.attacking.budgets import climb_in_growing_balls
from evaluation.attacking.steps import Attacked


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    return climb_in_growing_balls(predictor, images, classes, cfg, title)
