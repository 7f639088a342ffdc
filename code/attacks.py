"""Adversarial images: the original's attack, FGSM, BIM and PGD, and their detection by reconstruction.

An attack moves an image along a gradient: up, towards a target class; or, when it has no target, down, away from the
true one. The original climbs the length of the target's capsule. FGSM, BIM and PGD climb its lead, the length less that
of the longest other capsule, because an attack has succeeded exactly when the target leads; on MNIST this finds the way
to a target much more often than the length alone. None climbs the margin loss that the network was trained with: that
one is flat, its gradient exactly zero, where the true capsule is longer than m+ and the others are shorter than m-, so
for most images such an attack would fail by not moving, and the network would look more robust than it is.

Attack images that are classified right: the others need none.
"""
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from probes import lead_of, length_of

BUDGETS = 10           # L-infinity budgets tried on the way to epsilon
FALSE_POSITIVES = 0.05  # share of natural images that the detector may flag


class Attacked(NamedTuple):
    """N attacked images. Distances are from the natural image, with pixels in [0, 1]."""
    images: np.ndarray   # [N, H, W, C] in [0, 1]; where the attack failed, how far it came
    success: np.ndarray  # bool [N]: classified as the target, or no longer as the label
    budget: np.ndarray   # smallest budget with success [N], infinite without: L2 (original) or L-infinity (the others)
    l2: np.ndarray       # distances [N]
    linf: np.ndarray
    steps: np.ndarray    # gradient steps [N]


def attack(network, kind, images, classes, targeted, size, max_steps, seed, progress=None):
    """Attacks images [N, H, W, C] -> Attacked. `kind`: original, fgsm, bim or pgd.

    classes [N]: the targets if `targeted`, else the labels; `size`: the L2 length of one step for the original, the
    largest L-infinity distance for the others; max_steps: of each image, in all.

    The original stops at the first success. The others have a ball to stay in, and a small ball is tried before a
    large one: only images that withstand one budget meet the next, from the natural image on. FGSM makes one step of
    the budget's length along the signs of the gradient (Goodfellow 2015); BIM (Kurakin 2017) shares max_steps between
    the budgets, in steps of 2.5 budgets divided by their number (Madry 2018); PGD does that from a random point of the
    ball (Madry 2018).
    """
    N = len(images)
    found, success = images.copy(), np.zeros(N, bool)
    steps, budget = np.zeros(N, int), np.full(N, np.inf)
    sign = np.float32(1 if targeted else -1)
    random = np.random.default_rng(seed)
    with tqdm(desc=progress, total=N, unit="image", leave=False, disable=progress is None) as bar:
        if kind == "original":
            def move(x, gradient, norm, _):
                return np.clip(x + sign * np.float32(size) * gradient / norm, 0, 1)

            found, success, steps = climb(network, length_of, images, classes, targeted, move, max_steps, bar)
        else:
            tried = budgets(size, max_steps)
            count = 1 if kind == "fgsm" else max_steps // len(tried)
            for epsilon in tried:
                left = np.flatnonzero(~success)
                low, high = np.maximum(0, images[left] - epsilon), np.minimum(1, images[left] + epsilon)
                step = sign * epsilon * np.float32(2.5 / count if count > 1 else 1)

                def move(x, gradient, _, active, low=low, high=high, step=step):
                    return np.clip(x + step * np.sign(gradient), low[active], high[active])

                start = random.uniform(low, high).astype(np.float32) if kind == "pgd" else images[left]
                found[left], success[left], more = climb(network, lead_of, start, classes[left], targeted, move, count,
                                                           bar)
                steps[left] += more
                budget[left[success[left]]] = epsilon
    difference = (found - images).reshape(N, -1)
    l2, linf = np.linalg.norm(difference, axis=1), np.abs(difference).max(axis=1, initial=0)
    if kind == "original":
        budget = np.where(success, l2, np.inf)
    return Attacked(found, success, budget, l2, linf, steps)


def budgets(epsilon, max_steps):
    """-> the L-infinity budgets that are tried one after the other, [BUDGETS] or [max_steps], up to epsilon"""
    number = min(BUDGETS, max_steps)
    return np.linspace(0, epsilon, number + 1, dtype=np.float32)[1:]


def climb(network, objective, images, classes, targeted, move, max_steps, bar):
    """Moves each image until it succeeds, its gradient vanishes or max_steps are made -> images, success, steps

    move(x, gradient, norm, active) -> the next x, for the images [active]; norm [n, 1, 1, 1]: L2, above 0.
    """
    images, active = images.copy(), np.arange(len(images))
    success, steps = np.zeros(len(images), bool), np.zeros(len(images), int)
    while len(active):
        lengths, gradient = network.gradient(objective, images[active], classes[active])
        done = (lengths.argmax(axis=1) == classes[active]) == targeted
        success[active] = done
        bar.update(int(done.sum()))
        norm = np.sqrt(np.square(gradient).sum(axis=(1, 2, 3), keepdims=True))
        go = ~done & (norm[:, 0, 0, 0] > 0) & (steps[active] < max_steps)
        active = active[go]
        images[active] = move(images[active], gradient[go], norm[go], active)
        steps[active] += 1
    return images, success, steps


def success_curve(attacked, budgets):
    """-> the share of images that an attacker with each of `budgets` [n] fools [n]"""
    return (attacked.budget <= np.asarray(budgets)[:, None]).mean(axis=1)


def class_table(labels, others, values, classes):
    """-> the mean of `values` [N] over the images of each label and other class [J, J]; NaN where there are none"""
    total, count = np.zeros((2, classes, classes))
    np.add.at(total, (labels, others), values)
    np.add.at(count, (labels, others), 1)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


# ---- detection by reconstruction: Frosst, Sabour, Hinton 2018, arXiv 1811.06969 ----

def reconstruction_distance(images, reconstruction):
    """-> the L2 distance [N] between each image and its reconstruction from the winning capsule."""
    return np.linalg.norm((images - reconstruction).reshape(len(images), -1), axis=1)


def threshold(distances):
    """-> the smallest of these distances [N] that at most FALSE_POSITIVES of them exceed."""
    return np.quantile(distances, 1 - FALSE_POSITIVES, method="inverted_cdf")


def roc_area(natural, adversarial):
    """-> the area under the ROC curve: how often the adversarial one of two distances is the larger, ties by half.

    NaN if there are no adversarial ones.
    """
    if not len(adversarial):
        return np.nan
    natural = np.sort(natural)
    below, up_to = (np.searchsorted(natural, adversarial, side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(natural))
