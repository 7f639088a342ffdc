"""The paper's equations and Procedure 1, in both forms, against loops in NumPy."""
import numpy as np
import pytest
import tensorflow as tf

import oracle
from model import capsules, routing

B, I, D, J, E = 2, 6, 3, 4, 5
WAYS = ["plain", "dynamic", "static"]


def normal(*shape, seed=0, scale=1.0):
    random = np.random.default_rng([seed, *shape])
    return random.normal(size=shape).astype(np.float32) * np.float32(scale)


def batch_last(x):
    """[B, I, J, ...] -> [I, J, ..., B], as routing.py has it."""
    return tf.constant(np.moveaxis(x, 0, -1), tf.float32)


def route(u_hat, iterations, way="dynamic", prior=None, bias=None, none=False):
    """u_hat [B, I, J, E] -> v [B, J, E], by either module."""
    prior, bias = (None if x is None else tf.convert_to_tensor(x) for x in (prior, bias))
    if way == "plain":
        return capsules.route(tf.constant(u_hat, tf.float32), iterations, prior, bias, none)
    return routing.route(batch_last(u_hat), iterations, way, prior, bias, none)


def votes_by_hand(u, W):
    u_hat = np.zeros((B, I, J, E))
    for b, i, j, d in np.ndindex(B, I, J, D):
        u_hat[b, i, j] += np.float64(u[b, i, d]) * W[i, d, j]
    return u_hat


# ---- the equations ----

def test_squash_is_equation_1():
    s = normal(7, E, scale=3)
    by_hand = [oracle.squash(row) for row in s]
    np.testing.assert_allclose(capsules.squash(s), by_hand, rtol=1e-5)
    np.testing.assert_allclose(capsules.squash(s.T, axis=0), np.transpose(by_hand), rtol=1e-5)
    assert np.all(capsules.length(capsules.squash(s * 100)) < 1)


def test_length():
    lengths = capsules.length(tf.constant([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(lengths, [5, 0], atol=1e-4)


@pytest.mark.parametrize("function", [capsules.squash, capsules.length])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-12])
def test_value_and_gradient_are_finite_at_zero(function, scale):
    s = tf.constant(normal(3, E, scale=scale))
    with tf.GradientTape() as tape:
        tape.watch(s)
        value = function(s)
    assert np.isfinite(value).all()
    assert np.isfinite(tape.gradient(value, s)).all()


def test_votes_are_equation_2():
    u, W = normal(B, I, D), normal(I, D, J, E)
    by_hand = votes_by_hand(u, W)
    np.testing.assert_allclose(capsules.votes(u, W), by_hand, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(routing.votes(u, W), batch_last(by_hand), rtol=1e-5, atol=1e-6)


def test_coefficients_of_each_capsule_sum_to_one_over_the_classes():
    b = normal(B, I, J, scale=3)
    by_hand = np.exp(b) / np.exp(b).sum(axis=2, keepdims=True)
    assert np.ptp(by_hand.sum(axis=1)) > 0.1, "the sums over the primary capsules are not fixed"
    np.testing.assert_allclose(capsules.couple(b), by_hand, rtol=1e-5)
    np.testing.assert_allclose(routing.couple(batch_last(b)), batch_last(by_hand), rtol=1e-5)


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_equal_logits_of_any_size_couple_evenly(logit):
    even = np.full((I, J, B), 1 / J)
    np.testing.assert_allclose(routing.couple(tf.fill([I, J, B], logit)), even, rtol=1e-6)


@pytest.mark.parametrize("inputs", [1, 7, 8, 12, 36])
def test_weigh_and_agree_are_plain_sums(inputs):
    c, u_hat, v = normal(B, inputs, J), normal(B, inputs, J, E), normal(B, J, E)
    weighed, agreed = np.einsum("bij,bije->bje", c, u_hat), np.einsum("bije,bje->bij", u_hat, v)
    near = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(capsules.weigh(c, u_hat), weighed, **near)
    np.testing.assert_allclose(capsules.agree(u_hat, v), agreed, **near)
    c, u_hat, v = batch_last(c), batch_last(u_hat), batch_last(v)
    np.testing.assert_allclose(routing.weigh(c, u_hat), batch_last(weighed), **near)
    np.testing.assert_allclose(routing.agree(u_hat, v), batch_last(agreed), **near)


def test_mask_lets_only_the_chosen_capsule_through():
    v = normal(3, J, E)
    masked = capsules.mask(tf.constant(v), tf.constant([2, 0, 3])).numpy()
    for image, chosen in enumerate([2, 0, 3]):
        np.testing.assert_array_equal(masked[image, chosen], v[image, chosen])
        assert np.count_nonzero(masked[image]) == E


# ---- Procedure 1 ----

@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
@pytest.mark.parametrize("with_prior, with_bias, none", [
    (False, False, False), (True, False, True), (False, True, True)])
def test_route_is_procedure_1(way, iterations, with_prior, with_bias, none):
    u_hat = normal(B, I, J, E)
    prior = normal(I, J, seed=1) if with_prior else None
    bias = normal(J, E, seed=2) if with_bias else None
    by_hand, c = oracle.route(u_hat, iterations, 0 if prior is None else prior, 0 if bias is None else bias, none)
    v = route(u_hat, iterations, way, prior, bias, none)
    np.testing.assert_allclose(v, by_hand, rtol=2e-5, atol=1e-6)
    if way != "plain":
        received = routing.couplings(batch_last(u_hat), iterations, prior, bias, none)
        assert len(received) == iterations
        np.testing.assert_allclose(received[-1], batch_last(c), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("way, loops", [("plain", True), ("dynamic", True), ("static", False)])
def test_only_static_routing_is_unrolled(way, loops):
    function = tf.function(lambda u_hat: route_tensor(u_hat, way))
    graph = function.get_concrete_function(tf.TensorSpec([I, I, J, E])).graph
    assert any("While" in operation.type for operation in graph.get_operations()) == loops


def route_tensor(u_hat, way):
    return capsules.route(u_hat, 3) if way == "plain" else routing.route(u_hat, 3, way)


def loss_and_gradients(u, W, more, way, iterations):
    """Of a loss that weighs each dimension differently. more: the prior and the bias, or nothing"""
    arguments = [tf.convert_to_tensor(x) for x in (u, W, *more)]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        u, W, *more = arguments
        if way == "plain":
            v = capsules.route(capsules.votes(u, W), iterations, *more, none_of_the_above=bool(more))
        else:
            v = routing.route(routing.votes(u, W), iterations, way, *more, none_of_the_above=bool(more))
        loss = tf.reduce_sum(v * tf.range(1.0, E + 1))
    return [loss, *tape.gradient(loss, arguments)]


def by_every_way(u, W, more, iterations):
    return [loss_and_gradients(u, W, more, way, iterations) for way in WAYS]


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("iterations, with_more", [(1, False), (1, True), (3, True)])
def test_plain_dynamic_and_static_agree_in_value_and_gradient(xla, iterations, with_more):
    u, W, more = normal(B, I, D), normal(I, D, J, E), (normal(I, J), normal(J, E)) if with_more else ()
    expected = loss_and_gradients(u, W, more, "plain", iterations)
    function = tf.function(by_every_way, jit_compile=xla)
    for received in function(u, W, more, iterations):
        for value, plain in zip(received, expected, strict=True):
            np.testing.assert_allclose(value, plain, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_the_gradient_goes_through_every_iteration(iterations):
    """Against central differences of the loops in float64: a cut anywhere would show."""
    arguments = normal(B, I, D), normal(I, D, J, E), normal(I, J), normal(J, E)

    def loss_by_hand(u, W, prior, bias):
        v, _ = oracle.route(votes_by_hand(u, W), iterations, prior, bias, none=True)
        return np.sum(v * np.arange(1.0, E + 1))

    u, W, *more = arguments
    gradients = {way: loss_and_gradients(u, W, more, way, iterations)[1:] for way in WAYS}
    for which, argument in enumerate(arguments):
        for index in list(np.ndindex(*argument.shape))[::7]:
            there = [np.float64(x) for x in arguments]
            back = [np.float64(x) for x in arguments]
            there[which][index] += 1e-5
            back[which][index] -= 1e-5
            difference = (loss_by_hand(*there) - loss_by_hand(*back)) / 2e-5
            for way in WAYS:
                received = gradients[way][which][index]
                np.testing.assert_allclose(received, difference, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("way", WAYS)
def test_one_pass_has_more_than_one_gradient(way):
    """As a persistent tape asks for: of each class's length with respect to the votes."""
    u_hat = tf.constant(normal(B, 5, 3, 4))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(u_hat)
        v = capsules.route(u_hat, 3) if way == "plain" else routing.route(u_hat, 3, way)
        classes = tf.unstack(v, axis=1)
        lengths = [capsules.length(v_j) for v_j in classes]
        whole = tf.add_n(lengths)
    parts = [tape.gradient(length, u_hat) for length in lengths]
    np.testing.assert_allclose(tape.gradient(whole, u_hat), sum(parts), atol=1e-6)
