"""How the weights begin: each layer's spread and bias, and what the authors' start computes."""
import numpy as np
import pytest
import tensorflow as tf

import model
import toy
from config import TRAIN, Config
from model import capsules


@pytest.fixture(scope="module", params=["keras", "authors", "small"])
def started(request):
    """-> the name of the start, and the paper's network with it"""
    tf.keras.utils.set_random_seed(0)
    return request.param, model.build(Config(TRAIN, {"INIT": request.param}), (28, 28, 1), 10)


def test_the_spread_of_each_layer(started):
    name, network = started
    normal = 0.8796  # a truncated normal of standard deviation 1 has this one
    glorot = np.sqrt(2 / (81 * 257)), np.sqrt(2 / (81 * 512))
    conv1, primary, W = {"keras": (*glorot, 0.1 * normal),
                         "authors": (0.05 * normal, 0.1 * normal, 0.1 * normal),
                         "small": (np.sqrt(2) / 9, np.sqrt(2) / 144, 0.01 * normal)}[name]
    for kernel, spread in ((network.conv1.kernel, conv1), (network.primary_caps.conv.kernel, primary),
                           (network.digit_caps.W, W)):
        np.testing.assert_allclose(np.std(kernel), spread, rtol=0.03)
        assert abs(np.mean(kernel)) < 0.1 * spread
    dense = 0.1 * normal if name == "authors" else np.sqrt(2 / (512 + 1024))
    np.testing.assert_allclose(np.std(network.decoder.hidden2.kernel), dense, rtol=0.03)


def test_biases_and_the_number_of_parameters(started):
    """The paper's number is that of a class capsule without a bias, as equation 2 has it."""
    name, network = started
    has_biases = name == "authors"
    biases = [variable for variable in network.variables if variable.path.endswith("bias")]
    assert len(biases) == 5 + has_biases
    for bias in biases:
        np.testing.assert_array_equal(bias, np.full(bias.shape, np.float32(0.1 * has_biases)))
    trained = sum(variable.shape.num_elements() for variable in network.trainable_variables)
    assert trained == 8_215_568 + 160 * has_biases


def test_no_two_layers_begin_with_the_same_numbers():
    network = toy.network((28, 28, 1), 10, INIT="small", CONV1_CHANNELS=8, PRIMARY_CAPS_CHANNELS=2, PRIMARY_DIM=4)
    conv1, primary = network.conv1.kernel.numpy().ravel(), network.primary_caps.conv.kernel.numpy().ravel()
    scaled = conv1[:100] / np.abs(conv1[:100]).max(), primary[:100] / np.abs(primary[:100]).max()
    assert abs(np.corrcoef(*scaled)[0, 1]) < 0.5


def test_the_authors_network_divides_the_convolution_and_adds_a_bias_to_the_class_capsules():
    network = toy.network(INIT="authors")
    x = np.random.default_rng(0).random((2, *toy.IMAGE_SHAPE), np.float32)
    features = network.conv1(x)
    conv = network.primary_caps.conv
    kernel = tf.transpose(conv.kernel, [0, 1, 3, 2])
    s = tf.nn.conv2d(features, kernel, 2, "VALID") / 32 + conv.bias
    u = network.primary_caps(features)
    np.testing.assert_allclose(u, capsules.squash(tf.reshape(s, u.shape)), rtol=1e-4, atol=1e-6)
    votes = capsules.votes(u, network.digit_caps.W)
    bias = tf.random.normal(network.digit_caps.bias.shape)
    network.digit_caps.bias.assign(bias)
    np.testing.assert_allclose(network(x).capsules, capsules.route(votes, 3, bias=bias), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(network.encode_unrouted(x), capsules.route(votes, 1, bias=bias), rtol=1e-4, atol=1e-6)
