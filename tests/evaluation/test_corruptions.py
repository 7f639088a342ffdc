"""Corruptions are what their docstrings say, and the same for the same seed."""
import numpy as np
import pytest

from evaluation.robustness import corruptions
from evaluation.robustness.compare import CORRUPTIONS

IMAGES = np.random.default_rng(0).random((6, 30, 20, 1), np.float32)
ALL = list(CORRUPTIONS.values())


def corrupted(corruption, strength, seed=0):
    return corruption(IMAGES, strength, np.random.default_rng(seed))


@pytest.mark.parametrize("corruption", ALL)
def test_a_corruption_keeps_shape_type_and_range_and_grows(corruption):
    before, change = IMAGES.copy(), []
    for strength in corruptions.STRENGTHS:
        image = corrupted(corruption, strength)
        assert image.shape == IMAGES.shape and image.dtype == np.float32
        assert image.min() >= 0 and image.max() <= 1
        np.testing.assert_array_equal(image, corrupted(corruption, strength))
        change.append(np.square(image - IMAGES).mean())
    assert change[0] > 0 and (np.diff(change) > 0).all()
    np.testing.assert_array_equal(IMAGES, before)


def test_noise_has_its_standard_deviation():
    grey = np.full((4, 100, 100, 1), 0.5, np.float32)
    assert corruptions.noise(grey, 1, np.random.default_rng(0)).std() == pytest.approx(0.1, rel=0.02)


def test_blur_spreads_a_point_within_one_image_and_channel():
    point = np.zeros((3, 21, 21, 2), np.float32)
    point[1, 10, 10, 0] = 1
    blurred = corruptions.blur(point, 4, None)
    assert not blurred[[0, 2]].any() and not blurred[1, ..., 1].any()
    places = np.arange(21) - 10
    width = np.sqrt((blurred[1, ..., 0].sum(axis=1) * places ** 2).sum() / blurred[1, ..., 0].sum())
    assert width == pytest.approx(2, rel=0.02)


def test_contrast_keeps_the_mean():
    faint = corrupted(corruptions.contrast, 5)
    np.testing.assert_allclose(faint.mean(axis=(1, 2, 3)), IMAGES.mean(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(faint.std(axis=(1, 2, 3)), 0.25 * IMAGES.std(axis=(1, 2, 3)), rtol=1e-5)


def test_occlusion_covers_a_square_elsewhere_in_each_image():
    covered = corrupted(corruptions.occlusion, 3) == 0.5
    assert (covered.sum(axis=(1, 2, 3)) == 36).all(), "6 x 6 of 30 x 20 pixels"
    corners = [np.argwhere(image).min(axis=0).tolist() for image in covered]
    assert len({tuple(corner) for corner in corners}) > 3
