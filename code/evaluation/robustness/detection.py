"""Detection of adversarial images by their reconstruction.

Frosst, Sabour, Hinton 2018, arXiv 1811.06969. The decoder draws what the winning capsule stands
for. An image that only pretends to be of that class is farther from this drawing than a natural
one.
"""
import numpy as np
from scipy import stats

from data.dataset import Dataset, scale
from evaluation import sampling
from evaluation.attacking.engine import distances
from evaluation.network.predictor import Predictions, Predictor
from output import say

FALSE_POSITIVES = 0.05  # fraction of natural images that the detector may flag
IMAGES = 1000           # natural images that the threshold is found on, at most


def reconstruction_distance(images: np.ndarray, predictions: Predictions) -> np.ndarray:
    """Returns the L2 distance [N] of images [N, H, W, C] from what their longest capsules draw."""
    l2, _ = distances(images, predictions.from_predicted[:, 0])
    return l2


def find_threshold(predictor: Predictor, dataset: Dataset, cfg) -> float:
    """Returns the distance above which the detector calls an image suspect, a 95 % quantile.

    It is that of IMAGES validation images, spread evenly over the classes. Where none were held
    out, it is that of training images, which are reconstructed a little better. Of a test split
    alone it is that of the test images, and a line says so. Of several networks it is the split of
    the first one, which another may have been trained on.
    """
    splits = dataset.val, dataset.train, dataset.test
    split = next(one for one in splits if len(one.labels))
    if split is dataset.test:
        say(f"{dataset.name} has test images alone: the threshold of the detector is theirs, and "
            f"flags {FALSE_POSITIVES:.0%} of them")
    chosen = sampling.spread_evenly(split.labels[:, 0], IMAGES, cfg.SEED)
    images = scale(split.take(chosen).images)
    predictions = predictor.predict(images, title="images for the threshold")
    natural = reconstruction_distance(images, predictions)
    return np.quantile(natural, 1 - FALSE_POSITIVES, method="inverted_cdf")


def auroc(natural: np.ndarray, adversarial: np.ndarray) -> float:
    """Returns the area under the ROC curve, of distances [N], [n]; NaN for no adversarial ones.

    It is how often the adversarial one of two distances is the larger; equal ones count by half.
    """
    if not len(adversarial):
        return np.nan
    wins = stats.mannwhitneyu(adversarial, natural, method="asymptotic").statistic
    return wins / (len(natural) * len(adversarial))
