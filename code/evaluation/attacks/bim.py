"""BIM: several smaller steps of FGSM's kind for each budget (Kurakin 2017)."""
from evaluation.attacking.engine import Attacked, sweep


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    return sweep(predictor, images, classes, cfg, title, random_start=False)
