"""The paper's equations against NumPy written as loops, one index at a time."""
import numpy as np
import pytest
import tensorflow as tf

import capsules

B, I, D, J, E = 2, 5, 3, 4, 6


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
    """Procedure 1 of the paper, line by line, one image at a time; also returns the coefficients of the last iteration."""
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
    return v, c


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


def test_votes_are_equation_2():
    u, W = normal(B, I, D), normal(I, D, J, E)
    np.testing.assert_allclose(capsules.votes(u, W), votes_by_hand(u, W), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", ["dynamic", "static"])
@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
@pytest.mark.parametrize("with_prior", [False, True])
def test_route_is_procedure_1(way, iterations, with_prior):
    u_hat = normal(B, I, J, E)
    prior = normal(I, J, seed=1) if with_prior else np.zeros((I, J), np.float32)
    v, c = capsules.route(tf.constant(u_hat), iterations, way, tf.constant(prior) if with_prior else None)
    v_by_hand, c_by_hand = route_by_hand(u_hat, iterations, prior)
    np.testing.assert_allclose(v, v_by_hand, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(c, c_by_hand, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("iterations", [1, 3])
def test_coefficients_of_each_capsule_sum_to_one_over_the_classes(iterations):
    _, c = capsules.route(tf.constant(normal(B, I, J, E)), iterations)
    np.testing.assert_allclose(np.sum(c, axis=2), np.ones((B, I)), rtol=1e-6)
    if iterations == 1:
        np.testing.assert_allclose(c, np.full((B, I, J), 1 / J), rtol=1e-6)
    else:
        assert np.ptp(np.sum(c, axis=1)) > 1e-3, "the sums over the inputs are not fixed"


def test_the_logits_belong_to_one_image():
    u_hat = normal(B, I, J, E)
    together, _ = capsules.route(tf.constant(u_hat), 3)
    alone, _ = capsules.route(tf.constant(u_hat[1:]), 3)
    np.testing.assert_allclose(together[1:], alone, rtol=1e-5, atol=1e-7)


def test_routing_does_not_care_how_classes_are_numbered():
    u_hat, order = normal(B, I, J, E), np.array([2, 0, 3, 1])
    v, c = capsules.route(tf.constant(u_hat), 3)
    v_new, c_new = capsules.route(tf.constant(u_hat[:, :, order]), 3)
    np.testing.assert_allclose(v_new, v.numpy()[:, order], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(c_new, c.numpy()[:, :, order], rtol=1e-5, atol=1e-7)


def loss_and_gradients(u, W, way, iterations=3):
    u, W = tf.convert_to_tensor(u), tf.convert_to_tensor(W)
    with tf.GradientTape() as tape:
        tape.watch([u, W])
        v, _ = capsules.route(capsules.votes(u, W), iterations, way)
        loss = tf.reduce_sum(v * tf.range(1.0, E + 1))
    return [loss, *tape.gradient(loss, [u, W])]


@pytest.mark.parametrize("compiled", [None, False, True])
@pytest.mark.parametrize("iterations", [1, 3])
def test_dynamic_static_eager_and_graph_agree(compiled, iterations):
    u, W = normal(B, I, D), normal(I, D, J, E)
    expected = loss_and_gradients(u, W, "static", iterations)
    function = loss_and_gradients if compiled is None else tf.function(loss_and_gradients, jit_compile=compiled)
    for way in ("dynamic", "static"):
        for value, by_static in zip(function(u, W, way, iterations), expected, strict=True):
            np.testing.assert_allclose(value, by_static, rtol=2e-4, atol=2e-5)


def test_the_gradient_goes_through_every_iteration():
    """Against central differences in float64 by hand: cutting the gradient anywhere in the loop would show."""
    u, W = normal(B, I, D), normal(I, D, J, E)

    def loss_by_hand(u):
        v, _ = route_by_hand(votes_by_hand(u, W), 3, np.zeros((I, J)))
        return np.sum(v * np.arange(1.0, E + 1))

    gradient = loss_and_gradients(u, W, "dynamic")[1].numpy()
    for index in np.ndindex(*u.shape):
        step = np.zeros(u.shape)
        step[index] = 1e-5
        difference = (loss_by_hand(u + step) - loss_by_hand(u - step)) / 2e-5
        np.testing.assert_allclose(gradient[index], difference, rtol=2e-3, atol=2e-3)


def test_mask_lets_only_the_chosen_capsule_through():
    v = normal(3, J, E)
    masked = capsules.mask(tf.constant(v), tf.constant([2, 0, 3])).numpy()
    for image, chosen in enumerate([2, 0, 3]):
        np.testing.assert_array_equal(masked[image, chosen], v[image, chosen])
        assert np.count_nonzero(masked[image]) == E
