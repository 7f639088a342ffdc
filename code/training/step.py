"""One step of training on a batch, and the test of a batch."""
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data.dataset import Batch, Dataset, stream
from model.compile import compiled
from model.network import Network, exact_match
from runs.folder import Follower, Run
from settings import Config
from training.devices import Devices
from training.optimizer import step_of


class NotFinite(ArithmeticError):
    """The loss or the gradient of a step is no longer a number. The weights are as before."""


def make_train_step(network: Network, optimizer, cfg, devices: Devices) -> Callable:
    """Returns a function of a Batch that trains one step and returns its metrics as floats.

    They are the means of the network's loss terms and of the accuracy over the batch, and the norm
    of the gradient. The function raises NotFinite before anything is changed.
    """
    def differentiate(given: tuple[Batch, tf.Tensor | None], count: int):
        """Returns gradients, metrics and state of one replica's part of a batch of `count` images.

        state: the variables that are not trained, such as moving statistics, as the layers assign
        them. The scope keeps the assignments back, until the step is known to be finite.

        All replicas' results add up to the mean over the batch. given: one tuple, because
        Devices.sum cuts one structure of arrays into parts.
        """
        part, noise = given
        extra = {} if noise is None else {"noise": noise}
        with tf.keras.StatelessScope(), tf.GradientTape() as tape:
            output = network(part.images, part.labels, training=True, **extra)
            terms = loss_terms(network, output, part)
            metrics = {name: tf.reduce_sum(term) / count for name, term in terms.items()}
            share = tf.cast(tf.shape(part.labels)[0], tf.float32) / count
            state = [share * variable.value for variable in network.non_trainable_variables]
        gradients = tape.gradient(metrics["loss"], network.trainable_variables)
        return gradients, metrics, state

    of_batch = devices.sum(compiled(differentiate, cfg))  # every replica's part, added up
    update = devices.update(optimizer, network.trainable_variables, cfg)

    def train_step(batch: Batch) -> dict[str, float]:
        # random numbers for each image, if the network wants any
        count, noise = len(batch.labels), None
        if network.noise_count:
            rng = stream(cfg.SEED, "noise", step_of(optimizer))
            noise = rng.random((count, network.noise_count), np.float32)  # [B, n] in [0, 1)

        # forward and backward
        gradients, metrics, state = of_batch((batch, noise), count=count)
        metrics = {name: float(value) for name, value in devices.local(metrics).items()}
        metrics["gradient_norm"] = float(tf.linalg.global_norm(devices.local(gradients)))

        # update, unless something went wrong
        if not np.isfinite([metrics["loss"], metrics["gradient_norm"]]).all():
            raise NotFinite(f"step {step_of(optimizer) + 1}: loss {metrics['loss']}, "
                            f"gradient norm {metrics['gradient_norm']}")
        update(gradients)
        for variable, value in zip(network.non_trainable_variables, devices.local(state),
                                   strict=True):
            variable.assign(value)
        return metrics

    return train_step


def make_test_step(network: Network, cfg, devices: Devices) -> Callable:
    """Returns a function of a Batch that returns the sums of its metrics, for `evaluate`.

    With one label for each image, the longest capsule is decoded, as if the label were not known.
    With several, the capsules of the labels are decoded, in the order of the sources.
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
    """Returns step(batch, size): the sums of `function` over the parts of all replicas, as floats.

    function: of a part and the weight of each of its images, as `pad` returns them. A batch of
    fewer than `size` images is padded, so that TensorFlow compiles once for all of a split.
    """
    of_batch = devices.sum(compiled(function, cfg))  # every replica's part, added up

    def step(batch: Batch, size: int = 0) -> dict[str, float | np.ndarray]:
        # equally many images for each replica
        least = max(size, len(batch.labels))
        padded = math.ceil(least / devices.replicas) * devices.replicas
        sums = devices.local(of_batch(pad(batch, padded)))
        return {name: np.asarray(value, float)[()] for name, value in sums.items()}

    return step


def loss_terms(network: Network, output, part: Batch) -> dict[str, tf.Tensor]:
    """Returns the network's loss and its terms, and the accuracy, each [B]."""
    # [B, K, H, W, C], or the image itself for all labels, [B, 1, H, W, C]
    sources = part.images[:, None] if part.sources is None else part.sources
    terms = {**network.loss_terms(output, part.labels, sources),
             "accuracy": exact_match(output.scores, part.labels)}
    # a mean over the batch would be divided by B a second time
    return {name: tf.ensure_shape(term, [None]) for name, term in terms.items()}


def pad(batch: Batch, size: int) -> tuple[Batch, np.ndarray]:
    """Returns the batch with copies of its last image up to `size`, and weights [size], 0 for them.
    """
    place = np.arange(size)                                                # [size]
    index = np.minimum(place, len(batch.labels) - 1)
    padded = Batch(*(None if array is None else array[index] for array in batch))
    return padded, (place < len(batch.labels)).astype(np.float32)


@dataclass
class Training:
    """What a training needs from its first step to its last."""
    cfg: Config
    dataset: Dataset
    network: Network
    optimizer: tf.keras.optimizers.Optimizer
    devices: Devices
    run: Run | Follower
    fault: str = ""  # what the last validation found wrong with the layers, see evaluate.fault_of

    def __post_init__(self):
        rest = self.cfg, self.devices
        self.train_step = make_train_step(self.network, self.optimizer, *rest)
        self.test_step = make_test_step(self.network, *rest)
        self.health_step = make_health_step(self.network, *rest)

    @property
    def step(self) -> int:
        """The number of steps done so far."""
        return step_of(self.optimizer)
