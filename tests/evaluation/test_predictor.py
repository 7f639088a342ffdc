"""What the predictor says, against the network itself."""
import numpy as np
import pytest
import tensorflow as tf

import toy
from evaluation.network import objectives
from evaluation.network.predictor import Predictor
from model.network import Output


@pytest.mark.parametrize("count", [1, 11])
def test_predictions_are_the_networks_for_any_number_of_images(network, images, count):
    labels = np.arange(count, dtype=np.int32)[:, None] % toy.CLASSES
    predictor = Predictor(network, toy.settings(), 4)
    found, unlabelled = predictor.predict(images[:count], labels), predictor.predict(images[:count])
    expected, from_label = network(images[:count]), network(images[:count], labels)
    np.testing.assert_allclose(found.capsules, expected.capsules, atol=1e-6)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    np.testing.assert_allclose(found.from_predicted, expected.reconstruction, atol=1e-6)
    np.testing.assert_allclose(found.from_label, from_label.reconstruction, atol=1e-6)
    np.testing.assert_array_equal(found.predicted[:, 0], np.argmax(expected.scores, axis=1))
    np.testing.assert_allclose(unlabelled.from_predicted, found.from_predicted, atol=1e-6)
    assert unlabelled.from_label is None


def test_of_two_labels_the_two_longest_capsules_are_predicted_and_decoded(network, images):
    labels = np.array([[0, 1], [2, 0], [1, 2], [2, 1], [0, 2]], np.int32)
    found = Predictor(network, toy.settings(), 4).predict(images[:5], labels)
    order = np.argsort(-found.scores, axis=1)[:, :2]
    np.testing.assert_array_equal(found.predicted, order)
    for classes, reconstruction in ((order, found.from_predicted), (labels, found.from_label)):
        expected = network(images[:5], classes.astype(np.int32)).reconstruction
        assert reconstruction.shape == (5, 2, *toy.IMAGE_SHAPE)
        np.testing.assert_allclose(reconstruction, expected, atol=1e-6)


@pytest.mark.parametrize("counts, sizes", [((11,), [4, 4, 4]),            # no batch is compiled twice
                                           ((3, 2, 1, 5), [3, 3, 3, 4, 4])])  # nor larger than it has to be
def test_batches_are_of_one_size_until_there_are_more_images(network, images, monkeypatch, counts, sizes):
    predictor, asked = Predictor(network, toy.settings(), 4), []
    predict = predictor._predict
    monkeypatch.setattr(predictor, "_predict", lambda images: (asked.append(len(images)), predict(images))[1])
    for count in counts:
        assert len(predictor.predict(images[:count]).scores) == count
    assert asked == sizes and predict.experimental_get_tracing_count() == len(set(sizes))


def test_the_margin_is_the_distance_to_the_longest_other_at_any_length():
    scores = tf.constant([[5.0, 1, -3], [5, 1, -3], [-4, -7, -9]])
    found = objectives.margin(None, None, Output(scores), tf.constant([0, 1, 2]))
    np.testing.assert_allclose(found, [4, -4, -5])


def test_the_distance_to_the_reconstruction_also_where_they_are_equal():
    drawn = tf.stack([tf.ones((1, 3, 3, 1)), tf.zeros((1, 3, 3, 1))])          # a label for each of two images
    found = objectives.reconstruction_distance(tf.ones((2, 3, 3, 1)), Output(None, reconstruction=drawn))
    np.testing.assert_allclose(found, [0, 3], atol=1e-3)
