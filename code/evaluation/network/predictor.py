"""A trained network as evaluation asks it: NumPy in and out, for any number of images."""
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from evaluation.network import objectives
from model.compile import compiled
from model.network import Network, top_k
from output import progress


class Predictions(NamedTuple):
    """What a network says of N images with K labels each. What it does not have is None.

    K is 1 if no labels were given.
    """
    scores: np.ndarray                        # [N, J], lengths of the class capsules, or logits
    predicted: np.ndarray                     # [N, K], the classes of the K largest scores
    capsules: np.ndarray | None = None        # [N, J, E]
    from_predicted: np.ndarray | None = None  # [N, K, H, W, C], decoded from the predicted capsules
    from_label: np.ndarray | None = None      # [N, K, H, W, C], decoded from those of the labels;
                                              # None if no labels were given

    def take(self, which: np.ndarray) -> "Predictions":
        """-> those of the images [which]."""
        return Predictions(*(None if array is None else array[which] for array in self))


class Gradient(NamedTuple):
    """Where N images stand, and which way an attack would move them."""
    scores: np.ndarray    # [N, J]
    value: np.ndarray     # [N], of the objective
    gradient: np.ndarray  # [N, H, W, C], of the objective with respect to the images


class Predictor:
    """Asks a network in batches of one fixed shape, with one compiled function for each question.

    N is one image or more. The last batch is filled up with repetitions, which are dropped from
    the result. A `title` is that of a progress bar; None shows no bar.
    """

    def __init__(self, network: Network, trained, batch_size: int):
        """trained: the settings of the network; JIT and CONV_WAY say how to compile it."""
        self.network, self.trained, self.batch_size = network, trained, batch_size
        self._predict = compiled(self._predictions_of_batch, trained)
        self._predict_labelled = compiled(self._labelled_predictions_of_batch, trained)
        self._decode = compiled(self._images_of_batch, trained)
        self._decode_labels = compiled(lambda *given: [network.decode(*given)], trained)
        self._gradients = {}

    def predict(self, images: np.ndarray, labels: np.ndarray | None = None,
                title: str | None = None) -> Predictions:
        """Asks for the classes of images [N, H, W, C], float32 in [0, 1].

        labels [N, K]: given, K classes are predicted, and the labels' capsules are decoded, too.
        """
        if labels is None:
            return Predictions(*self._in_batches(self._predict, images, title=title))
        return Predictions(*self._in_batches(self._predict_labelled, images, labels, title=title))

    def decode(self, capsule: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """One capsule [N, E] and its class [N] for each image -> images [N, H, W, C]"""
        return self._in_batches(self._decode, capsule, classes)[0]

    def decode_labels(self, capsules: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """All capsules [N, J, E] and the labels [N, K] to decode -> images [N, K, H, W, C]"""
        return self._in_batches(self._decode_labels, capsules, labels)[0]

    def gradient(self, objective: str | Callable, images: np.ndarray, classes: np.ndarray,
                 threshold: float | None = None) -> Gradient:
        """What an attack needs to know of images [N, H, W, C] and classes [N].

        objective: the name of a function of objectives.py, or another function like those.
        threshold: for those that take one
        """
        if (objective, threshold) not in self._gradients:
            climbed = objective
            if isinstance(objective, str):
                climbed = getattr(objectives, objective)
            if threshold is not None:
                climbed = functools.partial(climbed, threshold=threshold)
            of_batch = functools.partial(self._gradient_of_batch, climbed)
            self._gradients[objective, threshold] = compiled(of_batch, self.trained)
        return Gradient(*self._in_batches(self._gradients[objective, threshold], images, classes))

    # ---- what is compiled ----

    def _predictions_of_batch(self, images, count=1):
        output = self.network(images)
        predicted = top_k(output.scores, count)                                # [B, K]
        if "decoder" not in self.network.capabilities:
            return Predictions(output.scores, predicted, output.capsules)
        return Predictions(output.scores, predicted, output.capsules,
                           self.network.decode(output.capsules, predicted))

    def _labelled_predictions_of_batch(self, images, labels):
        found = self._predictions_of_batch(images, labels.shape[1])
        if "decoder" not in self.network.capabilities:
            return found
        return found._replace(from_label=self.network.decode(found.capsules, labels))

    def _images_of_batch(self, capsule, classes):
        # The decoder sees one capsule of each image: the others may be anything.
        capsules = tf.repeat(capsule[:, None], self.network.classes, axis=1)   # [B, J, E]
        images = self.network.decode(capsules, classes[:, None])               # [B, 1, H, W, C]
        return [images[:, 0]]

    def _gradient_of_batch(self, objective, images, classes):
        with tf.GradientTape() as tape:
            tape.watch(images)
            output = self.network(images)
            climbed = objective(self.network, images, output, classes)         # [B]
        return output.scores, climbed, tape.gradient(climbed, images)

    # ---- batches ----

    def _in_batches(self, function: Callable, *arrays: np.ndarray,
                    title: str | None = None) -> list:
        """-> the results of `function` for all N examples of the arrays

        Each is an array [N, ...], or None where the function returns None.
        """
        total = len(arrays[0])
        parts = []
        for start in progress(range(0, total, self.batch_size), title):
            index = np.minimum(np.arange(start, start + self.batch_size), total - 1)
            results = function(*(tf.constant(array[index]) for array in arrays))
            parts.append([None if one is None else one.numpy()[:total - start] for one in results])
        columns = zip(*parts, strict=True)
        return [None if column[0] is None else np.concatenate(column) for column in columns]
