"""What all networks share: targets, the longest capsules, which predictions are right."""
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf

from data.dataset import Batch
from model import network
from training.step import loss_terms


def test_targets_are_one_where_a_class_is_present():
    targets = network.targets(tf.constant([[0, 3], [2, 2]]), 4)
    np.testing.assert_array_equal(targets, [[1, 0, 0, 1], [0, 0, 1, 0]])
    assert targets.dtype == tf.float32


def test_the_longest_come_first_and_of_equals_the_lower_class():
    scores = tf.constant([[0.1, 0.9, 0.5], [0.7, 0.7, 0.7]])
    np.testing.assert_array_equal(network.top_k(scores, 2), [[1, 2], [0, 1]])


def test_an_image_is_right_if_its_longest_capsules_are_its_labels_in_any_order():
    scores = tf.constant([[0.1, 0.9, 0.5], [0.1, 0.9, 0.5], [0.1, 0.9, 0.5], [0.6, 0.2, 0.5]])
    labels = tf.constant([[1, 2], [2, 1], [0, 1], [1, 2]])
    np.testing.assert_array_equal(network.exact_match(scores, labels), [1, 1, 0, 0])
    np.testing.assert_array_equal(network.exact_match(scores, labels[:, :1]), [1, 0, 0, 0])


def test_layers_that_a_checkpoint_would_not_have_are_refused():
    """TensorFlow saves the layers that are attributes, and nothing of a list of layers."""
    class Listed(network.Network):
        def __init__(self):
            super().__init__((4, 4, 1), 2)
            self.layers_of_mine = [tf.keras.layers.Dense(2, name="hidden")]
            self.make_variables()

        def call(self, images, labels=None, training=False):
            return network.Output(self.layers_of_mine[0](tf.reshape(images, [-1, 16])))

    with pytest.raises(TypeError, match="each layer as an attribute of its own.*hidden/kernel"):
        Listed()


@pytest.mark.parametrize("shape", [[], [3, 1]])
def test_a_loss_that_is_no_number_for_each_image_is_refused(shape):
    mine = Mock(**{"loss_terms.return_value": {"loss": tf.zeros(shape)}})
    batch = Batch(np.zeros((3, 4, 4, 1), np.float32), np.zeros((3, 1), np.int32))
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        loss_terms(mine, network.Output(tf.zeros([3, 2])), batch)
