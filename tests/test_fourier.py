"""The Fourier form against the convolution written as loops in float64, and the choice between the ways."""
import numpy as np
import pytest
import tensorflow as tf

import checkpoints
import convolutions
import fourier
import toy
import trainer
from runconfig import RunConfig, save_config

# (height, width), (kernel height, width), stride, channels, filters
SHAPES = [((20, 20), (9, 9), 2, 3, 4), ((9, 9), (9, 9), 2, 2, 3), ((10, 12), (3, 4), 1, 2, 3),
          ((17, 13), (5, 5), 3, 2, 2), ((12, 12), (4, 4), 2, 3, 5), ((21, 20), (9, 9), 2, 2, 2),
          ((11, 11), (8, 8), 3, 1, 4), ((7, 8), (2, 3), 1, 1, 1), ((28, 28), (9, 9), 1, 1, 2)]


def data(size, kernel, channels, filters, batch=3):
    random = np.random.default_rng([*size, *kernel, channels, filters])
    return random.normal(size=(batch, *size, channels)), random.normal(size=(*kernel, filters, channels))


def by_loops(images, kernel, stride):
    """-> the convolution [N, h, w, O] in float64"""
    kh, kw, filters, _ = kernel.shape
    h, w = ((side - k) // stride + 1 for side, k in zip(images.shape[1:3], (kh, kw), strict=True))
    y = np.zeros((len(images), h, w, filters))
    for i, j in np.ndindex(h, w):
        window = images[:, i * stride:i * stride + kh, j * stride:j * stride + kw]
        y[:, i, j] = np.einsum("nabc,aboc->no", window, kernel)
    return y


def gradients_by_loops(images, kernel, stride, dy):
    dx, dk = np.zeros(images.shape), np.zeros(kernel.shape)
    kh, kw = kernel.shape[:2]
    for i, j in np.ndindex(dy.shape[1:3]):
        here = np.s_[:, i * stride:i * stride + kh, j * stride:j * stride + kw]
        dx[here] += np.einsum("no,aboc->nabc", dy[:, i, j], kernel)
        dk += np.einsum("no,nabc->aboc", dy[:, i, j], images[here])
    return dx, dk


def relative_error(received, expected):
    return np.linalg.norm(received - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("size, kernel, stride, channels, filters", SHAPES)
def test_fourier_is_the_direct_convolution(size, kernel, stride, channels, filters):
    images, weights = data(size, kernel, channels, filters)
    expected = by_loops(images, weights, stride)
    x, k = tf.constant(images, tf.float32), tf.constant(weights, tf.float32)
    dy = np.random.default_rng(1).normal(size=expected.shape)
    with tf.GradientTape() as tape:
        tape.watch([x, k])
        y = fourier.convolve(x, k, stride)
    assert relative_error(y, expected) < 2e-6
    gradients = tape.gradient(y, [x, k], tf.constant(dy, tf.float32))
    for received, by_hand in zip(gradients, gradients_by_loops(images, weights, stride, dy), strict=True):
        assert relative_error(received, by_hand) < 2e-6


def test_at_the_size_of_the_paper():
    images, weights = data((20, 20), (9, 9), 256, 256, batch=2)
    weights = weights / 144  # as large as a network's
    y = fourier.convolve(tf.constant(images, tf.float32), tf.constant(weights, tf.float32), 2)
    assert relative_error(y, by_loops(images, weights, 2)) < 2e-6


@pytest.mark.parametrize("out, taps", [((6, 6), (5, 5)), ((1, 1), (3, 2)), ((4, 7), (2, 5)), ((3, 3), (1, 1))])
def test_the_bilinear_algorithm_is_exact(out, taps):
    """In float64, on one channel: y = A [(B x) * (G w)]."""
    A, B, G = fourier.matrices(out, taps)
    random = np.random.default_rng(0)
    n = out[0] + taps[0] - 1, out[1] + taps[1] - 1
    x, w = random.normal(size=n), random.normal(size=taps)
    expected = by_loops(x[None, ..., None], w[..., None, None], 1).ravel()
    np.testing.assert_allclose(A @ ((B @ x.ravel()) * (G @ w.ravel())), expected, rtol=1e-12, atol=1e-13)


def test_the_papers_network_needs_148_products_instead_of_729():
    A, B, G = fourier.matrices((6, 6), (5, 5))
    assert (A.shape, B.shape, G.shape) == ((36, 148), (148, 100), (148, 25))
    by_fourier, by_direct = fourier.products((20, 20, 256), (9, 9, 256, 256), 2)
    assert by_direct == 36 * 81 * 256 * 256
    assert by_fourier == 148 * (100 * 1024 + 1024 * 256 + 256 * 36)


@pytest.mark.parametrize("size, kernel, stride, channels, filters", [*SHAPES, ((20, 20), (9, 9), 2, 256, 256)])
def test_auto_never_picks_fourier_where_it_counts_more_products(size, kernel, stride, channels, filters):
    shapes = (*size, channels), (*kernel, filters, channels), stride
    by_fourier, by_direct = fourier.products(*shapes)
    A, B, G = fourier.matrices(*fourier._geometry(size, kernel, stride)[:2])
    phases = stride * stride * channels
    assert by_fourier == B.size * phases + len(B) * phases * filters + A.size * filters
    for batch in (None, 1, 7, 100):
        with_kernel = by_fourier + (G.size * phases * filters / batch if batch else 0)
        expected = "fourier" if with_kernel < by_direct else "patches"
        assert convolutions.choose((batch, *size, channels), (*kernel, filters, channels), stride) == expected


def test_auto_takes_fourier_for_the_papers_network_but_not_for_a_handful_of_images():
    ways = [convolutions.choose((batch, 20, 20, 256), (9, 9, 256, 256), 2) for batch in (1, 7, 8, 100, None)]
    assert ways == ["patches", "patches", "fourier", "fourier", "fourier"]
    assert convolutions.choose((100, 28, 28, 1), (9, 9, 256, 1), 1) == "patches"


def test_auto_leaves_a_gpu_its_own_convolution(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["gpu"])
    assert convolutions.choose((100, 20, 20, 256), (9, 9, 256, 256), 2) == "direct"


@pytest.mark.parametrize("size, kernel, stride, channels, filters", [s for s in SHAPES if s[1][0] == s[1][1]])
@pytest.mark.parametrize("stride_after", [1, 2, 3])
def test_the_layer_is_the_same_every_way(size, kernel, stride, channels, filters, stride_after):
    images, _ = data(size, kernel, channels, filters)
    layer = convolutions.Convolution(filters, kernel[0], stride, activation="relu", stride_after=stride_after)
    layer.build(images.shape)
    layer.bias.assign(np.linspace(-0.5, 0.5, filters))
    results = []
    for layer.way in ("direct", "fourier", "patches", "auto"):
        results.append(layer(tf.constant(images, tf.float32)))
    by_hand = np.maximum(0, by_loops(images, layer.kernel.numpy(), stride) + layer.bias.numpy())
    for received in results:
        assert relative_error(received, by_hand) < 2e-6


def test_a_checkpoint_is_the_same_either_way(tmp_path):
    """Written with one way, read with the other: the lengths are equal within 1e-4."""
    images = np.random.default_rng(0).uniform(size=(5, 28, 28, 1)).astype(np.float32)
    shape = {"image_shape": (28, 28, 1), "CONV1_CHANNELS": 64, "PRIMARY_CAPS_CHANNELS": 8}
    direct, other = toy.network(CONV_WAY="direct", **shape), toy.network(CONV_WAY="fourier", **shape)
    for variable in direct.trainable_variables:
        variable.assign(variable + tf.random.normal(variable.shape, stddev=0.05))
    assert [v.shape for v in direct.variables] == [v.shape for v in other.variables]
    settings = toy.settings(CONV_WAY="direct", CONV1_CHANNELS=64, PRIMARY_CAPS_CHANNELS=8)
    run = RunConfig(settings, (28, 28, 1), 3, "0123")
    checkpoints.write(tmp_path, "ckpt", 1, run.identity(), model=direct)
    checkpoints.read(tmp_path / "ckpt-1", run.identity(), model=other)
    np.testing.assert_allclose(other(images).lengths, direct(images).lengths, atol=1e-4)
    save_config(tmp_path, run)
    loaded, _, _ = checkpoints.load(tmp_path)
    np.testing.assert_allclose(loaded(images).lengths, direct(images).lengths, atol=1e-4)


def test_compiled_or_not_trains_the_same(monkeypatch):
    """Five steps; a batch of one and a partial batch are compiled once each."""
    losses = {}
    images, labels = toy.images(50)
    images = (images / 255).astype(np.float32)
    for jit in ("off", "on"):
        cfg, model = toy.settings(JIT=jit), toy.network()
        step = trainer.make_train_step(model, trainer.make_optimizer(cfg), cfg)
        losses[jit] = [float(step(images[10 * n:10 * n + 10], labels[10 * n:10 * n + 10])["loss"]) for n in range(5)]
    np.testing.assert_allclose(losses["on"], losses["off"], rtol=1e-4)
    losses_of, traced = trainer.losses, []
    monkeypatch.setattr(trainer, "losses", lambda *args: traced.append(args) or losses_of(*args))
    test_step = trainer.make_test_step(model, cfg)
    for _ in range(2):
        for size in (10, 1, 7):
            test_step(images[:size], labels[:size])
    assert len(traced) == 3


def test_jit_is_left_off_only_where_it_would_be_slow():
    def jit(**settings):
        return trainer.compiled(lambda: 0, toy.settings(**settings))._jit_compile

    assert jit(JIT="auto", CONV_WAY="auto") and jit(JIT="auto", CONV_WAY="fourier")
    assert not jit(JIT="auto", CONV_WAY="direct") and not jit(JIT="off", CONV_WAY="auto")
    assert jit(JIT="on", CONV_WAY="direct")
