"""What the predictor says, against the network itself."""
import numpy as np
import pytest
import tensorflow as tf

import toy
from evaluation.network import objectives
from evaluation.network.predictor import Predictions, Predictor
from model.network import Output


@pytest.mark.parametrize("count", [1, 4, 5, 11])
def test_predictions_are_the_networks_for_any_number_of_images(network, images, count):
    labels = np.arange(count, dtype=np.int32)[:, None] % toy.CLASSES
    found = Predictor(network, toy.settings(), 4).predict(images[:count], labels)
    expected, from_label = network(images[:count]), network(images[:count], labels)
    np.testing.assert_allclose(found.capsules, expected.capsules, atol=1e-6)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    np.testing.assert_allclose(found.from_predicted, expected.reconstruction, atol=1e-6)
    np.testing.assert_allclose(found.from_label, from_label.reconstruction, atol=1e-6)
    np.testing.assert_array_equal(found.predicted[:, 0], np.argmax(expected.scores, axis=1))


def test_of_two_labels_the_two_longest_capsules_are_predicted_and_decoded(network, images):
    labels = np.array([[0, 1], [2, 0], [1, 2], [2, 1], [0, 2]], np.int32)
    found = Predictor(network, toy.settings(), 4).predict(images[:5], labels)
    order = np.argsort(-found.scores, axis=1)[:, :2]
    np.testing.assert_array_equal(found.predicted, order)
    for classes, reconstruction in ((order, found.from_predicted), (labels, found.from_label)):
        expected = network(images[:5], classes.astype(np.int32)).reconstruction
        assert reconstruction.shape == (5, 2, *toy.IMAGE_SHAPE)
        np.testing.assert_allclose(reconstruction, expected, atol=1e-6)


def test_every_batch_has_the_same_shape(network, images, monkeypatch):
    """So that nothing is compiled twice."""
    predictor, shapes = Predictor(network, toy.settings(), 4), []
    predict = predictor._predict
    monkeypatch.setattr(predictor, "_predict", lambda *arrays: (
        shapes.append([tuple(array.shape) for array in arrays]), predict(*arrays))[1])
    predictor.predict(images, np.zeros((11, 1), np.int32))
    assert shapes == [[(4, *toy.IMAGE_SHAPE), (4, 1)]] * 3
    assert predict.experimental_get_tracing_count() == 1


def test_decoding_one_capsule_masks_all_others(network, images):
    capsules = network.encode(images).numpy()
    classes = np.arange(11, dtype=np.int32) % toy.CLASSES
    found = Predictor(network, toy.settings(), 4).decode(capsules[np.arange(11), classes], classes)
    expected = network.decode(capsules, classes[:, None])[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def gradient_by_hand(network, images, classes, objective):
    with tf.GradientTape() as tape:
        images = tf.constant(images)
        tape.watch(images)
        scores = network(images).scores
        chosen = tf.one_hot(classes, toy.CLASSES)
        value = tf.reduce_sum(scores * chosen, axis=1)
        if objective == "margin":
            value -= tf.reduce_max(scores - 1000 * chosen, axis=1)
    return tape.gradient(value, images)


@pytest.mark.parametrize("objective", ["length", "margin"])
def test_a_gradient_of_any_number_of_images(images, objective):
    network = toy.network(PRIMARY_CAPS_CHANNELS=4)
    network.digit_caps.W.assign(network.digit_caps.W * 8)  # as drawn it hardly reacts to an image
    classes = np.arange(11, dtype=np.int32) % toy.CLASSES
    predictor = Predictor(network, toy.settings(), 4)
    scores, _, gradient = predictor.gradient(objective, images, classes)
    np.testing.assert_allclose(scores, network(images).scores, atol=1e-6)
    expected = gradient_by_hand(network, images, classes, objective)
    size = np.abs(expected).max()
    assert size > 1e-5
    np.testing.assert_allclose(gradient, expected, atol=1e-4 * size)

    def mine(network, images, output, classes):
        return getattr(objectives, objective)(network, images, output, classes)

    for one, other in zip(predictor.gradient(mine, images, classes),
                          predictor.gradient(objective, images, classes), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6, err_msg="a function of an attack's own file")


def test_the_margin_is_the_distance_to_the_longest_other_at_any_length():
    scores = tf.constant([[5.0, 1, -3], [5, 1, -3], [-4, -7, -9]])
    found = objectives.margin(None, None, Output(scores), tf.constant([0, 1, 2]))
    np.testing.assert_allclose(found, [4, -4, -5])
    found = objectives.length(None, None, Output(scores), tf.constant([0, 1, 2]))
    np.testing.assert_allclose(found, [5, 1, -9])


def test_predictions_are_taken_by_index_and_by_mask():
    found = Predictions(np.arange(12).reshape(4, 3), np.arange(4)[:, None])
    taken = found.take(np.array([False, True, False, True]))
    np.testing.assert_array_equal(taken.scores, [[3, 4, 5], [9, 10, 11]])
    np.testing.assert_array_equal(taken.predicted, [[1], [3]])
    assert taken.capsules is None and taken.from_label is None
