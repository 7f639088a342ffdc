"""Adversarial images: a file for each attack, found by its name.

attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked

    images [N, H, W, C] in [0, 1], classified correctly: the others need no attack
    classes [N]: the targets if cfg.TARGETED, otherwise the labels
    cfg: settings of the mode adversarial: MAX_ITERS steps for each image in all (for each try of
        `strong`), NORM (the attack's own, if it knows only one), EPSILON, EPSILON_L2, SEED
    threshold: the distance from its reconstruction above which the detector calls an image
        suspect; None without a decoder
    title: of a progress bar; None shows no bar

An attack may also have

SETTINGS   flags of its own
NORM       "linf" or "l2": the only norm that it knows, whatever --norm says
NEEDS      what the network must have beyond scores: a set of "routing", "decoder"
TITLE      its name in figures, if the file's name says too little

An attack moves an image along a gradient: up, towards a target class; or, without a target, down,
away from the true one. What it climbs is a function of network/objectives.py: mostly the margin,
which is above 0 exactly when the attack has succeeded. None climbs the margin loss of the training.
Its gradient is exactly zero where the true capsule is longer than m+ and the others are shorter
than m-, so the network would look more robust than it is.
"""
import numpy as np

import registry
from evaluation.attacking.engine import Attacked
from evaluation.network.predictor import Predictor

FOLDER = "evaluation.attacks"


def run(name: str, predictor: Predictor, images: np.ndarray, classes: np.ndarray, cfg,
        threshold: float | None, title: str | None = None) -> Attacked:
    """Runs the attack of that name, see above, in its own norm if it knows only one."""
    attack = registry.module(FOLDER, name).attack
    cfg = cfg.changed(NORM=norm_of(name, cfg.NORM))
    return attack(predictor, images, classes, cfg, threshold, title)


def norm_of(name: str, wanted: str) -> str:
    """Returns the norm of its budgets, a key of NORMS: its only one, or the wanted one."""
    return getattr(registry.module(FOLDER, name), "NORM", wanted)


def lacks(name: str, predictor: Predictor) -> frozenset[str]:
    """Returns what the attack needs and the network does not have."""
    needs = getattr(registry.module(FOLDER, name), "NEEDS", frozenset())
    return needs - predictor.network.capabilities
