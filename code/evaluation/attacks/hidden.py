"""Reconstruction-aware PGD: it also stays below the detector's threshold (Qin, Frosst 2020).

It has succeeded where the network is wrong and the detector is silent.
"""
from evaluation.attacking.engine import Attacked, sweep
from evaluation.network.objectives import away_reconstruction_aware, towards_reconstruction_aware

NEEDS = frozenset({"decoder"})


def attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked:
    objective = towards_reconstruction_aware if cfg.TARGETED else away_reconstruction_aware
    return sweep(predictor, images, classes, cfg, title, objectives=[objective],
                 threshold=threshold)
