"""The convolutional networks: the paper's parameters, their losses, dropout, and whole runs."""
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import model
import toy
import toy_runs
from data.dataset import Batch
from model.networks import cnn
from settings import ROOT
from training.devices import Devices
from training.optimizer import make_optimizer
from training.step import make_train_step

SMALL = cnn.Layers((5, 3), (4, 3), (8, 6), pooled=True, dropped=(True, True), exclusive=True)


@pytest.fixture
def small(monkeypatch):
    """Layers small enough to train in a test, under the name of a real one."""
    monkeypatch.setitem(cnn.LAYERS, "pooled", SMALL)


def network(**changes):
    return toy.network(MODEL="cnn", CNN_LAYERS="pooled", **changes)


@pytest.mark.parametrize("layers, side, parameters", [
    ("mnist", 28, 35_445_522), ("multimnist", 36, 24_563_978), ("pooled", 40, 13_129_738)])
def test_the_parameters_are_the_papers_or_as_many_as_the_capsnets(layers, side, parameters):
    built = model.build(toy.settings(MODEL="cnn", CNN_LAYERS=layers), (side, side, 1), 10)
    assert built.count_params() == parameters
    dropped, exclusive = cnn.LAYERS[layers].dropped, cnn.LAYERS[layers].exclusive
    assert (dropped, exclusive) == {"mnist": ((False, True), True), "multimnist": ((False,), False),
                                    "pooled": ((True, True), True)}[layers]


def test_the_convolutions_pool_and_flatten_in_order(small):
    """Against TensorFlow's own layers, on 18 x 17 pixels: the last row and column are not whole pairs."""
    built, images = network(), np.random.default_rng(0).random((5, *toy.IMAGE_SHAPE), np.float32)
    x = tf.constant(images)
    for layer in built.convolutions:
        x = tf.nn.relu(tf.nn.conv2d(x, tf.transpose(layer.kernel, [0, 1, 3, 2]), 1, "SAME") + layer.bias)
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    x = tf.reshape(x, [5, -1])
    for dense in built.dense:
        x = tf.nn.relu(x @ dense.kernel + dense.bias)
    expected = x @ built.scores.kernel + built.scores.bias
    output = built(images)
    np.testing.assert_allclose(output.scores, expected, atol=1e-5)
    assert output.capsules is None and output.reconstruction is None and not built.capabilities


@pytest.mark.parametrize("pooled", [True, False])
def test_the_steps_of_its_chain_are_the_prediction(monkeypatch, pooled):
    monkeypatch.setitem(cnn.LAYERS, "pooled", SMALL._replace(pooled=pooled, exclusive=pooled))
    built, images = network(), np.random.default_rng(0).random((5, *toy.IMAGE_SHAPE), np.float32)
    chain, x = built.chain(), images
    for kind, layer in chain.steps:
        if kind == "max_pool":
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        else:
            x = layer(tf.reshape(x, [5, -1]) if kind == "dense" else x)
    np.testing.assert_allclose(x, built(images).scores, atol=1e-6)
    assert chain.probabilities == ("softmax" if pooled else "sigmoid")
    assert toy.network().chain() is None


def test_max_pool_and_its_gradient_are_tensorflows():
    x = tf.constant(np.random.default_rng(0).permutation(5 * 7 * 2).reshape(1, 5, 7, 2).astype(np.float32))
    found = []
    for pool in (cnn.max_pool, lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID")):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = pool(x)
        found.append((y, tape.gradient(y, x, tf.reshape(tf.range(12.0), y.shape))))
    for received, expected in zip(*found, strict=True):
        np.testing.assert_array_equal(received, expected)


# ---- losses ----

SCORES = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], np.float32)


def loss(labels):
    return network().loss_terms(cnn.Output(tf.constant(SCORES)), tf.constant(labels), None)["loss"]


def test_the_softmax_gives_each_label_its_share(small):
    log_p = SCORES - np.log(np.exp(SCORES).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(loss([[0], [2]]), [-log_p[0, 0], -log_p[1, 2]], rtol=1e-5)
    shares = [-(log_p[0, 0] + log_p[0, 2]) / 2, -(log_p[1, 1] + log_p[1, 2]) / 2]
    np.testing.assert_allclose(loss([[0, 2], [1, 2]]), shares, rtol=1e-5)


def test_the_sigmoids_are_summed_over_the_classes(monkeypatch):
    monkeypatch.setitem(cnn.LAYERS, "pooled", SMALL._replace(exclusive=False))
    p = 1 / (1 + np.exp(-SCORES))
    present = np.array([[1, 0, 1], [0, 1, 1]])
    expected = -(present * np.log(p) + (1 - present) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(loss([[0, 2], [1, 2]]), expected, rtol=1e-5)


# ---- dropout ----

def test_dropout_keeps_the_units_whose_noise_is_large_and_doubles_them():
    x, noise = tf.constant([[1.0, 2.0, 3.0, 4.0]]), tf.constant([[0.0, 0.499, 0.5, 0.999]])
    np.testing.assert_array_equal(cnn.drop(x, noise), [[0, 0, 6, 8]])


def test_only_training_drops_and_each_layer_has_noise_of_its_own(small):
    built, images = network(), np.random.default_rng(0).random((3, *toy.IMAGE_SHAPE), np.float32)
    assert built.noise_count == 14
    plain = built(images).scores
    none, every = np.ones((3, 14), np.float32), np.zeros((3, 14), np.float32)
    for dense in built.dense:
        dense.bias.assign(tf.ones_like(dense.bias))
    built.scores.bias.assign([1.0, 2.0, 3.0])
    assert not np.allclose(built(images, training=True, noise=none).scores, plain)
    first, second = none.copy(), none.copy()
    first[:, :8] = 0
    second[:, 8:] = 0
    np.testing.assert_allclose(built(images, training=True, noise=every).scores, [[1, 2, 3]] * 3)
    np.testing.assert_allclose(built(images, training=True, noise=second).scores, [[1, 2, 3]] * 3)
    alike = built(images, training=True, noise=first).scores  # the second layer sees its own biases alone
    np.testing.assert_allclose(alike, np.repeat(alike[:1], 3, axis=0), rtol=1e-6)
    assert not np.allclose(alike, [[1, 2, 3]] * 3)


def test_the_noise_follows_from_seed_and_step(small):
    """So a step that is done again is the same step. The rate is so small that no weight changes."""
    images, labels = toy.images(10)
    batch, built = Batch(images.astype(np.float32) / 255, labels[:, None].astype(np.int32)), network()
    norms = {}
    for variable in built.variables:
        variable.assign(variable + 0.01)  # of biases that are exactly 0 the smallest change would show
    for seed in (0, 1):
        cfg = toy.settings(MODEL="cnn", CNN_LAYERS="pooled", SEED=seed, LR=1e-30)
        optimizer = make_optimizer(cfg)
        optimizer.build(built.trainable_variables)
        step = make_train_step(built, optimizer, cfg, Devices())
        for first in (3, 4, 3):
            optimizer.iterations.assign(first)
            norms.setdefault((seed, first), []).append(step(batch)["gradient_norm"])
    assert norms[0, 3][0] == norms[0, 3][1]
    assert len({values[0] for values in norms.values()}) == 4


# ---- runs ----

FLAGS = ["--model", "cnn", "--cnn_layers", "pooled", "--jit", "on"]


def test_a_run_in_pieces_is_the_run_in_one_piece(small, tmp_path):
    straight, pieces = toy_runs.finished(*FLAGS), tmp_path / "pieces"
    with toy_runs.in_step(3, toy_runs.send(15)):
        assert toy_runs.start(pieces, *FLAGS) == 128 + 15
    assert toy_runs.run("--ckpt", pieces) == 0
    assert toy_runs.same(pieces, straight)
    assert toy_runs.results(straight)["last"].keys() == {"step", "loss", "accuracy"}
    health = toy_runs.metrics(straight, "health")[0].keys()
    assert health == {"step", "split", "dead_channels", "dead_fraction", "positive_activations"}, "only what applies"


SMALL_TRAINING = """
import sys
import cli
cli.start_tensorflow()
from model.networks import cnn
cnn.LAYERS["pooled"] = cnn.Layers((5, 3), (4, 3), (8, 6), True, (True, True), True)
import train
sys.exit(train.main())
"""


def test_logical_devices_train_the_network_of_one_with_its_dropout(small, tmp_path):
    """Each image has its own noise, wherever it is computed. 10 images are 5 and 5."""
    single, folder = toy_runs.finished(*FLAGS), tmp_path / "run"
    flags = ["--dataset", single.with_name("bars.npz"), *toy.FLAGS, *FLAGS, "--train_dir", folder]
    command = [sys.executable, "-c", SMALL_TRAINING, "--strategy", "mirrored", "--devices", 2, *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "code")}
    ended = subprocess.run(list(map(str, command)), env=environment, text=True, capture_output=True)
    assert ended.returncode == 0, ended.stderr
    expected, received = toy_runs.variables(single), toy_runs.variables(folder)
    for name, value in expected.items():
        if "optimizer" not in name:
            assert np.max(np.abs(received[name] - value)) < 1e-5 * np.max(np.abs(value)) + 1e-7, name
