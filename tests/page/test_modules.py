"""The modules of the page that compute, against NumPy and TensorFlow. The layers: test_browser.py."""
import numpy as np
import pytest
import tensorflow as tf

import toy
from browsing import lively
from model import capsules, routing
from page import assemble, weights


def test_every_float16_is_read(evaluate):
    bits = np.arange(65536, dtype=np.uint16)
    bits = bits[np.isfinite(bits.view(np.float16))]
    received = evaluate("payload", "Array.from(m.fromFloat16(Uint16Array.from(a)))", bits.tolist())
    np.testing.assert_array_equal(np.float32(received), bits.view(np.float16).astype(np.float32))


def test_squash_and_coupling_are_the_papers_also_at_the_extremes(evaluate):
    s = np.array([[0, 0, 0], [1e-3, 0, 0], [3, -4, 1], [1e4, 1e4, 0]], np.float32)
    received = evaluate("capsules", "Array.from(m.squash(Float32Array.from(a), 3))", s.ravel().tolist())
    np.testing.assert_allclose(received, capsules.squash(tf.constant(s)).numpy().ravel(), rtol=1e-3, atol=1e-7)
    b = np.array([[0, 0, 0], [1, 2, 3], [-900, 900, 0]], np.float32)
    received = evaluate("capsules", "Array.from(m.couple(Float32Array.from(a), 3))", b.ravel().tolist())
    np.testing.assert_allclose(received, capsules.couple(tf.constant(b)).numpy().ravel(), atol=1e-6)


@pytest.mark.parametrize("strokes", [[[[3, 4], [9, 20]]], [[[1, 1], [27, 1], [20, 27]], [[2, 14], [20, 14]]],
                                     [[[14, 2], [14.5, 4]]]])
def test_a_drawing_is_framed_by_size_and_by_mass(evaluate, strokes):
    frame = {"side": 20, "centre": [14.5, 13.5]}
    ink = evaluate("strokes", "Array.from(m.rasterise(m.framed(a, b, 28, 28), 28, 28))", strokes, frame)
    ink = np.reshape(ink, (28, 28))
    rows, columns = np.indices(ink.shape) + 0.5
    assert [(columns * ink).sum() / ink.sum(), (rows * ink).sum() / ink.sum()] == pytest.approx([14.5, 13.5], abs=0.2)
    rows, columns = np.nonzero(ink > 0.5)
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    small = np.ptp(np.concatenate(strokes), axis=0).max() < 4
    assert side == pytest.approx(11 if small else 20, abs=1), "what is small is enlarged four times at most"
    assert ink.min() >= 0 and ink.max() <= 1


def test_a_drawing_fits_and_is_not_moved_out_of_the_image(evaluate):
    """The drawing is low or high, and the images that the network knows are wider than high, or fill their edges."""
    for strokes, side in (([[[30, 1], [30, 19]]], 20), ([[[5, 10], [50, 10]]], 50)):
        frame = {"side": 50, "centre": [30, 10]}
        (first, last), = evaluate("strokes", "m.framed(a, b, 20, 60)", strokes, frame)
        assert np.abs(np.subtract(last, first)).max() + 2.3 == pytest.approx(side), "with the width of the pen"
    frame = {"side": 28, "centre": [14, 14]}
    (points,) = evaluate("strokes", "m.framed(a, b, 28, 28)", [[[3, 3], [3, 25], [25, 25]]], frame)
    assert np.min(points) >= 1.1 and np.max(points) <= 26.9


def test_a_number_has_no_minus_if_it_is_zero(evaluate):
    numbers = evaluate("elements", "a.map((x) => m.written(x))", [-0.001, -0.006, 0.2, -12.5])
    assert numbers == ["0.00", "\u22120.01", "0.20", "\u221212.50"]


def test_a_drawing_is_not_mirrored_where_images_are_specks_and_one_of_several_things_keeps_its_size(evaluate):
    (first, last), = evaluate("strokes", "m.framed(a, b, 28, 28)", [[[2, 3], [10, 4]]], {"side": 1, "centre": [14, 14]})
    assert last[0] - first[0] == pytest.approx(1) and last[1] > first[1]
    frame, strokes = {"side": None, "centre": [18, 18]}, [[[2, 3], [10, 3]], [[6, 9], [6, 12]]]
    (moved,), (other,) = (stroke[:1] for stroke in evaluate("strokes", "m.framed(a, b, 36, 36)", strokes, frame))
    assert np.subtract(other, moved) == pytest.approx([4, 6])


@pytest.mark.parametrize("strokes", [[], [[[5, 5]]], [[[-40, -40], [-30, -30]]]])
def test_little_or_no_ink_is_no_error(evaluate, strokes):
    frame = {"side": 20, "centre": [14, 14]}
    ink = evaluate("strokes", "Array.from(m.rasterise(m.framed(a, b, 28, 28), 28, 28))", strokes, frame)
    assert np.isfinite(ink).all() and (max(ink) > 0.8) == bool(strokes)


# ours, and those that were added with a file for the page
ROUTINGS = {"dynamic", "max_min", "attention", "uniform", *(path.stem for path in assemble.ROUTINGS.glob("*.js"))}


@pytest.mark.parametrize("changes", [{"NONE_OF_THE_ABOVE": True, "PRIOR_TRAINING": True, "ROUTING_ITERS": 4},
                                     *({"ROUTING": name} for name in sorted(ROUTINGS))])
def test_every_routing_of_the_page_has_the_couplings_and_capsules_of_tensorflow(evaluate, changes):
    network = lively(toy.network(INIT="authors", **changes))
    layer = network.digit_caps
    described, arrays = weights.describe(network, "toy")
    u = capsules.squash(tf.random.normal([1, layer.W.shape[0], layer.W.shape[1]]))
    received = evaluate(
        "capsnet", "new m.CapsNet(a, Object.fromEntries(b.map(([name, array]) => [name, Float32Array.from(array)])))"
        ".route(Float32Array.from(c)).map(({c, v, agreement}) => [[...c], [...v], [...agreement]])", described,
        [[name, array.ravel().tolist()] for name, array in arrays.items()], np.ravel(u).tolist(),
        routing=described["routing"])
    u_hat, bias = capsules.votes(u, layer.W), 0 if layer.bias is None else layer.bias
    for step, c in zip(received, layer.routing.couplings(routing.votes(u, layer.W), layer), strict=True):
        c = tf.transpose(c, [2, 0, 1])                                      # [B, I, J]
        v = capsules.squash(capsules.weigh(c, u_hat) + bias)
        for mine, expected in zip(step, (c, v, capsules.agree(u_hat, v)), strict=True):
            np.testing.assert_allclose(mine, np.ravel(expected), atol=1e-5)
    np.testing.assert_allclose(step[1], np.ravel(layer(u)), atol=1e-5)
