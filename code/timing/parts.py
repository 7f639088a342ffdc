"""The parts of a training step, each timed alone."""
import statistics
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data.augment import random_shift
from data.dataset import Batch, Dataset, Split, training_batch
from data.making.overlay import random_pairs
from model.compile import compiled
from timing.clock import timed

TURNS = 7


def times(network, optimizer, cfg, batch: Batch) -> dict[str, list[float]]:
    """-> {part: [median, least, most] ms}. Layers are among the parts only if it is a CapsNet."""
    calls = {**layers(network, cfg, batch), **around(network, optimizer, cfg, batch)}
    for call in calls.values():
        call()  # compiles
    found = {name: [] for name in calls}
    for _ in range(TURNS):
        for name, call in calls.items():
            found[name].append(timed(call))
    return {name: [statistics.median(ms), min(ms), max(ms)] for name, ms in found.items()}


def layers(network, cfg, batch: Batch) -> dict[str, Callable]:
    """-> each layer, forward and backward. The decoder runs once for each label."""
    if cfg.MODEL != "capsnet":
        return {}

    # what each layer gets
    images, labels = tf.constant(batch.images), tf.constant(batch.labels)
    features = network.conv1(images)
    u = network.primary_caps(features)
    v = network.digit_caps(u)

    def decoder(v):
        return network.decode(v, labels)

    return {"conv1": both_ways(network.conv1, images, cfg, by_input=False),
            "PrimaryCaps": both_ways(network.primary_caps, features, cfg),
            "votes and routing": both_ways(network.digit_caps, u, cfg),
            "decoder": both_ways(decoder, v, cfg)}


def both_ways(layer: Callable, x: tf.Tensor, cfg, by_input: bool = True) -> Callable:
    """-> a function that computes layer(x), and its gradients by the weights and by x.

    by_input False: not by x. A training step has no use for a gradient by the image.
    """
    weight = tf.random.normal(layer(x).shape)  # what the next layer's gradient would be

    def forward_and_backward(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) * weight)
        weights = list(tape.watched_variables())
        return tape.gradient(loss, weights + ([x] if by_input else []))

    function = compiled(forward_and_backward, cfg)
    return lambda: function(x)[0].numpy()


def around(network, optimizer, cfg, batch: Batch) -> dict[str, Callable]:
    """-> what a step does before and after the network: its images and Adam."""
    variables = network.trainable_variables
    gradients = [tf.random.normal(variable.shape) for variable in variables]

    def adam():
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    split, names = digits(batch, network.classes), tuple(map(str, range(network.classes)))
    if batch.sources is None:
        augment = random_shift(cfg.SHIFT, network.image_shape)
    else:
        augment = random_pairs(split, cfg.OVERLAY_SHIFT)
    dataset = Dataset("random", split, split, split, names, augment)
    return {"Adam": compiled(adam, cfg),
            "input: gather, shift, scale": lambda: training_batch(dataset, 0, 0, len(batch.labels))}


def digits(batch: Batch, classes: int) -> Split:
    """-> two images for each of the batch, of all classes in turn: each has a partner for a pair"""
    images = np.tile((batch.images * 255).astype(np.uint8), (2, 1, 1, 1))
    labels = np.arange(len(images), dtype=np.int32) % classes
    return Split(images, labels[:, None])
