"""Decoding a capsule with one dimension changed, and the shape of what comes out.

N images, E dimensions of a capsule, K values added to each, M measures of shape.
"""
import numpy as np

from evaluation.capsules import shapes
from evaluation.network.predictor import Predictor
from output import progress


def decode_tweaked(predictor: Predictor, capsule: np.ndarray, classes: np.ndarray,
                   values: np.ndarray) -> np.ndarray:
    """Adds each of `values` [K] to each dimension of each capsule [N, E], one at a time.

    classes [N]: of each capsule. Returns the decoded images [N, E, K, H, W, C].
    """
    N, E = capsule.shape
    K = len(values)
    steps = np.eye(E, dtype=np.float32)[:, None] * values.astype(np.float32)[:, None]  # [E, K, E]
    tweaked = capsule[:, None, None] + steps                                   # [N, E, K, E]
    images = predictor.decode(tweaked.reshape(-1, E), np.repeat(classes, E * K))
    return images.reshape(N, E, K, *images.shape[1:])


def measure_tweaked(predictor: Predictor, capsule: np.ndarray, classes: np.ndarray,
                    values: np.ndarray, title: str) -> np.ndarray:
    """Returns the measures (shapes.MEASURES) of every tweaked image [N, E, K, M].

    Channels are averaged.
    """
    measured = []
    for n in progress(range(len(capsule)), title, unit="image"):  # all would fill the memory
        one = slice(n, n + 1)
        grey = decode_tweaked(predictor, capsule[one], classes[one], values)[0].mean(axis=-1)
        shape = shapes.measure(grey.reshape(-1, *grey.shape[2:]))              # [E K, M]
        measured.append(shape.reshape(*grey.shape[:2], -1))
    return np.stack(measured)
