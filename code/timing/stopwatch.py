"""Times one row of the benchmark's table, in a process of its own."""
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import model
from config import TRAIN, Config
from data.dataset import Batch
from model.compile import compiled
from training.devices import Devices
from training.optimizer import make_optimizer
from training.step import make_test_step, make_train_step

CLASSES = 10


def answers(settings: dict, side: int, labels: int) -> dict[str, Callable]:
    """Returns {question: what finds the answer} of a network for [side, side, 1] random pixels."""
    # the network, as a training has it
    cfg = Config(TRAIN, settings)
    tf.keras.utils.set_random_seed(cfg.SEED)
    network, optimizer = model.build(cfg, (side, side, 1), CLASSES), make_optimizer(cfg)
    train = make_train_step(network, optimizer, cfg, Devices())
    test = make_test_step(network, cfg, Devices())

    # a batch of random images
    random = np.random.default_rng(0)
    images = random.uniform(size=(cfg.BATCH_SIZE, side, side, 1)).astype(np.float32)
    sources = None if labels == 1 else np.stack([images] * labels, axis=1)
    labels = random.integers(0, CLASSES, (cfg.BATCH_SIZE, labels), np.int32)
    batch = Batch(images, labels, sources)

    # the answers
    def compile_s():  # the first step, less what a step takes
        test(batch)
        return (ms_of(lambda: train(batch)) - ms_of(lambda: train(batch))) / 1000

    unit = 2 ** 20 if sys.platform == "darwin" else 2 ** 10
    return {"compile s": compile_s, "train ms": lambda: median_ms(lambda: train(batch)),
            "predict ms": lambda: median_ms(lambda: test(batch)),
            "peak MiB": lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
            "parts": lambda: parts(network, optimizer, cfg, batch)}


def parts(network, optimizer, cfg, batch: Batch) -> dict[str, float]:
    """Returns {part of a step: ms}. Layers are among them only if it is a CapsNet."""
    pairs = [(tf.random.normal(value.shape), value) for value in network.trainable_variables]
    calls = {"Adam": compiled(lambda: optimizer.apply_gradients(pairs), cfg)}
    if cfg.MODEL == "capsnet":
        images, labels = tf.constant(batch.images), tf.constant(batch.labels)
        features = network.conv1(images)
        u = network.primary_caps(features)
        v = network.digit_caps(u)
        # A training step has no use for a gradient by the images.
        calls["conv1"] = both_ways(network.conv1, images, cfg, by_input=False)
        calls["PrimaryCaps"] = both_ways(network.primary_caps, features, cfg)
        calls["votes and routing"] = both_ways(network.digit_caps, u, cfg)
        calls["decoder"] = both_ways(lambda v: network.decode(v, labels), v, cfg)
    for call in calls.values():
        call()  # compiles
    return {name: median_ms(call) for name, call in calls.items()}


def both_ways(layer: Callable, x: tf.Tensor, cfg, by_input: bool = True) -> Callable:
    """Returns a function that computes layer(x), and its gradients by the weights and by x."""

    def forward_and_backward(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 2)
        weights = list(tape.watched_variables())
        return tape.gradient(loss, weights + ([x] if by_input else []))

    function = compiled(forward_and_backward, cfg)
    return lambda: function(x)[0].numpy()


def ms_of(call: Callable) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def median_ms(call: Callable) -> float:
    """Returns the median ms of three calls, or of as many as take half a second."""
    times = [ms_of(call) for _ in range(3)]
    while sum(times) < 500:
        times.append(ms_of(call))
    return statistics.median(times)
