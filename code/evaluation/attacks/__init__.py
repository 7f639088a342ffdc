"""Adversarial images: a file for each attack, found by its name.

attack(predictor, images, classes, cfg, threshold, title=None) -> Attacked

    images [N, H, W, C] in [0, 1], which should be classified right: the others need no attack
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
TITLE      its name in figures, where the file's name says too little

What it climbs is a function of evaluation/objectives.py, by name, or one like those in its own
file. To list the flags every attack is imported, so none imports TensorFlow outside of a function.

An attack moves an image along a gradient: up, towards a target class; or, when it has no target,
down, away from the true one. The original climbs the length of the target's capsule. FGSM, BIM and
PGD climb its margin, the length less that of the longest other capsule, because an attack has
succeeded exactly when the target's margin is above 0; on MNIST this finds the way to a target much
more often than the length alone. None climbs the margin loss that the network was trained with:
that one is flat, its gradient exactly zero, where the true capsule is longer than m+ and the others
are shorter than m-. So for most images such an attack would fail by not moving, and the network
would look more robust than it is.
"""
import numpy as np

import registry
from evaluation.attacking.balls import BALLS
from evaluation.attacking.steps import Attacked
from evaluation.network.predictor import Predictor

FOLDER = "evaluation.attacks"


def run(name: str, predictor: Predictor, images: np.ndarray, classes: np.ndarray, cfg,
        threshold: float | None, title: str | None = None) -> Attacked:
    """The attack of that name, see above.

    ValueError if it leaves [0, 1], or has another norm than was asked for.
    """
    attack, norm = registry.module(FOLDER, name).attack, norm_of(name, cfg.NORM)
    attacked = attack(predictor, images, classes, cfg.changed(NORM=norm), threshold, title)
    asked = BALLS[norm].norm
    if not np.all((attacked.images >= 0) & (attacked.images <= 1)):
        raise ValueError(f"attack {name}: expected pixels in [0, 1], received others")
    if attacked.norm != asked:
        raise ValueError(f"attack {name}: expected budgets in the norm {asked}, received "
                         f"{attacked.norm}; NORM in its file says which it knows alone")
    return attacked


def follows_norm(name: str) -> bool:
    """Whether it knows both norms, so that --norm chooses."""
    return not hasattr(registry.module(FOLDER, name), "NORM")


def norm_of(name: str, wanted: str) -> str:
    """-> the norm of its budgets, a key of BALLS: the only one that it knows, or the wanted one"""
    return getattr(registry.module(FOLDER, name), "NORM", wanted)


def title_of(name: str) -> str:
    return getattr(registry.module(FOLDER, name), "TITLE", name)


def needs_of(name: str) -> frozenset[str]:
    return getattr(registry.module(FOLDER, name), "NEEDS", frozenset())
