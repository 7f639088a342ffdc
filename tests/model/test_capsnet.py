"""The network: the paper's parameter counts, any shape, any batch, the mask before the decoder."""
import numpy as np
import pytest
import tensorflow as tf

import model
import toy
from config import cfg


def small(image_shape=(28, 28, 1), classes=10, **changes):
    return toy.network(image_shape, classes, DIGIT_DIM=16, **changes)


def lively(**changes):
    """A network whose capsules are about as long as those of a trained one."""
    network = small(**changes)
    for variable in (network.primary_caps.conv.kernel, network.digit_caps.W):
        variable.assign(20 * variable)
    return network


def uniform(*shape):
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


def count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def assert_alike(received, expected, **near):
    """Compares all that two Outputs have."""
    for a, b in zip(received, expected, strict=True):
        np.testing.assert_allclose(a, b, **near)


def test_parameter_counts_of_the_paper():
    network = model.build(cfg, (28, 28, 1), 10)
    assert count(network.trainable_variables) == 8_215_568
    assert 8_215_568 - count(network.decoder.trainable_variables) == 6_804_224
    assert network.digit_caps.W.shape == (1152, 8, 10, 16)
    assert type(network.digit_caps.routing).__name__ == "Dynamic"


@pytest.mark.parametrize("side, parameters", [(36, 11_361_808), (40, 13_475_648)])
def test_parameter_counts_of_larger_images(side, parameters):
    assert model.build(cfg, (side, side, 1), 10).count_params() == parameters


def test_the_prior_is_where_the_routing_starts():
    with_prior, without = lively(PRIOR_TRAINING=True), lively()
    images = uniform(2, 28, 28, 1)
    assert_alike(with_prior(images), without(images), rtol=1e-5, atol=1e-7)
    prior = with_prior.digit_caps.prior
    assert prior.trainable and prior.shape == (72, 10), "a logit for each pair of capsules"
    prior.assign(np.tile(np.eye(10, dtype=np.float32)[3] * 20, [prior.shape[0], 1]))
    capsules = with_prior(images).capsules.numpy()
    assert np.abs(capsules[:, 3]).max() > 100 * np.abs(np.delete(capsules, 3, axis=1)).max()


@pytest.mark.parametrize("image_shape, classes, batch, labels", [
    ((28, 28, 1), 10, 1, 1), ((17, 17, 1), 2, 3, 2), ((18, 23, 3), 5, 3, 2), ((32, 20, 2), 3, 1, 2)])
def test_any_shape_and_batch(image_shape, classes, batch, labels):
    network = small(image_shape, classes)
    assert (network.image_shape, network.classes) == (image_shape, classes)
    images = uniform(batch, *image_shape)
    output = network(images, tf.zeros([batch, labels], tf.int32))
    assert output.capsules.shape == (batch, classes, 16)
    np.testing.assert_allclose(output.scores, np.linalg.norm(output.capsules, axis=-1), rtol=1e-3, atol=1e-4)
    assert output.scores.shape == (batch, classes)
    assert output.reconstruction.shape == (batch, labels, *image_shape)
    assert np.all((output.scores >= 0) & (output.scores < 1))
    assert np.all((output.reconstruction >= 0) & (output.reconstruction <= 1))


def test_an_unknown_batch_size_is_traced_once():
    """And an image does not depend on its batch."""
    network, images = lively(), uniform(5, 28, 28, 1)
    function = tf.function(lambda images: network(images).scores,
                           input_signature=[tf.TensorSpec([None, 28, 28, 1])])
    for batch in (5, 1, 3):
        expected = network(images).scores[:batch]
        np.testing.assert_allclose(function(images[:batch]), expected, rtol=1e-4, atol=1e-6)
    assert function.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("way", ["static", "plain"])
def test_every_implementation_of_routing_is_the_same_network(way):
    images = uniform(3, 28, 28, 1)
    expected = lively(ROUTING_WAY="dynamic")(images)
    assert np.all(expected.scores > 0.01)
    assert_alike(lively(ROUTING_WAY=way)(images), expected, rtol=1e-4, atol=1e-6)


def test_unrouted_capsules_are_those_of_one_iteration():
    images = uniform(3, 28, 28, 1)
    expected = lively(ROUTING_ITERS=1)(images).capsules
    np.testing.assert_allclose(lively().encode_unrouted(images), expected, rtol=1e-4, atol=1e-6)


def test_the_mask_is_the_labels_or_else_the_longest_capsule():
    network, images = lively(), uniform(4, 28, 28, 1)
    free = network(images)
    longest = np.argmax(free.scores, axis=1)[:, None]
    np.testing.assert_array_equal(free.reconstruction, network(images, longest).reconstruction)
    other = (longest + 1) % 10
    reconstruction = network(images, other).reconstruction
    np.testing.assert_array_equal(network.decode(free.capsules, other), reconstruction)


def test_primary_capsules_may_point_anywhere():
    """No ReLU before the squash: components of both signs."""
    network = small()
    features = network.conv1(uniform(2, 28, 28, 1))
    u = network.primary_caps(features).numpy()
    assert features.numpy().min() == 0, "conv1 has one"
    assert u.min() < 0 < u.max()


def test_a_primary_capsule_is_adjacent_channels_of_one_position():
    network = small()                                                # 2 types of 4 dimensions
    network.primary_caps.conv.bias.assign(np.arange(8.0) + 1)
    u = network.primary_caps(tf.zeros([1, 20, 20, 4])).numpy()       # [1, 36 * 2, 4]
    directions = u / np.linalg.norm(u, axis=-1, keepdims=True)
    expected = np.tile([[1, 2, 3, 4], [5, 6, 7, 8]], [36, 1])
    expected = expected / np.linalg.norm(expected, axis=-1, keepdims=True)
    np.testing.assert_allclose(directions[0], expected, rtol=1e-5)
