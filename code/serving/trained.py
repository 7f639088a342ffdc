"""A trained network that answers questions about images, with no set-up call to remember."""
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import special

import registry
from config import DATASETS, EVAL
from data.dataset import scale
from data.readers import image_file
from data.readers.files import expect
from evaluation.network.predictor import Predictor
from model.network import Network
from runs import checkpoints
from settings import InputError

BATCH = 100     # images at once
LARGEST = 1024  # pixels, of the longer side of a picture before it is prepared


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

        pictures: files, or one file, see `read`; or images, see `as_network_takes`. InputError for
        anything else.
        """
        if isinstance(pictures, np.ndarray):
            return self.answers(as_network_takes(pictures, self.image_shape, "images"))
        if isinstance(pictures, str | Path):
            pictures = [pictures]
        return self.answers([self.read(Path(path), as_is) for path in pictures])

    def read(self, path: Path, as_is: bool = False) -> np.ndarray:
        """Returns the image in a file of any size, float32 [H, W, C] in [0, 1].

        It is fitted whole, centred, on black, if as_is or unless the network's dataset has a form
        of its own, such as MNIST. InputError if the file is no image.
        """
        height, width, channels = self.image_shape
        expect(height == width and channels in (1, 3), path,
               "a network for square images, grey or in colour",
               f"one for [H, W, C] {self.image_shape}; give it an .npy of such images")
        colour = channels == 3
        try:
            if as_is or not self.prepare:
                return scale(image_file.read(path, height, colour))
            return scale(self.prepare(image_file.read_whole(path, LARGEST, colour), height))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def answers(self, images: Sequence[np.ndarray]) -> list[Answer]:
        """Returns an answer for each of the images, float32 [H, W, C] in [0, 1]."""
        if not len(images):
            return []
        said = self.predictor.predict(np.asarray(images))
        drawn = [None] * len(images) if said.from_predicted is None else said.from_predicted[:, 0]
        likely = probabilities(self.predictor.network, said.scores)          # [N, J]
        two = np.argsort(-said.scores, axis=1, kind="stable")[:, :2]         # [N, 2]
        return [Answer(self.class_names[first], float(scores[first]), self.class_names[second],
                       float(scores[second]), scores, image, reconstruction)
                for (first, second), scores, image, reconstruction
                in zip(two, likely, images, drawn, strict=True)]


def load(path: str | Path = EVAL["CKPT"].default) -> Trained:
    """Returns the network of a run's folder, a folder of checkpoints or a checkpoint's prefix.

    Without a path it is the released one. InputError if there is none.
    """
    loaded = checkpoints.load(path)
    predictor = Predictor(loaded.network, loaded.run.settings, BATCH)
    return Trained(predictor, loaded.run.class_names)


def as_network_takes(array: np.ndarray, image_shape: tuple[int, int, int], where) -> np.ndarray:
    """Returns images as float32 [N, H, W, C] in [0, 1].

    array: uint8 or float in [0, 1], [N, H, W, C] or [N, H, W]. InputError, beginning with `where`,
    for anything else.
    """
    height, width, channels = image_shape
    wanted = f"images [N, {height}, {width}, {channels}], uint8 or float in [0, 1]"
    if array.ndim == 3:
        array = array[..., None]
    known = array.dtype == np.uint8 or array.dtype.kind == "f"
    expect(array.ndim == 4 and array.shape[1:] == image_shape and known, where, wanted,
           f"{array.dtype} {list(array.shape)}")
    if array.dtype == np.uint8:
        return scale(array)
    array = array.astype(np.float32)
    inside = (array >= 0) & (array <= 1)
    expect(inside.all(), where, wanted, "values beyond that, or not a number")
    return array


def probabilities(network: Network, scores: np.ndarray) -> np.ndarray:
    """Returns scores [N, J] in [0, 1]: lengths as they are, or probabilities of logits."""
    if "capsules" in network.capabilities:
        return scores
    chain = network.chain()
    if chain is not None and chain.probabilities == "sigmoid":
        return special.expit(scores)
    return special.softmax(scores, axis=1)
