"""PGD: as BIM, from a random point within the budget (Madry 2018)."""
from data.dataset import stream
from evaluation.climbing import Attacked
from evaluation.growing import climb_in_growing_balls


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    return climb_in_growing_balls(predictor, images, classes, cfg, title,
                                  random=stream(cfg.SEED, "attack"))
