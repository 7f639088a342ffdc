"""A trained network that answers questions about images, with no set-up call to remember."""
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import special

import registry
from config import DATASETS, EVAL
from evaluation.network.predictor import Predictor
from model.network import Network
from runs import checkpoints
from serving import images

BATCH = 100  # images at once


class Answer(NamedTuple):
    """What the network says of one image."""
    name: str                          # of the likeliest class
    score: float                       # of that class: its capsule's length, or its probability
    runner_up: str                     # the second likeliest class
    runner_up_score: float
    scores: np.ndarray                 # [J], of all classes
    image: np.ndarray                  # float32 [H, W, C] in [0, 1], as the network saw it
    reconstruction: np.ndarray | None  # the same shape, of the likeliest class; None: no decoder


class Trained:
    """A trained network, the names of its classes, and how pictures are made fit for it."""

    def __init__(self, predictor: Predictor, class_names: Sequence[str]):
        self.predictor, self.class_names = predictor, tuple(class_names)
        self.image_shape = predictor.network.image_shape
        dataset, self.prepare = predictor.trained.DATASET, None
        if dataset in DATASETS:  # which may say how a picture becomes like its images
            self.prepare = getattr(registry.module("data.datasets", dataset), "prepare", None)

    def predict(self, pictures: Sequence[str | Path] | str | Path | np.ndarray,
                as_is: bool = False) -> list[Answer]:
        """Returns an answer for each picture.

        pictures: files, or one file, of any size; or images as the network takes
        them: uint8 or float in [0, 1], [N, H, W, C] or [N, H, W]. InputError for anything else.
        as_is: fit files as whole pictures, even where the network's dataset has a form of its own,
        such as MNIST.
        """
        if isinstance(pictures, np.ndarray):
            return self.answers(images.as_network_takes(pictures, self.image_shape, "images"))
        if isinstance(pictures, str | Path):
            pictures = [pictures]
        return self.answers([self.read(path, as_is) for path in pictures])

    def read(self, path: str | Path, as_is: bool = False) -> np.ndarray:
        """Returns the image in a file as the network takes it, float32 [H, W, C] in [0, 1]."""
        return images.read(Path(path), self.image_shape, None if as_is else self.prepare)

    def answers(self, pictures: Sequence[np.ndarray]) -> list[Answer]:
        """Returns an answer for each of the pictures, float32 [H, W, C] in [0, 1]."""
        if not len(pictures):
            return []
        said = self.predictor.predict(np.asarray(pictures))
        drawn = [None] * len(pictures) if said.from_predicted is None else said.from_predicted[:, 0]
        likely = probabilities(self.predictor.network, said.scores)          # [N, J]
        two = np.argsort(-said.scores, axis=1, kind="stable")[:, :2]         # [N, 2]
        return [Answer(self.class_names[first], float(scores[first]), self.class_names[second],
                       float(scores[second]), scores, picture, reconstruction)
                for (first, second), scores, picture, reconstruction
                in zip(two, likely, pictures, drawn, strict=True)]


def load(path: str | Path = EVAL["CKPT"].default) -> Trained:
    """Returns the network of a run's folder, a folder of checkpoints or a checkpoint's prefix.

    Without a path it is the released one. InputError if there is none.
    """
    loaded = checkpoints.load(path)
    predictor = Predictor(loaded.network, loaded.run.settings, BATCH)
    return Trained(predictor, loaded.run.class_names)


def probabilities(network: Network, scores: np.ndarray) -> np.ndarray:
    """Returns scores [N, J] in [0, 1].

    Lengths of capsules stay as they are. Logits become probabilities by a softmax, or by sigmoids
    if the network's chain says so.
    """
    if "capsules" in network.capabilities:
        return scores
    chain = network.chain()
    if chain is not None and chain.probabilities == "sigmoid":
        return special.expit(scores)
    return special.softmax(scores, axis=1)
