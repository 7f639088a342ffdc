"""Every routing against loops in NumPy, and what all of them offer."""
import numpy as np
import pytest
import tensorflow as tf

import oracle
import registry
import toy
import toy_runs
from data.dataset import Batch
from model import capsules
from settings import InputError
from training.devices import Devices
from training.optimizer import make_optimizer
from training.step import make_train_step

B, I, D, J, E = 2, 6, 3, 4, 5
ROUTINGS = registry.names("model.routings")


class Layer:
    """Stands in for DigitCaps: it holds the weights."""
    bias = prior = None

    def __init__(self, routing, **changes):
        self.routing = registry.module("model.routings", routing).build(toy.settings(ROUTING=routing, **changes))
        random = np.random.default_rng(0)
        self.u = random.normal(size=(B, I, D)).astype(np.float32)
        self.W = tf.constant(random.normal(size=(I, D, J, E)), tf.float32)
        self.u_hat = np.einsum("bid,idje->bije", self.u.astype(float), self.W.numpy())
        self.routing.add_weights(self)

    def add_weight(self, name, shape, initializer):
        return tf.constant(np.random.default_rng(1).normal(size=shape), tf.float32)

    def unrouted(self, u):
        return capsules.squash(tf.constant(self.u_hat.sum(axis=1) / J, tf.float32))

    def couplings(self):
        votes = tf.constant(np.moveaxis(self.u_hat, 0, -1), tf.float32)
        return [np.moveaxis(c.numpy(), -1, 0) for c in self.routing.couplings(votes, self)]


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_uniform_gives_every_vote_the_same_weight():
    layer = Layer("uniform")
    np.testing.assert_allclose(layer.couplings()[-1], np.full((B, I, J), 1 / J), rtol=1e-6)
    expected = oracle.squash(layer.u_hat.mean(axis=1) * I / J)
    np.testing.assert_allclose(layer.routing(layer.u, layer), expected, rtol=1e-4)


def test_attention_is_the_softmax_of_all_products_of_votes_plus_a_prior():
    layer = Layer("attention")
    attention = np.zeros((B, I, J))
    for b in range(B):
        for k in range(I):
            for j in range(J):
                attention[b, k, j] = sum(layer.u_hat[b, i, j] @ layer.u_hat[b, k, j] for i in range(I)) / np.sqrt(E)
    np.testing.assert_allclose(layer.couplings()[-1], softmax(attention) + layer.prior.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_max_min_scales_the_logits_of_each_primary_capsule(iterations):
    layer = Layer("max_min", MAX_MIN_ITERS=iterations)
    b, c = np.zeros((B, I, J)), np.ones((B, I, J))
    found = layer.couplings()
    assert len(found) == iterations
    for received in found:
        np.testing.assert_allclose(received, c, rtol=1e-3, atol=1e-4)
        v = oracle.squash(np.einsum("bij,bije->bje", c, layer.u_hat))
        b += np.einsum("bije,bje->bij", layer.u_hat, v)
        low, high = b.min(axis=2, keepdims=True), b.max(axis=2, keepdims=True)
        c = (b - low) / (high - low)


@pytest.mark.parametrize("routing", ROUTINGS)
def test_the_result_is_the_votes_weighed_by_the_last_couplings(routing):
    layer = Layer(routing)
    expected = oracle.squash(np.einsum("bij,bije->bje", layer.couplings()[-1], layer.u_hat))
    np.testing.assert_allclose(layer.routing(layer.u, layer), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("routing", ROUTINGS)
def test_the_gradient_is_finite_for_votes_of_zero_and_reaches_every_weight(routing):
    network = toy.network(ROUTING=routing)
    x = np.random.default_rng(0).random((3, *toy.IMAGE_SHAPE), np.float32)
    for images, alive in ((x, True), (0 * x, False)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(images).scores)
        gradients = tape.gradient(loss, network.digit_caps.trainable_variables)
        assert all(np.isfinite(gradient).all() for gradient in gradients)
        assert not alive or all(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize("routing", [name for name in ROUTINGS if name != "dynamic"])
def test_each_routing_trains_and_says_how_uniform_it_is(routing):
    cfg, network = toy.settings(JIT="on"), toy.network(ROUTING=routing)
    pixels, labels = toy.images(10)
    batch = Batch(pixels / np.float32(255), labels[:, None].astype(np.int32))
    step = make_train_step(network, make_optimizer(cfg), cfg, Devices())
    assert step(batch)["loss"] > 0
    entropy = network.health(batch.images, batch.labels)["coupling_entropy"].numpy()
    assert entropy.shape == (10,) and 0 < entropy.min() <= entropy.max() <= 1.0001


def test_a_setting_of_another_routing_is_refused():
    with pytest.raises(InputError, match="--routing_iters: expected --routing dynamic, which has this setting"):
        toy_runs.run("--routing", "uniform", "--routing_iters", 2)
