"""Which images are measured."""
import numpy as np
import pytest

import config
from data.dataset import Split, scale
from evaluation import sampling
from evaluation.network.predictor import Predictions
from settings import Config, InputError


def settings(**changes):
    return Config(config.EVAL, changes)


def test_a_sample_is_spread_over_the_classes_and_repeatable():
    labels = np.repeat([0, 1, 2], [50, 5, 2])
    chosen = sampling.spread_evenly(labels, 9, seed=1)
    assert len(set(chosen)) == 9
    np.testing.assert_array_equal(np.bincount(labels[chosen]), [4, 3, 2])
    assert set(labels[chosen[:3]]) == {0, 1, 2}, "one of each class comes first"
    np.testing.assert_array_equal(chosen, sampling.spread_evenly(labels, 9, seed=1))
    assert list(chosen) != list(sampling.spread_evenly(labels, 9, seed=2))
    assert sorted(sampling.spread_evenly(labels, 1000, seed=1)) == list(range(57))


class Oracle:
    """Says the class that an image's first pixel, in tenths, has."""

    def predict(self, images, labels, title=None):
        predicted = np.round(images[:, 0, 0, 0] * 255).astype(int) // 10
        return Predictions(np.eye(3)[predicted], predicted[:, None])


def split(labels, predicted):
    images = np.broadcast_to(np.array(predicted, np.uint8)[:, None, None, None] * 10 + 5,
                             (len(labels), 8, 8, 1))
    return Split(images, np.array(labels, np.int32)[:, None])


def test_only_correctly_classified_candidates_are_measured():
    mine = split([0, 1, 2, 0, 1, 2], [0, 2, 2, 0, 1, 0])
    found = sampling.classified_correctly(Oracle(), mine, np.arange(6), settings())
    assert found.drawn == 6 and sorted(found.labels) == [0, 0, 1, 2]
    np.testing.assert_array_equal(found.labels, found.predictions.predicted[:, 0])
    np.testing.assert_array_equal(found.images, scale(mine.images[found.index]))
    assert found.images.dtype == np.float32 and found.images.max() <= 1
    np.testing.assert_allclose(found.images[:, 0, 0, 0] * 255, found.labels * 10 + 5, rtol=1e-6)
    found = sampling.classified_correctly(Oracle(), mine, np.array([1, 4]), settings())
    assert found.drawn == 2 and list(found.labels) == [1]
    found = sampling.classified_correctly(Oracle(), mine, np.array([0, 4, 2, 3]), settings(NUM_IMAGES=3))
    assert found.drawn == 3 and sorted(found.labels) == [0, 1, 2]
    with pytest.raises(InputError, match="^/ckpt: expected a network .* received none of 2"):
        sampling.classified_correctly(Oracle(), mine, np.array([1, 5]), settings(CKPT="/ckpt"))
