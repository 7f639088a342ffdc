"""A trained network as evaluation asks it: NumPy in and out, for any number of images."""
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from evaluation.statistics.intervals import with_interval
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


class Predictor:
    """Asks a network in batches, with one compiled function for each question.

    N is one image or more. A `title` is that of a progress bar; None shows no bar.
    """

    def __init__(self, network: Network, trained, batch_size: int):
        """trained: the settings of the network; JIT and CONV_WAY say how to compile it."""
        self.network, self.trained, self.batch_size = network, trained, batch_size
        self._predict = compiled(self._predictions_of_batch, trained)
        self._decode = compiled(lambda *given: [network.decode(*given)], trained)
        self._gradients = {}
        self._sizes = {}  # of the batches, for each compiled function

    def predict(self, images: np.ndarray, labels: np.ndarray | None = None,
                title: str | None = None) -> Predictions:
        """Predicts the classes of images [N, H, W, C], float32 in [0, 1].

        labels [N, K]: given, K classes are predicted, and the labels' capsules are decoded, too.
        """
        arrays = [images] if labels is None else [images, labels]
        return Predictions(*self._in_batches(self._predict, *arrays, title=title))

    def decode(self, capsule: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Decodes one capsule [N, E], of the class [N], for each image [N, H, W, C]."""
        # The decoder sees one capsule of each image: the others may be anything.
        shape = len(capsule), self.network.classes, capsule.shape[1]
        return self.decode_labels(np.broadcast_to(capsule[:, None], shape), classes[:, None])[:, 0]

    def decode_labels(self, capsules: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Decodes those of the capsules [N, J, E] that the labels [N, K] name: [N, K, H, W, C]."""
        return self._in_batches(self._decode, capsules, labels)[0]

    def gradient(self, objective: Callable, images: np.ndarray, classes: np.ndarray,
                 threshold: float | None = None) -> list[np.ndarray]:
        """Returns the scores of images [N, H, W, C], the objective [N] and its gradient, as images.

        objective: a function of objectives.py, or one like those, for classes [N]
        threshold: for those that take one
        """
        question = objective, threshold
        if question not in self._gradients:
            given = {} if threshold is None else {"threshold": threshold}

            def of_batch(images, classes):
                with tf.GradientTape() as tape:
                    tape.watch(images)
                    output = self.network(images)
                    value = objective(self.network, images, output, classes, **given)   # [B]
                return output.scores, value, tape.gradient(value, images)

            self._gradients[question] = compiled(of_batch, self.trained)
        return self._in_batches(self._gradients[question], images, classes)

    def _predictions_of_batch(self, images, labels=None):
        output = self.network(images)
        predicted = top_k(output.scores, 1 if labels is None else labels.shape[1])  # [B, K]
        drawn = {}
        if "decoder" in self.network.capabilities:
            drawn["from_predicted"] = self.network.decode(output.capsules, predicted)
            if labels is not None:
                drawn["from_label"] = self.network.decode(output.capsules, labels)
        return Predictions(output.scores, predicted, output.capsules, **drawn)

    def _in_batches(self, function: Callable, *arrays: np.ndarray,
                    title: str | None = None) -> list:
        """Returns the results of `function` for all N examples of the arrays.

        Each is an array [N, ...], or None where the function returns None.
        """
        # A batch of another size is compiled anew. An attack asks about fewer and fewer images, so
        # a size stays until more images are given. Repetitions fill a batch up.
        total = len(arrays[0])
        size = max(self._sizes.get(function, 1), min(total, self.batch_size))
        self._sizes[function] = size

        parts = []
        for start in progress(range(0, total, size), title):
            index = np.minimum(np.arange(start, start + size), total - 1)
            results = function(*(tf.constant(array[index]) for array in arrays))
            parts.append([None if one is None else one.numpy()[:total - start] for one in results])
        columns = zip(*parts, strict=True)
        return [None if column[0] is None else np.concatenate(column) for column in columns]


def accuracies(predictors: dict[str, Predictor], variants: Iterable[np.ndarray],
               labels: np.ndarray) -> dict[str, dict]:
    """Returns the accuracies of each network, with intervals, on each of n variants of N images.

    variants: images [N, H, W, C] in [0, 1] each; labels [N]
    """
    correct = {name: [] for name in predictors}
    for images in variants:
        for name, predictor in predictors.items():
            correct[name].append((predictor.predict(images).predicted[:, 0] == labels).mean())
    return {name: with_interval(np.array(found), len(labels)) for name, found in correct.items()}
