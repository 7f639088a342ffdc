"""The losses against sums worked out by hand."""
import numpy as np
import pytest
import tensorflow as tf

import toy
from model.losses import margin_loss, reconstruction_loss
from model.network import Output


@pytest.mark.parametrize("lengths, present, constants, by_hand", [
    ([0.8, 0.3, 0.05], [1, 0, 0], (0.9, 0.1, 0.5), (0.9 - 0.8) ** 2 + 0.5 * (0.3 - 0.1) ** 2),
    ([0.5, 0.7, 0.1], [1, 1, 0], (0.9, 0.1, 0.5), 0.16 + 0.04),      # a term for each class that is present
    ([0.5, 0.5], [1, 0], (0.7, 0.2, 2.0), 0.04 + 0.18), ([0.99, 0.01], [1, 0], (0.9, 0.1, 0.5), 0)])
def test_margin_loss_is_equation_4(lengths, present, constants, by_hand):
    """Also for each image of a batch."""
    losses = margin_loss(tf.constant(2 * [lengths]), tf.constant(2 * [present], tf.float32), *constants)
    np.testing.assert_allclose(losses, 2 * [by_hand], rtol=1e-5)


def test_reconstruction_loss_sums_over_labels_pixels_and_channels():
    sources = tf.zeros([3, 2, 3, 4, 2])
    reconstruction = np.zeros([3, 2, 3, 4, 2], np.float32)
    reconstruction[0] = 0.5
    reconstruction[1, 0, 2, 3, 1] = 1
    reconstruction[2, 1, 0, 0, 0] = -2
    losses = reconstruction_loss(sources, reconstruction)
    np.testing.assert_allclose(losses, [48 * 0.25, 1, 4], rtol=1e-6)


def test_the_loss_of_capsnet_is_margin_plus_weighted_reconstruction():
    network = toy.network(M_POS=0.8, M_NEG=0.2, LAMBDA=0.25, RECONSTRUCT_W=0.125)
    output = Output(tf.constant([[0.5, 0.6, 0.1]]), None, tf.fill([1, 2, 2, 2, 1], 0.5))
    terms = network.loss_terms(output, tf.constant([[0, 2]]), tf.zeros([1, 2, 2, 2, 1]))
    by_hand = 0.3 ** 2 + 0.7 ** 2 + 0.25 * 0.4 ** 2
    assert float(terms["margin"][0]) == pytest.approx(by_hand, rel=1e-5)
    assert float(terms["reconstruction"][0]) == pytest.approx(8 * 0.25)
    assert float(terms["loss"][0]) == pytest.approx(by_hand + 0.125 * 8 * 0.25, rel=1e-5)
