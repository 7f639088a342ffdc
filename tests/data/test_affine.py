"""Affine transforms of images against loops and known cases, and the ranges that are drawn."""
import numpy as np
import pytest

from data.making import affine
from data.making.affine import Transforms, apply, draw, identity

DIGITS = np.zeros((6, 28, 28, 1), np.uint8)
DIGITS[:, 4:24, 6:22, 0] = np.random.default_rng(0).integers(0, 256, (6, 20, 16))


def by_loops(image, turn, shear, wide, high, right, down, side):
    """-> uint8 [side, side], each pixel interpolated between the four around the point it comes from"""
    def pixel(row, column):
        inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
        return float(image[row, column]) if inside else 0.0

    angle, middle = np.deg2rad(turn), (np.array(image.shape) - 1) / 2
    canvas = np.zeros((side, side))
    for row, column in np.ndindex(side, side):
        y, x = row - (side - 1) / 2 - down, column - (side - 1) / 2 - right
        # back: the rotation, the scales, the shear
        y, x = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
        y, x = y / high, x / wide
        x += shear * y
        y, x = y + middle[0], x + middle[1]
        i, j = int(np.floor(y)), int(np.floor(x))
        canvas[row, column] = sum(
            pixel(i + di, j + dj) * (y - i if di else 1 - y + i) * (x - j if dj else 1 - x + j)
            for di in (0, 1) for dj in (0, 1))
    return canvas


@pytest.mark.parametrize("images", [DIGITS, np.full((1, 28, 28, 1), 255, np.uint8)], ids=["digit", "to the border"])
@pytest.mark.parametrize("values", [(0, 0, 1, 1, 0.5, -0.25), (17, 0, 1, 1, 0, 0), (0, 0.2, 1, 1, 0, 0),
                                    (0, 0, 0.8, 1.2, 0, 0), (-20, 0.13, 1.2, 0.85, 3.3, -7.1)])
def test_a_transform_is_that_of_the_loops(values, images):
    transforms = Transforms(*(np.array([float(value)]) for value in values))
    received = apply(images[:1], transforms, 40)[0, ..., 0].astype(float)
    expected = by_loops(images[0, ..., 0], *values, side=40)
    assert np.abs(received - expected).max() <= 0.51


def test_known_transforms_go_the_way_that_their_names_say():
    turned = apply(DIGITS, identity(6, rotation=90), 28)
    np.testing.assert_allclose(turned[..., 0], np.rot90(DIGITS[..., 0], axes=(1, 2)), atol=1)  # anticlockwise
    moved = apply(DIGITS, identity(6, right=3, down=-2), 28)
    np.testing.assert_array_equal(moved, np.roll(DIGITS, (-2, 3), (1, 2)))

    bar = np.zeros((1, 21, 21, 1), np.uint8)
    bar[:, 4:17, 10] = 200
    sheared = apply(bar, identity(1, shear=0.5), 21)[0, ..., 0]
    assert sheared[5].argmax() > 10 > sheared[15].argmax(), "its upper end is to the right"
    assert (apply(bar, identity(1, horizontal=3), 21)[0, 10] > 100).sum() == 3
    assert (apply(bar, identity(1, vertical=0.5), 21)[0, :, 10] > 100).sum() == 7


def test_draws_are_pure_in_the_seed_and_fill_affnists_ranges():
    first, again, other = (draw(DIGITS, 40, 200, seed) for seed in (3, 3, 4))
    for a, b, c in zip(first, again, other, strict=True):
        assert a.shape == (1200,)
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    for values, low, high in ((first.rotation, -20, 20), (first.shear, -0.2, 0.2), (first.horizontal, 0.8, 1.2),
                              (first.vertical, 0.8, 1.2)):
        assert low <= values.min() < low + 0.02 * (high - low) and high - 0.02 * (high - low) < values.max() <= high


def test_displacements_keep_all_ink_and_use_the_whole_canvas():
    """On a larger canvas the same transforms show no more ink."""
    transforms = draw(DIGITS, 40, 50, 0)
    images = np.repeat(DIGITS, 50, axis=0)
    canvas, larger = apply(images, transforms, 40), apply(images, transforms, 60)
    np.testing.assert_array_equal(larger[:, 10:50, 10:50], canvas)
    assert larger.sum() == canvas.sum()
    ink = canvas[..., 0].any(axis=0)
    assert ink[0].any() and ink[-1].any() and ink[:, 0].any() and ink[:, -1].any(), "up to the border"


def test_images_without_ink_or_with_too_much_of_it_stay_in_the_middle():
    images = np.stack([np.zeros((28, 28, 1), np.uint8), np.full((28, 28, 1), 255, np.uint8)])
    transforms = draw(images, 20, 10, 0)
    assert np.all(transforms.right[10:] == 0) and np.all(transforms.down[10:] == 0)
    assert np.all(np.isfinite(affine.ink_extents(images, transforms.matrices(), 10)))


def test_ink_far_beyond_one_side_is_moved_back_onto_the_canvas():
    image = np.zeros((1, 41, 41, 1), np.uint8)
    image[0, 1:20, 20] = 255  # all of it above the middle
    transforms = draw(image, 24, 50, 0)
    canvas = apply(np.repeat(image, 50, axis=0), transforms, 24)
    assert canvas.sum() == apply(np.repeat(image, 50, axis=0), transforms, 80).sum() and transforms.down.min() > 0
