"""The paper's equations against NumPy written as loops, one index at a time."""
import numpy as np
import pytest
import tensorflow as tf

import capsules

B, I, D, J, E = 2, 6, 3, 4, 5


def normal(*shape, seed=0, scale=1.0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32) * np.float32(scale)


def squash_by_hand(s):
    n = np.sqrt(np.sum(np.float64(s) ** 2))
    return s * n / (1 + n ** 2)


def votes_by_hand(u, W):
    u_hat = np.zeros((B, I, J, E))
    for b in range(B):
        for i in range(I):
            for j in range(J):
                for d in range(D):
                    u_hat[b, i, j] += np.float64(u[b, i, d]) * W[i, d, j]
    return u_hat


def route_by_hand(u_hat, iterations, prior):
    """Procedure 1 of the paper, line by line, one image at a time."""
    v, c = np.zeros((B, J, E)), np.zeros((B, I, J))
    for b in range(B):
        logits = np.array(prior, np.float64)
        for _ in range(iterations):
            for i in range(I):
                c[b, i] = np.exp(logits[i]) / np.sum(np.exp(logits[i]))
            for j in range(J):
                v[b, j] = squash_by_hand(sum(c[b, i, j] * u_hat[b, i, j] for i in range(I)))
            for i in range(I):
                for j in range(J):
                    logits[i, j] += np.dot(u_hat[b, i, j], v[b, j])
    return v


def test_squash_is_equation_1():
    s = normal(7, E, scale=3)
    np.testing.assert_allclose(capsules.squash(s), [squash_by_hand(row) for row in s], rtol=1e-5)
    np.testing.assert_allclose(capsules.squash(s.T, axis=0), capsules.squash(s).numpy().T, rtol=1e-6)
    assert np.all(capsules.length(capsules.squash(s * 100)) < 1)


def test_length():
    np.testing.assert_allclose(capsules.length(tf.constant([[3.0, 4.0], [0.0, 0.0]])), [5, 0], atol=1e-4)


@pytest.mark.parametrize("function", [capsules.squash, capsules.length])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-12])
def test_value_and_gradient_are_finite_at_zero(function, scale):
    s = tf.constant(normal(3, E, scale=scale))
    with tf.GradientTape() as tape:
        tape.watch(s)
        value = function(s)
    assert np.isfinite(value).all() and np.isfinite(tape.gradient(value, s)).all()


def batch_last(u_hat):
    """[B, I, J, ...] -> [I, J, ..., B], as the routing has it."""
    return tf.constant(np.moveaxis(u_hat, 0, -1), tf.float32)


def test_votes_are_equation_2():
    u, W = normal(B, I, D), normal(I, D, J, E)
    np.testing.assert_allclose(capsules.votes(u, W), batch_last(votes_by_hand(u, W)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", ["dynamic", "static"])
@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
@pytest.mark.parametrize("with_prior", [False, True])
def test_route_is_procedure_1(way, iterations, with_prior):
    u_hat = normal(B, I, J, E)
    prior = normal(I, J, seed=1) if with_prior else np.zeros((I, J), np.float32)
    v = capsules.route(batch_last(u_hat), iterations, way, tf.constant(prior) if with_prior else None)
    np.testing.assert_allclose(v, route_by_hand(u_hat, iterations, prior), rtol=2e-5, atol=1e-6)


def test_coefficients_of_each_capsule_sum_to_one_over_the_classes():
    b = normal(B, I, J, scale=3)
    c = capsules.couple(batch_last(b)).numpy()
    np.testing.assert_allclose(c.sum(axis=1), np.ones((I, B)), rtol=1e-6)
    assert np.ptp(c.sum(axis=0)) > 0.1, "the sums over the primary capsules are not fixed"
    np.testing.assert_allclose(c, batch_last(np.exp(b) / np.exp(b).sum(axis=2, keepdims=True)), rtol=1e-5)
    np.testing.assert_allclose(capsules.couple(tf.constant(c * 0 + 80.0)), np.full((I, J, B), 1 / J), rtol=1e-6)


@pytest.mark.parametrize("inputs", [1, 7, 8, 12, 36])
def test_weigh_and_agree_are_plain_sums(inputs):
    c, u_hat, v = normal(inputs, J, B), normal(inputs, J, E, B), normal(J, E, B)
    np.testing.assert_allclose(capsules.weigh(c, u_hat), np.einsum("ijb,ijeb->jeb", c, u_hat), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(capsules.agree(u_hat, v), np.einsum("ijeb,jeb->ijb", u_hat, v), rtol=1e-4, atol=1e-5)


def test_the_logits_belong_to_one_image():
    u_hat = normal(B, I, J, E)
    together, alone = (capsules.route(batch_last(images), 3) for images in (u_hat, u_hat[1:]))
    np.testing.assert_allclose(together[1:], alone, rtol=1e-5, atol=1e-7)


def test_routing_does_not_care_how_classes_are_numbered():
    u_hat, order = normal(B, I, J, E), np.array([2, 0, 3, 1])
    v, v_new = (capsules.route(batch_last(votes), 3) for votes in (u_hat, u_hat[:, :, order]))
    np.testing.assert_allclose(v_new, v.numpy()[:, order], rtol=1e-5, atol=1e-7)


def loss_and_gradients(u, W, prior, way, iterations=3):
    arguments = [tf.convert_to_tensor(x) for x in (u, W, prior)]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        u, W, prior = arguments
        v = capsules.route(capsules.votes(u, W), iterations, way, prior)
        loss = tf.reduce_sum(v * tf.range(1.0, E + 1))
    return [loss, *tape.gradient(loss, arguments)]


@pytest.mark.parametrize("compiled", [None, False, True])
@pytest.mark.parametrize("iterations", [1, 3])
def test_dynamic_static_eager_and_graph_agree(compiled, iterations):
    arguments = normal(B, I, D), normal(I, D, J, E), normal(I, J)
    expected = loss_and_gradients(*arguments, "static", iterations)
    function = loss_and_gradients if compiled is None else tf.function(loss_and_gradients, jit_compile=compiled)
    for way in ("dynamic", "static"):
        for value, by_static in zip(function(*arguments, way, iterations), expected, strict=True):
            np.testing.assert_allclose(value, by_static, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("way", ["dynamic", "static"])
@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_the_gradient_goes_through_every_iteration(way, iterations):
    """Against central differences in float64 by hand: cutting the gradient anywhere in the loop would show."""
    u, W, prior = normal(B, I, D), normal(I, D, J, E), normal(I, J)

    def loss_by_hand(u, W, prior):
        return np.sum(route_by_hand(votes_by_hand(u, W), iterations, prior) * np.arange(1.0, E + 1))

    gradients = loss_and_gradients(u, W, prior, way, iterations)[1:]
    for which, gradient in enumerate(gradients):
        for index in list(np.ndindex(*gradient.shape))[::7]:
            there = [np.float64(x) for x in (u, W, prior)]
            back = [np.float64(x) for x in (u, W, prior)]
            there[which][index] += 1e-5
            back[which][index] -= 1e-5
            difference = (loss_by_hand(*there) - loss_by_hand(*back)) / 2e-5
            np.testing.assert_allclose(gradient[index], difference, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("way", ["dynamic", "static"])
def test_one_pass_has_more_than_one_gradient(way):
    """As a persistent tape asks for: of each class's length by the votes, for example."""
    u_hat = tf.constant(np.random.default_rng(0).normal(size=(5, 3, 4, 2)), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(u_hat)
        v = capsules.route(u_hat, 3, way)
        lengths = [capsules.length(v[:, j]) for j in range(3)]
        whole = tf.add_n(lengths)
    parts = [tape.gradient(length, u_hat) for length in lengths]
    np.testing.assert_allclose(tape.gradient(whole, u_hat), sum(parts), atol=1e-6)


def test_the_gradient_of_squash():
    s, dv = tf.constant(normal(7, E)), normal(7, E, seed=1)
    with tf.GradientTape() as tape:
        tape.watch(s)
        v = capsules.squash(s)
    expected = tape.gradient(v, s, dv)
    np.testing.assert_allclose(capsules.squash_gradient(s, dv), expected, rtol=1e-4, atol=1e-6)
    assert np.isfinite(capsules.squash_gradient(s * 0, dv)).all()


def test_mask_lets_only_the_chosen_capsule_through():
    v = normal(3, J, E)
    masked = capsules.mask(tf.constant(v), tf.constant([2, 0, 3])).numpy()
    for image, chosen in enumerate([2, 0, 3]):
        np.testing.assert_array_equal(masked[image, chosen], v[image, chosen])
        assert np.count_nonzero(masked[image]) == E
