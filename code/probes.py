"""What a trained network knows: how it reconstructs, what each dimension of a capsule does, how sure it may be.

Arrays in, arrays out: nothing here reads a file, writes one or draws. N images, K tweaked values, M measures of shape;
the other letters as in capsules.py.
"""
import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import ndtri, stdtrit
from tqdm import tqdm

import capsules
import shapes
from trainer import compiled

CONFIDENCE = 0.95  # of every confidence interval; what is called significant is corrected for the number of effects
DECODED = 4000     # images that are decoded and measured at a time


def length_of(lengths, classes):
    """lengths [B, J], classes [B] -> the length of that class's capsule [B]"""
    return tf.gather(lengths, classes, batch_dims=1)


def lead_of(lengths, classes):
    """-> by how much that capsule is longer than the longest other one [B], so above 0 where the class is predicted"""
    return length_of(lengths, classes) - tf.reduce_max(lengths - 2 * tf.one_hot(classes, lengths.shape[1]), axis=1)


class Network:
    """All that evaluation asks of a model, for any number of images: NumPy in and out, compiled once per question.

    Batches have one fixed shape. The last one is filled up with repetitions, which are dropped from the result.
    """

    def __init__(self, model, trained, batch_size):
        """trained: the settings of the network, of which JIT and CONV_WAY say how to compile it"""
        self.batch_size = batch_size

        def look(images, labels):
            output = model(images)
            return output.v, output.lengths, output.reconstruction, model.decode(output.v, labels)

        def decode(capsule, classes):
            v = tf.repeat(capsule[:, None], model.digit_caps.classes, axis=1)        # [B, J, E]
            return (model.decode(v, classes),)                                     # `decode` masks all but one

        def gradient(objective, images, classes):
            with tf.GradientTape() as tape:
                tape.watch(images)
                lengths = capsules.length(model.encode(images))                    # [B, J]
                climbed = objective(lengths, classes)                              # [B]
            return lengths, tape.gradient(climbed, images)

        self._look, self._decode = compiled(look, trained), compiled(decode, trained)
        self._gradients = {objective: compiled(functools.partial(gradient, objective), trained)
                           for objective in (length_of, lead_of)}

    def look(self, images, labels, progress=None):
        """images [N, H, W, C], labels [N] -> Look"""
        return Look(*self._run(self._look, images, labels, progress=progress))

    def decode(self, capsule, classes):
        """One capsule [N, E] and its class [N] for each image -> images [N, H, W, C]"""
        return self._run(self._decode, capsule, classes)[0]

    def gradient(self, objective, images, classes):
        """-> lengths [N, J] and the gradient [N, H, W, C] of `objective`, length_of or lead_of, for `classes` [N]"""
        return self._run(self._gradients[objective], images, classes)

    def _run(self, function, *arrays, progress=None):
        total = len(arrays[0])
        parts = []
        for start in tqdm(range(0, total, self.batch_size), progress, leave=False, disable=progress is None):
            index = np.minimum(np.arange(start, start + self.batch_size), total - 1)
            results = function(*(tf.constant(array[index]) for array in arrays))
            parts.append([result.numpy()[: total - start] for result in results])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]


def sample(labels, count, seed):
    """-> indices of `count` of the labels [N], or of all if there are fewer, spread evenly over the classes.

    The first image of each class comes before the second of any.
    """
    order = np.random.default_rng([seed, 3]).permutation(len(labels))
    rank = np.zeros(len(labels), int)
    for j in np.unique(labels):
        mine = labels[order] == j
        rank[mine] = np.arange(mine.sum())
    return order[np.argsort(rank, kind="stable")[:count]]


# ---- reconstruct ----

class Look(NamedTuple):
    """What the network makes of N images."""
    v: np.ndarray             # class capsules [N, J, E]
    lengths: np.ndarray       # [N, J]
    by_predicted: np.ndarray  # reconstruction from the longest capsule [N, H, W, C]
    by_label: np.ndarray      # and from the capsule of the label

    @property
    def predicted(self):
        return self.lengths.argmax(axis=1)                                         # [N]


def squared_error(images, reconstruction):
    """-> the mean squared error per pixel of each image [N]"""
    return np.square(images - reconstruction).mean(axis=(1, 2, 3))


def confusion(labels, predicted, classes):
    """-> counts [J, J]: label by prediction"""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


class Reliability(NamedTuple):
    """Images by the length of their winning capsule, in bins of equal width from 0 to 1. Empty bins are NaN."""
    count: np.ndarray     # images [bins]
    length: np.ndarray    # their mean winning length
    accuracy: np.ndarray  # the share classified right
    low: np.ndarray       # its confidence interval (Wilson)
    high: np.ndarray
    gap: float            # mean |length - accuracy| over images: the expected calibration error


def reliability(lengths, right, bins=10):
    """lengths [N] of the winning capsules, right [N] -> Reliability"""
    place = np.minimum((lengths * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        length = np.bincount(place, lengths, bins) / count
        accuracy = np.bincount(place, right, bins) / count
        z = ndtri((1 + CONFIDENCE) / 2)
        centre = (accuracy + z**2 / (2 * count)) / (1 + z**2 / count)
        half = z / (1 + z**2 / count) * np.sqrt(accuracy * (1 - accuracy) / count + z**2 / (4 * count**2))
    gap = np.nansum(np.abs(length - accuracy) * count) / count.sum()
    return Reliability(count, length, accuracy, centre - half, centre + half, float(gap))


# ---- cap_tweak ----

def tweak(network, capsule, classes, values):
    """Adds each of `values` [K] to each dimension of each capsule [N, E] and decodes -> images [N, E, K, H, W, C]"""
    N, E = capsule.shape
    tweaked = capsule[:, None, None] + np.eye(E, dtype=np.float32)[:, None] * values.astype(np.float32)[:, None]
    images = network.decode(tweaked.reshape(-1, E), np.repeat(classes, E * len(values)))
    return images.reshape(N, E, len(values), *images.shape[1:])


def measure_tweaks(network, capsule, classes, values, progress=None):
    """What tweaking does to the shape (shapes.MEASURES) of each image -> [N, E, K, M]. Channels are averaged."""
    N, E = capsule.shape
    measured = []
    chunk = max(1, DECODED // (E * len(values)))
    with tqdm(desc=progress, total=N, unit="image", leave=False, disable=progress is None) as bar:
        for start in range(0, N, chunk):
            some = slice(start, start + chunk)
            images = tweak(network, capsule[some], classes[some], values).mean(axis=-1)  # [n, E, K, H, W]
            measured.append(shapes.measure(images.reshape(-1, *images.shape[3:])).reshape(*images.shape[:3], -1))
            bar.update(len(images))
    return np.concatenate(measured)


class Effects(NamedTuple):
    """What each dimension of each class's capsule does to each measure, each [J, E, M], for a tweak of `per`."""
    per: float
    slope: np.ndarray        # change in the measure's own unit, mean over images
    low: np.ndarray          # its confidence interval
    high: np.ndarray
    standard: np.ndarray     # the slope in standard deviations of that measure within the class, see `effects`
    significant: np.ndarray  # bool
    images: np.ndarray       # [J], how many were measured, with those that vanished

    def of(self, j, e):
        """All effects of dimension e of class j, and in words the strongest significant one, or None."""
        strength = np.where(self.significant[j, e], np.abs(self.standard[j, e]), 0)  # [M]
        names, strongest = list(shapes.MEASURES.items()), None
        if strength.any():
            m = strength.argmax()
            name, (unit, _) = names[m]
            strongest = f"{name} {self.slope[j, e, m]:+.1f} {unit} ({strength[m]:.1f} sd)"
        columns = "slope", "low", "high", "standard", "significant"
        return {"dimension": e, "strongest": strongest,
                **{name: {"unit": unit, **{column: getattr(self, column)[j, e, m] for column in columns}}
                   for m, (name, (unit, _)) in enumerate(names)}}


def effects(measured, labels, classes, values):
    """measured [N, E, K, M] with `values` [K] around 0 in the middle, labels [N] -> Effects, per the largest value.

    Each image gives one slope, the least-squares line along the tweak; the images, not the tweaked values, are the
    independent observations, so mean and confidence interval are Student's over images. An image that vanishes along
    the tweak does not count. Significant: other than 0 at a level of 5 % divided by the number of effects tested
    (Bonferroni). Units differ, so strengths are compared in standard deviations of the measure over the untweaked
    reconstructions of the class, but no less than Measure.least: MNIST's digits are centred, and in units of how
    little their position varies, a drift by a tenth of a pixel would outdo a slant that anyone can see.
    """
    _, E, K, M = measured.shape
    shape = classes, E, M
    slope, error, freedom, spread = (np.full(shape, np.nan) for _ in range(4))
    per, weights = values.max(), values - values.mean()
    for j in np.unique(labels):
        mine = measured[labels == j].astype(float)
        slopes = np.einsum("nekm,k->nem", mine, weights) / np.square(weights).sum() * per
        n = np.isfinite(slopes).sum(axis=0)
        enough = n > 1
        slopes, middle = slopes[:, enough], mine[:, :, K // 2][:, enough]
        slope[j, enough], freedom[j, enough] = np.nanmean(slopes, axis=0), n[enough] - 1
        error[j, enough] = np.nanstd(slopes, axis=0, ddof=1) / np.sqrt(n[enough])
        spread[j, enough] = np.nanstd(middle, axis=0, ddof=1)
    half = stdtrit(freedom, (1 + CONFIDENCE) / 2) * error
    tested = np.isfinite(slope).sum()
    strict = stdtrit(freedom, 1 - (1 - CONFIDENCE) / 2 / max(tested, 1)) * error
    spread = np.maximum(spread, [measure.least for measure in shapes.MEASURES.values()])
    return Effects(float(per), slope, slope - half, slope + half, slope / spread, np.abs(slope) > strict,
                   np.bincount(labels, minlength=classes))
