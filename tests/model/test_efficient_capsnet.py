"""Efficient-CapsNet against loops in NumPy, its moving statistics, and all that must know of them."""
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import data
import model
import toy
import toy_runs
from config import cfg
from data.dataset import Batch, training_batch
from evaluation.capsules import couplings
from evaluation.modes import routing
from evaluation.network.predictor import Predictor
from model.networks import efficient_capsnet
from page import weights
from runs import checkpoints
from settings import ROOT, InputError
from training import step as steps
from training.devices import Devices
from training.evaluate import measure_health
from training.optimizer import make_optimizer

FLAGS = ["--model", "efficient_capsnet"]
NORMS = [f"norm{number}" for number in range(1, 5)]


def network(seed=0, **changes):
    """A network whose statistics, prior and biases are not what they begin with."""
    built, random = toy.network(MODEL="efficient_capsnet", **changes), np.random.default_rng(seed)
    for variable in built.variables:
        if len(variable.shape) < 3 and "decoder" not in variable.path:
            variable.assign(random.uniform(0.2, 1, variable.shape))
    built.digit_caps.W.assign(built.digit_caps.W / 2)
    return built


def batch(count=6, seed=0):
    pixels, labels = toy.images(count, seed)
    return Batch(pixels / np.float32(255), labels[:, None].astype(np.int32))


# ---- the network in NumPy ----

def squash(s):
    n = np.sqrt((s ** 2).sum(axis=-1, keepdims=True) + 1e-9)
    return (1 - np.exp(-n)) * s / n


def convolve(x, layer):
    kernel, k, stride = layer.kernel.numpy(), layer.kernel_size[0], layer.stride
    h, w = ((side - k) // stride + 1 for side in x.shape[1:3])
    y = np.zeros((len(x), h, w, layer.filters))
    for i in range(h):
        for j in range(w):
            patch = x[:, i * stride:i * stride + k, j * stride:j * stride + k]
            y[:, i, j] = np.einsum("bklc,klfc->bf", patch, kernel) + layer.bias.numpy()
    return np.maximum(y, 0)


def compute(built, images, training=False):
    """-> class capsules [B, J, E], and mean and variance of each normalisation's batch."""
    caps, digits, moments = built.primary_caps, built.digit_caps, []
    x = images.astype(float)
    for name, layer in zip(NORMS, (built.conv1, caps.conv2, caps.conv3, caps.conv4), strict=True):
        x, norm = convolve(x, layer), getattr(caps, name)
        moments.append((x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))))
        mean, variance = moments[-1] if training else (norm.moving_mean.numpy(), norm.moving_variance.numpy())
        x = norm.gamma.numpy() * (x - mean) / np.sqrt(variance + 1e-3) + norm.beta.numpy()
    s = np.zeros((len(x), x.shape[3]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            s += x[:, i, j] * caps.depthwise.kernel.numpy()[i, j, 0]
    s += caps.depthwise.bias.numpy()

    # self-attention routing
    u = squash(s.reshape(len(s), 16, -1))
    u_hat = np.einsum("bid,idje->bije", u, digits.W.numpy())
    _, I, J, E = u_hat.shape
    a = np.zeros(u_hat.shape[:3])
    for i in range(I):
        for k in range(I):
            a[:, i] += (u_hat[:, i] * u_hat[:, k]).sum(axis=2) / np.sqrt(E)
    c = np.exp(a) / np.exp(a).sum(axis=2, keepdims=True) + digits.prior.numpy()
    return squash((c[..., None] * u_hat).sum(axis=1)), moments


def statistics(built):
    return [(norm.moving_mean.numpy(), norm.moving_variance.numpy())
            for norm in (getattr(built.primary_caps, name) for name in NORMS)]


def assert_moved(before, moments, after):
    """Each is 0.99 of what it was and 0.01 of the batch's."""
    for old, new, moved in zip(before, moments, after, strict=True):
        for a, b, c in zip(old, new, moved, strict=True):
            np.testing.assert_allclose(c, 0.99 * a + 0.01 * b, rtol=2e-5, atol=1e-7)


# ---- the tests ----

@pytest.mark.parametrize("side, parameters", [(28, 161_824), (36, 156_064), (40, 157_728)])
def test_parameter_counts(side, parameters):
    """161,824 are the paper's. Its 154,656 on 36 x 36 pixels have a kernel of 5 x 5 taps instead of 6 x 6."""
    built = model.build(cfg.changed(MODEL="efficient_capsnet"), (side, side, 1), 10)
    decoder = 512 * 161 + 1024 * 513 + side ** 2 * 1025
    assert sum(np.prod(variable.shape) for variable in built.trainable_variables) == parameters + decoder
    assert built.count_params() == parameters + decoder + 2 * (32 + 64 + 64 + 128), "moving statistics"
    assert side != 36 or parameters - (6 * 6 - 5 * 5) * 128 == 154_656


def test_squash_keeps_short_capsules_and_has_a_gradient_at_zero():
    s = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32) * [[[1e-3]], [[4.0]]]
    np.testing.assert_allclose(efficient_capsnet.squash(tf.constant(s), axis=-1), squash(s), rtol=1e-3)
    moved = efficient_capsnet.squash(tf.constant(s.transpose(2, 0, 1)), axis=0).numpy()
    np.testing.assert_allclose(moved.transpose(1, 2, 0), squash(s), rtol=1e-3)
    zero = tf.zeros([1, 3], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(zero)
        v = efficient_capsnet.squash(zero)
    np.testing.assert_allclose(tape.jacobian(v, zero)[0, :, 0], np.eye(3), rtol=1e-4)


@pytest.mark.parametrize("way", ["auto", "direct"])
@pytest.mark.parametrize("training", [False, True])
def test_it_computes_what_the_paper_says(way, training):
    built, images = network(CONV_WAY=way), batch().images
    expected, _ = compute(built, images, training)
    with tf.keras.StatelessScope():
        output = built(images, training=training)
    lengths = np.linalg.norm(expected, axis=2)
    assert 0.1 < lengths.mean() < 0.9 and np.ptp(lengths) > 0.01
    np.testing.assert_allclose(output.capsules, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(output.scores, lengths, rtol=1e-4)


@pytest.mark.parametrize("jit", ["on", "off"])
def test_a_step_moves_the_statistics_and_only_a_whole_step_does(jit):
    settings = toy.settings(MODEL="efficient_capsnet", LR=0.01, JIT=jit)
    built = network()
    step = steps.make_train_step(built, make_optimizer(settings), settings, Devices())
    for seed in range(3):
        given, before = batch(seed=seed), statistics(built)
        _, moments = compute(built, given.images, training=True)
        step(given)
        assert_moved(before, moments, statistics(built))
    digest = built.digest()
    with pytest.raises(steps.NotFinite):
        step(given._replace(images=given.images + np.nan))
    assert built.digest() == digest
    built.primary_caps.norm3.moving_mean.assign_add(np.full(64, 1e-6, np.float32))
    assert built.digest() != digest, "the digest tells networks with other statistics apart"


def test_tests_and_health_are_asked_with_the_moving_statistics():
    built, settings = network(), toy.settings(MODEL="efficient_capsnet")
    pixels, labels = toy.images(7)
    split = data.dataset.Split(pixels, labels[:, None].astype(np.int32))
    lengths = np.linalg.norm(compute(built, batch(7).images)[0], axis=2)
    digest, right = built.digest(), np.arange(toy.CLASSES) == split.labels
    health = measure_health(steps.make_health_step(built, settings, Devices()), split, 4)
    assert health["length_correct"] == pytest.approx(lengths[right].mean(), rel=1e-4)
    tested = steps.make_test_step(built, settings, Devices())(batch(7))
    assert tested["accuracy"] == (lengths.argmax(axis=1) == labels).sum()
    predicted = Predictor(built, settings, 3).predict(batch(7).images)
    np.testing.assert_allclose(predicted.scores, lengths, rtol=1e-4)
    assert built.digest() == digest


def test_a_run_in_pieces_is_the_run_in_one_piece(tmp_path):
    """With the moving statistics, those of the best network, and their average."""
    straight, pieces = toy_runs.finished(*FLAGS, "--ema", 0.5), tmp_path / "pieces"
    with toy_runs.in_step(3, toy_runs.send(15)):
        assert toy_runs.start(pieces, *FLAGS, "--ema", 0.5) == 128 + 15
    assert toy_runs.run("--ckpt", pieces) == 0
    assert toy_runs.same(pieces, straight)


def test_two_devices_move_the_statistics_by_the_mean_over_their_parts(tmp_path):
    """Each normalises its own part of the batch. They begin with the weights and statistics of another run."""
    source, folder = toy_runs.finished(*FLAGS, "--ema", 0.5), tmp_path / "run"
    flags = ["--dataset", source.with_name("bars.npz"), *toy.FLAGS, *FLAGS, "--batch_size", 5, "--max_iters", 1,
             "--train_dir", folder, "--init_from", source]
    command = [sys.executable, ROOT / "code" / "train.py", "--strategy", "mirrored", "--devices", 2, *flags]
    ended = subprocess.run(list(map(str, command)), text=True, capture_output=True)
    assert ended.returncode == 0, ended.stderr

    given, first = (checkpoints.load(prefix).network for prefix in (source, folder / "ckpt-0"))
    assert given.digest() == first.digest()
    last = checkpoints.load(folder / "ckpt-1")
    images = training_batch(data.load(last.run.settings), 0, 0, 5).images
    parts = [compute(first, part, training=True)[1] for part in (images[:3], images[3:])]
    means = [tuple(0.6 * a + 0.4 * b for a, b in zip(*pair, strict=True)) for pair in zip(*parts, strict=True)]
    assert_moved(statistics(first), means, statistics(last.network))


def test_mode_routing_knows_its_one_position_and_the_page_refuses_it():
    built, images = network(), batch()
    predictor = Predictor(built, toy.settings(MODEL="efficient_capsnet"), 5)
    found = couplings.measure(predictor, images.images, images.labels)
    positions, types = routing.draw_where("title", found, built).axes[:2]
    assert positions.images[0].get_array().shape == (1, 1) and len(types.patches) == efficient_capsnet.TYPES
    with pytest.raises(InputError, match="mine: expected a network whose layers the page can compute"):
        weights.describe(built, "mine")
