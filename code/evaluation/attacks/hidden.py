"""PGD that also stays below the threshold of the detector (Qin, Frosst and others 2020).

It has succeeded where the network is wrong and the detector is silent.
"""
from data.dataset import stream
from evaluation.attacking.budgets import climb_in_growing_balls
from evaluation.attacking.steps import Attacked

NEEDS = frozenset({"decoder"})


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    objective = "towards_hidden" if cfg.TARGETED else "away_hidden"
    return climb_in_growing_balls(predictor, images, classes, cfg, title,
                                  random=stream(cfg.SEED, "attack"), objectives=(objective,),
                                  threshold=threshold)
