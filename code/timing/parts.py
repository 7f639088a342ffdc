"""The parts of a training step, each timed alone."""
import statistics
from collections.abc import Callable

import tensorflow as tf

from data.augment import random_shift
from data.dataset import Batch, Dataset, Split, training_batch
from data.overlay import random_pairs
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
    """-> each layer's value and its gradients with respect to its weights and its input.

    conv1's input is the image, whose gradient a step does not need. The decoder runs once for each
    label.
    """
    if cfg.MODEL != "capsnet":
        return {}

    def of(layer, x, by_input=True, call=None):
        call = call or layer
        weight = tf.random.normal(call(x).shape)  # what the next layer's gradient would be

        def forward_and_backward(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(call(x) * weight)
            return tape.gradient(loss, layer.trainable_variables + ([x] if by_input else []))

        function = compiled(forward_and_backward, cfg)
        return lambda: function(x)[0].numpy()

    images, labels = tf.constant(batch.images), tf.constant(batch.labels)
    features = network.conv1(images)
    u = network.primary_caps(features)
    v = network.digit_caps(u)
    return {"conv1": of(network.conv1, images, by_input=False),
            "PrimaryCaps": of(network.primary_caps, features),
            "votes and routing": of(network.digit_caps, u),
            "decoder": of(network.decoder, v, call=lambda v: network.decode(v, labels))}


def around(network, optimizer, cfg, batch: Batch) -> dict[str, Callable]:
    """-> what a step does before and after the network: its images and Adam."""
    variables = network.trainable_variables
    gradients = [tf.random.normal(variable.shape) for variable in variables]

    def adam():
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    split = Split((batch.images * 255).astype("uint8"), batch.labels[:, :1])
    names = tuple(map(str, range(network.classes)))
    if batch.sources is None:
        augment = random_shift(cfg.SHIFT, network.image_shape)
    else:
        augment = random_pairs(split, cfg.OVERLAY_SHIFT)
    dataset = Dataset("random", split, split, split, names, augment)
    return {"Adam": compiled(adam, cfg),
            "input: gather, shift, scale": lambda: training_batch(dataset, 0, 0, len(batch.labels))}
