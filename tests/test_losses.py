"""The losses against sums worked out by hand."""
import numpy as np
import tensorflow as tf

from capsnet import Output
from config import cfg
from losses import losses, margin_loss, reconstruction_loss


def test_margin_loss_is_equation_4():
    lengths = tf.constant([[0.8, 0.3, 0.05], [0.95, 0.1, 0.6]])
    targets = tf.constant([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    # (0.9-0.8)^2 + 0.5*(0.3-0.1)^2;  0.5*(0.95-0.1)^2 + (0.9-0.6)^2
    np.testing.assert_allclose(margin_loss(lengths, targets, 0.9, 0.1, 0.5), [0.01 + 0.02, 0.36125 + 0.09], rtol=1e-5)


def test_margin_loss_has_one_term_per_class_that_is_present():
    lengths, targets = tf.constant([[0.5, 0.7, 0.1]]), tf.constant([[1.0, 1.0, 0.0]])
    np.testing.assert_allclose(margin_loss(lengths, targets, 0.9, 0.1, 0.5), [0.16 + 0.04], rtol=1e-5)


def test_margin_loss_uses_its_constants():
    lengths, targets = tf.constant([[0.5, 0.5]]), tf.constant([[1.0, 0.0]])
    np.testing.assert_allclose(margin_loss(lengths, targets, m_pos=0.7, m_neg=0.2, lam=2.0), [0.04 + 0.18], rtol=1e-5)


def test_reconstruction_loss_sums_over_pixels_and_channels():
    images = tf.zeros([2, 3, 4, 2])
    reconstruction = np.zeros([2, 3, 4, 2], np.float32)
    reconstruction[0] = 0.5
    reconstruction[1, 2, 3, 1] = 1
    np.testing.assert_allclose(reconstruction_loss(images, reconstruction), [24 * 0.25, 1], rtol=1e-6)


def test_total_is_margin_plus_weighted_reconstruction():
    output = Output(v=None, lengths=tf.constant([[0.8, 0.3, 0.05]]), reconstruction=tf.fill([1, 2, 2, 1], 0.5))
    total, margin, reconstruction = losses(output, tf.zeros([1, 2, 2, 1]), tf.constant([0]), cfg)
    np.testing.assert_allclose([margin[0], reconstruction[0]], [0.03, 1.0], rtol=1e-5)
    np.testing.assert_allclose(total, [0.03 + 0.0005 * 1.0], rtol=1e-5)
