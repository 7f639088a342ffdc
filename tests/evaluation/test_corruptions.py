"""Corruptions are what their docstrings say, and the same for the same seed."""
import numpy as np
import pytest

from evaluation.robustness import corruptions

IMAGES = np.random.default_rng(0).random((6, 30, 20, 1), np.float32)


@pytest.mark.parametrize("corruption", corruptions.CORRUPTIONS.values())
def test_a_corruption_keeps_shape_type_and_range_and_grows(corruption):
    before, change = IMAGES.copy(), []
    for strength in corruptions.STRENGTHS:
        image, again = (corruption(IMAGES, strength, np.random.default_rng(0)) for _ in range(2))
        assert image.shape == IMAGES.shape and image.dtype == np.float32
        assert image.min() >= 0 and image.max() <= 1
        np.testing.assert_array_equal(image, again)
        change.append(np.square(image - IMAGES).mean())
    assert change[0] > 0 and (np.diff(change) > 0).all()
    np.testing.assert_array_equal(IMAGES, before)


def test_corruptions_have_the_sizes_they_say():
    random = np.random.default_rng(0)
    noisy = corruptions.noise(np.full((4, 100, 100, 1), 0.5, np.float32), 1, random)
    assert noisy.std() == pytest.approx(0.1, rel=0.02)
    faint = corruptions.contrast(IMAGES, 5, random)
    np.testing.assert_allclose(faint.mean(axis=(1, 2, 3)), IMAGES.mean(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(faint.std(axis=(1, 2, 3)), 0.25 * IMAGES.std(axis=(1, 2, 3)), rtol=1e-5)

    covered = corruptions.occlusion(IMAGES, 3, random) == 0.5
    assert (covered.sum(axis=(1, 2, 3)) == 36).all(), "6 x 6 of 30 x 20 pixels"
    assert len({tuple(np.argwhere(image).min(axis=0)) for image in covered}) > 3, "elsewhere in each image"

    anywhere = corruptions.occlusion(np.zeros((300, 9, 8, 1), np.float32), 5, random)[..., 0] == 0.5
    first = [np.argwhere(image).min(axis=0) for image in anywhere]                 # squares of 4 x 4
    assert {tuple(place) for place in first} == {(row, column) for row in range(6) for column in range(5)}

    point = np.zeros((3, 21, 21, 2), np.float32)
    point[1, 10, 10, 0] = 1
    blurred = corruptions.blur(point, 4, None)
    assert not blurred[[0, 2]].any() and not blurred[1, ..., 1].any(), "within one image and channel"
    profile, places = blurred[1, ..., 0].sum(axis=1), np.arange(21) - 10
    assert np.sqrt((profile * places ** 2).sum() / profile.sum()) == pytest.approx(2, rel=0.02)
