"""Every form of the convolution against the loops in float64, and the choice between them."""
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf

import toy
from model import convolution, dft, fourier, patches
from model.compile import compiled
from model.convolution import Convolution, fastest

# (height, width), (kernel height, width), stride, channels, filters
SHAPES = [((20, 20), (9, 9), 2, 3, 4), ((9, 9), (9, 9), 2, 2, 3), ((10, 12), (3, 4), 1, 2, 3),
          ((17, 13), (5, 5), 3, 2, 2), ((12, 12), (4, 4), 2, 3, 5), ((21, 20), (9, 9), 2, 2, 2),
          ((11, 11), (8, 8), 3, 1, 4), ((7, 8), (2, 3), 1, 1, 1), ((28, 28), (9, 9), 1, 1, 2),
          ((13, 15), (4, 4), 2, 3, 2)]  # the last row and column of this one are never read
PRIMARY = (20, 20, 256), (9, 9, 256, 256), 2
CONV1 = (28, 28, 1), (9, 9, 256, 1), 1


def data(size, kernel, channels, filters, batch=3):
    random = np.random.default_rng([*size, *kernel, channels, filters])
    images = random.normal(size=(batch, *size, channels))
    return images, random.normal(size=(*kernel, filters, channels))


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


# ---- the forms ----

@pytest.mark.parametrize("size, kernel, stride, channels, filters", SHAPES)
@pytest.mark.parametrize("form", [fourier, patches], ids=["fourier", "patches"])
def test_a_form_is_the_convolution_and_its_gradients(form, size, kernel, stride, channels, filters, tile=()):
    images, weights = data(size, kernel, channels, filters)
    expected = by_loops(images, weights, stride)
    x, k = tf.constant(images, tf.float32), tf.constant(weights, tf.float32)
    dy = np.random.default_rng(1).normal(size=expected.shape)
    with tf.GradientTape() as tape:
        tape.watch([x, k])
        y = form.convolve(x, k, stride, *tile)
    assert y.shape == expected.shape
    assert relative_error(y, expected) < 2e-6
    gradients = tape.gradient(y, [x, k], tf.constant(dy, tf.float32))
    by_hand = gradients_by_loops(images, weights, stride, dy)
    for received, expected in zip(gradients, by_hand, strict=True):
        assert relative_error(received, expected) < 2e-6


@pytest.mark.parametrize("size, kernel, stride, tile", [
    ((20, 20), (9, 9), 2, (3, 3)), ((20, 20), (9, 9), 2, (5, 4)), ((10, 12), (3, 4), 1, (3, 3)),
    ((17, 13), (5, 5), 3, (1, 2)), ((13, 15), (4, 4), 2, (2, 6)), ((9, 9), (9, 9), 2, (1, 1))])
def test_tiles_change_no_number(size, kernel, stride, tile):
    """Nor a gradient, beyond rounding: whether they cover the result exactly or more than that."""
    test_a_form_is_the_convolution_and_its_gradients(fourier, size, kernel, stride, 3, 4, [tile])


@pytest.mark.parametrize("tile", [None, (2, 3)])
def test_the_number_of_images_may_be_unknown(tile):
    images, weights = data((12, 11), (5, 5), 3, 4)
    function = tf.function(lambda x: fourier.convolve(x, tf.constant(weights, tf.float32), 2, tile),
                           input_signature=[tf.TensorSpec([None, 12, 11, 3])])
    assert function.get_concrete_function().output_shapes.as_list() == [None, 4, 4, 4]
    assert relative_error(function(tf.constant(images, tf.float32)), by_loops(images, weights, 2)) < 2e-6


@pytest.mark.parametrize("size, stride, s", [((28, 28), 1, 2), ((14, 22), 1, 2), ((14, 11), 2, 3)])
def test_the_order_for_fourier_changes_no_number(size, stride, s):
    """Nor a gradient, beyond rounding."""
    images, weights = data(size, (5, 3) if s == 2 else (4, 1), 3, 4)
    x, k = tf.constant(images, tf.float32), tf.constant(weights, tf.float32)
    results = []
    for convolve in (lambda: patches.convolve(x, k, stride), lambda: patches.convolve_for_fourier(x, k, stride, s)):
        with tf.GradientTape() as tape:
            tape.watch([x, k])
            y = convolve()
            loss = tf.reduce_sum(y * tf.reshape(tf.range(float(tf.size(y))), y.shape))
        results.append([y, *tape.gradient(loss, [x, k])])
    for received, expected in zip(*results, strict=True):
        assert relative_error(received, expected.numpy().astype(float)) < 2e-6


@pytest.mark.parametrize("size, phases, calls", [((28, 28), 2, 1), ((28, 27), 2, 0), ((28, 28), 1, 0)])
def test_conv1_is_computed_in_the_order_for_fourier_where_the_phases_are_whole(monkeypatch, size, phases, calls):
    ordered = Mock(side_effect=patches.convolve_for_fourier)
    monkeypatch.setattr(patches, "convolve_for_fourier", ordered)
    Convolution(4, 9, form="patches", next_stride=phases)(tf.zeros([1, *size, 1]))
    assert ordered.call_count == calls


@pytest.mark.parametrize("form", [fourier, patches], ids=["fourier", "patches"])
def test_at_the_size_of_the_paper(form):
    images, weights = data((20, 20), (9, 9), 256, 256, batch=2)
    weights = weights / 144  # as large as a network's
    y = form.convolve(tf.constant(images, tf.float32), tf.constant(weights, tf.float32), 2)
    assert relative_error(y, by_loops(images, weights, 2)) < 2e-6


@pytest.mark.parametrize("points, passes", [(0, 2), (10_000, 1)])
@pytest.mark.parametrize("shape", SHAPES[:6])
def test_the_convolution_is_the_same_in_one_pass_and_in_two(monkeypatch, points, passes, shape):
    two_passes = Mock(side_effect=fourier.in_two_passes)
    monkeypatch.setattr(fourier, "MOST_POINTS_AT_ONCE", points)
    monkeypatch.setattr(fourier, "in_two_passes", two_passes)
    test_a_form_is_the_convolution_and_its_gradients(fourier, *shape)
    assert two_passes.call_count == passes - 1


def test_the_papers_images_are_transformed_at_once_and_larger_ones_in_two_passes():
    """Results of 28 x 28 pixels depend on it to the last bit."""
    for side, at_once in ((20, True), (28, False)):
        n = fourier.geometry((side, side), (9, 9), 2).n
        assert (n[0] * n[1] <= fourier.MOST_POINTS_AT_ONCE) == at_once


def test_the_papers_network_needs_148_products_instead_of_729():
    A, B, G = dft.matrices((6, 6), (5, 5))
    assert (A.shape, B.shape, G.shape) == ((36, 148), (148, 100), (148, 25))
    costs = fourier.costs(*PRIMARY)
    assert costs.direct == 36 * 81 * 256 * 256
    assert costs.fourier == 148 * (100 * 1024 + 1024 * 256 + 256 * 36)
    assert costs.kernel * 4 == 155_189_248, "155 MB"


@pytest.mark.parametrize("tile", [None, (2, 3)])
@pytest.mark.parametrize("size, kernel, stride, channels, filters", SHAPES)
def test_costs_are_those_of_the_matrices_of_each_tile(size, kernel, stride, channels, filters, tile):
    sizes = fourier.geometry(size, kernel, stride, tile)
    A, B, G = dft.matrices(sizes.tile, sizes.taps)
    phases = stride * stride * channels
    costs = fourier.costs((*size, channels), (*kernel, filters, channels), stride, tile)
    of_tile = B.size * phases + len(B) * phases * filters + A.size * filters
    assert costs.fourier == np.prod(sizes.tiles) * of_tile
    assert costs.kernel == len(G) * phases * filters
    assert costs.direct == np.prod(sizes.out) * np.prod(kernel) * channels * filters


# ---- the layer ----

SQUARE = [shape for shape in SHAPES if shape[1][0] == shape[1][1]]


@pytest.mark.parametrize("size, kernel, stride, channels, filters", SQUARE)
def test_the_layer_is_the_same_in_every_form(size, kernel, stride, channels, filters):
    images, _ = data(size, kernel, channels, filters)
    layer = Convolution(filters, kernel[0], stride, activation="relu")
    layer.build(images.shape)
    layer.bias.assign(np.linspace(-0.5, 0.5, filters))
    by_hand = np.maximum(0, by_loops(images, layer.kernel.numpy(), stride) + layer.bias.numpy())
    for layer.form in ("direct", "fourier", "patches", "auto"):
        assert relative_error(layer(tf.constant(images, tf.float32)), by_hand) < 2e-6


@pytest.mark.parametrize("size, kernel", [((6, 7), 5), ((5, 5), 3), ((9, 6), 4), ((3, 3), 5), ((21, 23), 5)])
def test_the_layer_with_padding_is_the_same_in_every_form(size, kernel):
    """Zeros around the image, as TensorFlow's SAME has them."""
    images, weights = data(size, (kernel, kernel), 2, 3)
    layer = Convolution(3, kernel, same=True)
    layer.build(images.shape)
    layer.kernel.assign(weights)
    before, after = (kernel - 1) // 2, kernel // 2
    padded = np.pad(images, [(0, 0), (before, after), (before, after), (0, 0)])
    expected = by_loops(padded, weights, 1)
    assert expected.shape == (*images.shape[:3], 3)
    np.testing.assert_allclose(tf.nn.conv2d(images, weights.transpose(0, 1, 3, 2), 1, "SAME"), expected, atol=1e-9)
    for layer.form in ("direct", "fourier", "patches", "auto"):
        assert relative_error(layer(tf.constant(images, tf.float32)), expected) < 2e-6


@pytest.mark.parametrize("form", ["direct", "fourier", "patches"])
def test_the_layer_computes_the_form_it_is_told(form, monkeypatch):
    spies = {}
    for module, name, label in ((fourier, "convolve", "fourier"), (patches, "convolve", "patches"),
                                (tf.nn, "conv2d", "direct")):
        spies[label] = Mock(side_effect=getattr(module, name))
        monkeypatch.setattr(module, name, spies[label])
    Convolution(2, 3, form=form)(tf.zeros([1, 5, 5, 1]))
    assert [label for label, spy in spies.items() if spy.called] == [form]


def test_every_form_of_the_network_is_the_same_network():
    images = np.random.default_rng(0).uniform(size=(5, 28, 28, 1)).astype(np.float32)
    shape = {"image_shape": (28, 28, 1), "CONV1_CHANNELS": 64, "PRIMARY_CAPS_CHANNELS": 8}
    networks = {way: toy.network(CONV_WAY=way, **shape) for way in ("direct", "fourier", "auto")}
    for network in networks.values():  # capsules about as long as those of a trained one
        kernel = network.primary_caps.conv.kernel
        kernel.assign(20 * kernel)
        network.digit_caps.W.assign(20 * network.digit_caps.W)
    assert {way: one.conv1.form for way, one in networks.items()} == {
        "direct": "direct", "fourier": "auto", "auto": "auto"}
    assert {way: one.primary_caps.conv.form for way, one in networks.items()} == {
        "direct": "direct", "fourier": "fourier", "auto": "auto"}
    direct = networks["direct"](images).scores
    assert np.all(direct > 0.01)
    for network in networks.values():
        np.testing.assert_allclose(network(images).scores, direct, atol=1e-4)


# ---- the choice ----

def test_auto_takes_fourier_for_the_papers_network_but_not_for_a_handful_of_images():
    """They take equally long at about 17 images, as measured: see PRODUCTS_FOR_A_NUMBER."""
    image, kernel, stride = PRIMARY
    chosen = [fastest((batch, *image), kernel, stride) for batch in (1, 8, 16, 20, 32, 100, None)]
    assert chosen == ["patches"] * 3 + ["fourier"] * 4


@pytest.mark.parametrize("images, kernel, stride, tile", [
    *(((batch, *PRIMARY[0]), *PRIMARY[1:], (6, 6)) for batch in (1, 8, 20, 100, 10_000, None)),
    ((100, 32, 32, 256), *PRIMARY[1:], (6, 6)), ((100, 32, 32, 256), (5, 5, 256, 256), 1, (7, 7))])
def test_the_papers_network_is_computed_without_tiles_and_larger_results_in_tiles(images, kernel, stride, tile):
    """Those of 40 x 40 pixels, and of the MNIST baseline's second convolution, padded to 32 x 32."""
    assert convolution.best_tile(images, kernel, stride) == tile


@pytest.mark.parametrize("batch", [1, 100, 100_000, None])
def test_auto_never_takes_fourier_where_it_saves_no_products(batch):
    image, kernel, stride = CONV1
    assert fastest((batch, *image), kernel, stride) == "patches"
    assert fastest((batch, 20, 20, 64), (2, 2, 64, 64), 1) == "patches"


def test_the_choice_is_that_of_the_batch_that_is_traced(monkeypatch):
    layer, choose = Convolution(2, 3), Mock(return_value="patches")
    layer.build((None, 5, 5, 1))
    monkeypatch.setattr(convolution, "fastest", choose)
    function = tf.function(lambda images: layer(images))
    for batch in (4, 3, 4):
        function(tf.zeros([batch, 5, 5, 1]))
    tf.function(layer).get_concrete_function(tf.TensorSpec([None, 5, 5, 1]))
    assert [asked.args[0][0] for asked in choose.call_args_list] == [4, 3, None]


def test_auto_leaves_a_gpu_its_own_convolution(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["gpu"])
    image, kernel, stride = PRIMARY
    assert fastest((100, *image), kernel, stride) == "direct"
    assert compiled(lambda: 0, toy.settings(JIT="auto", CONV_WAY="direct"))._jit_compile


# ---- compiled by XLA ----

def test_jit_is_left_off_only_where_it_would_be_slow():
    def jit(**settings):
        return compiled(lambda: 0, toy.settings(**settings))._jit_compile

    assert jit(JIT="auto", CONV_WAY="auto") and jit(JIT="auto", CONV_WAY="fourier")
    assert not jit(JIT="auto", CONV_WAY="direct") and not jit(JIT="off", CONV_WAY="auto")
    assert jit(JIT="on", CONV_WAY="direct")


@pytest.mark.parametrize("form", [fourier, patches], ids=["fourier", "patches"])
def test_a_compiled_form_is_the_same_with_its_gradients(form):
    images, weights = data((12, 11), (5, 5), 3, 4)
    x, k = tf.constant(images, tf.float32), tf.constant(weights, tf.float32)

    def value_and_gradients(x, k):
        with tf.GradientTape() as tape:
            tape.watch([x, k])
            y = form.convolve(x, k, 2)
            loss = tf.reduce_sum(y ** 2)
        return [y, *tape.gradient(loss, [x, k])]

    by_xla = tf.function(value_and_gradients, jit_compile=True)(x, k)
    for received, expected in zip(by_xla, value_and_gradients(x, k), strict=True):
        assert relative_error(received, expected) < 2e-6
