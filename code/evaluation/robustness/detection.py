"""Detection of adversarial images by their reconstruction.

Frosst, Sabour, Hinton 2018, arXiv 1811.06969. The decoder draws what the winning capsule stands
for. An image that only pretends to be of that class is farther from this drawing than a natural
one.
"""
import numpy as np

from data.dataset import Dataset, scale
from evaluation import sampling
from evaluation.network.predictor import Predictor

FALSE_POSITIVES = 0.05  # share of natural images that the detector may flag
IMAGES = 1000           # natural images that the threshold is found on, at most


def reconstruction_distance(images: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
    """Both [N, H, W, C] -> the L2 distance [N] of each image from its reconstruction"""
    return np.linalg.norm((images - reconstruction).reshape(len(images), -1), axis=1)


def find_threshold(predictor: Predictor, dataset: Dataset, cfg) -> float:
    """-> the distance above which the detector calls an image suspect.

    It is that of IMAGES validation images, spread evenly over the classes. Where none were held
    out, it is that of training images, which are reconstructed a little better. Of several networks
    it is the split of the first one, which another may have been trained on.
    """
    split = dataset.val if len(dataset.val.labels) else dataset.train
    chosen = sampling.spread_evenly(split.labels[:, 0], IMAGES, cfg.SEED)
    images = scale(split.take(chosen).images)
    known = predictor.predict(images, title="images for the threshold")
    return threshold(reconstruction_distance(images, known.from_predicted[:, 0]))


def threshold(distances: np.ndarray) -> float:
    """-> the 95 % quantile of these distances [N]: at most FALSE_POSITIVES of them are larger"""
    return np.quantile(distances, 1 - FALSE_POSITIVES, method="inverted_cdf")


def roc_area(natural: np.ndarray, adversarial: np.ndarray) -> float:
    """Distances [N], [n] -> the area under the ROC curve.

    It is how often the adversarial one of two distances is the larger; equal ones count by half.
    NaN if there are no adversarial ones.
    """
    if not len(adversarial):
        return np.nan
    natural = np.sort(natural)
    below = np.searchsorted(natural, adversarial, "left")                      # [n]
    up_to = np.searchsorted(natural, adversarial, "right")                     # [n]
    return float((below + up_to).mean() / 2 / len(natural))
