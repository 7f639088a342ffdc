"""PGD: as BIM, from a random point within the budget (Madry 2018)."""
from data.dataset import stream
from evaluation.attacking.budgets import climb_in_growing_balls
from evaluation.attacking.steps import Attacked


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    return climb_in_growing_balls(predictor, images, classes, cfg, title,
                                  random=stream(cfg.SEED, "attack"))
