"""One step of training on a batch, and the test of a batch."""
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data.dataset import Batch, stream
from model.compile import compiled
from model.network import Network, exact_match
from training.devices import Devices
from training.optimizer import step_of

# Names that train.py and eval.py give to numbers of their own, so no term of a loss has one.
RESERVED = ("accuracy", "error", "gradient_norm", "images", "learning_rate", "some_right", "split",
            "step")


class NotFinite(ArithmeticError):
    """The loss or the gradient of a step is no longer a number. The weights are as before."""


def make_train_step(network: Network, optimizer, cfg, devices: Devices) -> Callable:
    """-> a function of a Batch that trains one step and returns its metrics as floats.

    The metrics are the means of the network's loss terms and of the accuracy over the batch, and
    the norm of the gradient. The function raises NotFinite before anything is changed.
    """

    def differentiate(given: tuple[Batch, tf.Tensor | None], count: int):
        """The gradients and metrics of one replica's part of a batch of `count` images.

        given: one tuple, because Devices.sum cuts one structure of arrays into parts. The sum of
        each term over the part is divided by `count`. So the results of all replicas add up to the
        mean over the batch.
        """
        part, noise = given
        extra = {} if noise is None else {"noise": noise}
        with tf.GradientTape() as tape:
            output = network(part.images, part.labels, training=True, **extra)
            terms = loss_terms(network, output, part)
            metrics = {name: tf.reduce_sum(term) / count for name, term in terms.items()}
        gradients = tape.gradient(metrics["loss"], network.trainable_variables)
        return gradients, metrics

    of_batch = devices.sum(compiled(differentiate, cfg))  # every replica's part, added up
    update = devices.update(optimizer, network.trainable_variables, cfg)

    def train_step(batch: Batch) -> dict[str, float]:
        # random numbers for each image, if the network wants any
        count, noise = len(batch.labels), None
        if network.noise_count:
            rng = stream(cfg.SEED, "noise", step_of(optimizer))
            noise = rng.random((count, network.noise_count), np.float32)  # [B, n] in [0, 1)

        # forward and backward
        gradients, metrics = of_batch((batch, noise), count=count)
        metrics = {name: float(value) for name, value in devices.local(metrics).items()}
        metrics["gradient_norm"] = float(tf.linalg.global_norm(devices.local(gradients)))

        # update, unless something went wrong
        if not np.isfinite([metrics["loss"], metrics["gradient_norm"]]).all():
            raise NotFinite(f"loss {metrics['loss']}, gradient norm {metrics['gradient_norm']}")
        update(gradients)
        return metrics

    return train_step


def make_test_step(network: Network, cfg, devices: Devices) -> Callable:
    """-> a function of a Batch that returns the sums of its metrics, as floats, for `evaluate`.

    test_step(batch, size): if the batch has fewer than `size` images, copies of the last one fill
    it up. They have the weight 0. So all batches of a split have one shape, and TensorFlow compiles
    once.

    With one label for each image, the longest capsule is decoded, as if the label were not known.
    With several, the capsules of the labels are decoded, in their order, which is that of the
    sources.
    """

    def test(padded: tuple[Batch, tf.Tensor]):  # one tuple, as in `differentiate`
        part, weights = padded
        single = part.labels.shape[1] == 1
        output = network(part.images, None if single else part.labels)
        terms = loss_terms(network, output, part)
        return {name: tf.reduce_sum(term * weights) for name, term in terms.items()}

    return summed(test, cfg, devices)


def make_health_step(network: Network, cfg, devices: Devices) -> Callable:
    """Returns the same function for the sums of what `network.health` says of each image."""

    def health(padded: tuple[Batch, tf.Tensor]):
        part, weights = padded
        terms = network.health(part.images, part.labels)
        return {name: tf.tensordot(weights, term, 1) for name, term in terms.items()}

    return summed(health, cfg, devices)


def summed(function: Callable, cfg, devices: Devices) -> Callable:
    """Returns a function of a Batch: the sums of `function` over the parts of all replicas.

    function: of a part and the weight of each of its images, as `pad` returns them
    """
    of_batch = devices.sum(compiled(function, cfg))  # every replica's part, added up

    def step(batch: Batch, size: int = 0) -> dict[str, float | np.ndarray]:
        # equally many images for each replica
        least = max(size, len(batch.labels))
        filled = math.ceil(least / devices.replicas) * devices.replicas
        sums = devices.local(of_batch(pad(batch, filled)))
        return {name: np.asarray(value, float)[()] for name, value in sums.items()}

    return step


def loss_terms(network: Network, output, part: Batch) -> dict[str, tf.Tensor]:
    """-> the network's loss and its terms, and the accuracy, each [B]

    ValueError if a term of the network has a RESERVED name, or is not [B]. What is a mean over the
    batch already would be divided by B a second time.
    """
    # [B, K, H, W, C], or the image itself for all labels, [B, 1, H, W, C]
    sources = part.images[:, None] if part.sources is None else part.sources
    terms = network.loss_terms(output, part.labels, sources)
    where = f"{type(network).__name__}.loss_terms"
    for name, term in terms.items():
        if name in RESERVED:
            raise ValueError(f"{where}: expected another name than {name}, which is recorded "
                             "anyway")
        if term.shape.rank != 1:
            raise ValueError(f"{where}: expected {name} [B], a number for each image, received "
                             f"{term.shape}")
    return {**terms, "accuracy": exact_match(output.scores, part.labels)}


def pad(batch: Batch, size: int) -> tuple[Batch, np.ndarray]:
    """-> the batch filled up to `size` images with copies of the last one; the weight of each

    The weights [size] are 1 for the images and 0 for the copies.
    """
    place = np.arange(size)                                                # [size]
    weights = (place < len(batch.labels)).astype(np.float32)               # [size]
    if size == len(batch.labels):
        return batch, weights
    index = np.minimum(place, len(batch.labels) - 1)
    return Batch(*(None if array is None else array[index] for array in batch)), weights
