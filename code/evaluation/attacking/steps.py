"""Moving images along a gradient until the network is fooled: the part that all attacks share."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from evaluation.attacking.balls import l2_norm
from evaluation.network.predictor import Predictor


class Attacked(NamedTuple):
    """N attacked images. Distances are from the natural image, with pixels in [0, 1]."""
    images: np.ndarray   # [N, H, W, C] in [0, 1]; where the attack failed, how far it came
    success: np.ndarray  # bool [N]: classified as the target, or no longer as the label; of the
                         # attack `hidden` also unsuspected
    steps: np.ndarray    # gradient steps [N]
    l2: np.ndarray       # distances [N]
    linf: np.ndarray
    norm: str            # of the budget: "L2" or "L-infinity"
    budget: np.ndarray   # smallest budget with success [N], infinite without
    tried: np.ndarray    # budgets [n] at which to draw the success rate, from 0


class Climb(NamedTuple):
    """N images after climbing."""
    images: np.ndarray   # [N, H, W, C]
    success: np.ndarray  # bool [N]
    steps: np.ndarray    # [N]


def climb(predictor: Predictor, objective: str | Callable, images: np.ndarray,
          classes: np.ndarray, targeted: bool, move: Callable, max_steps: int, bar: tqdm,
          threshold: float | None = None, stop: bool = True) -> Climb:
    """Moves each image until it succeeds, its gradient vanishes or max_steps are made.

    images [N, H, W, C] in [0, 1]; classes [N]: the targets if `targeted`, otherwise the labels
    move(x, gradient, active) -> the next x, for the n images [active]; none of their gradients
    is all zero
    bar: a progress bar, moved on by each success
    threshold: the detector's, for objectives that take one. With it, the sign of the
    objective says whether the attack has succeeded, not the predicted class
    stop: if false, images go on after they have succeeded
    """
    images, active = images.copy(), np.arange(len(images))
    success, steps = np.zeros(len(images), bool), np.zeros(len(images), int)
    while len(active):
        # who has succeeded?
        scores, value, gradient = predictor.gradient(objective, images[active], classes[active],
                                                     threshold)
        if threshold is None:
            done = (scores.argmax(axis=1) == classes[active]) == targeted      # [n]
        else:
            done = value > 0 if targeted else value < 0                        # [n]
        success[active] = done
        bar.update(int(done.sum()) if stop else 0)

        # one step for the others
        moving = l2_norm(gradient)[:, 0, 0, 0] > 0
        go = ~(done & stop) & moving & (steps[active] < max_steps)                      # [n]
        active = active[go]
        images[active] = move(images[active], gradient[go], active)
        steps[active] += 1
    return Climb(images, success, steps)


class Distances(NamedTuple):
    """How far N images were moved, with pixels in [0, 1]."""
    l2: np.ndarray    # [N]
    linf: np.ndarray  # [N]


def distances(images: np.ndarray, moved: np.ndarray) -> Distances:
    """Both [N, H, W, C]"""
    difference = (moved - images).reshape(len(images), -1)
    return Distances(np.linalg.norm(difference, axis=1), np.abs(difference).max(axis=1, initial=0))


def success_curve(attacked: Attacked, budgets: np.ndarray) -> np.ndarray:
    """-> the share of images that an attacker with each of `budgets` [n] fools [n]"""
    return (attacked.budget <= np.asarray(budgets)[:, None]).mean(axis=1)
