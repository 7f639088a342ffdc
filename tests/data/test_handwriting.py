"""Pictures of characters take the form that MNIST's digits have."""
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data
from config import TRAIN
from data.datasets import affnist
from data.making.handwriting import as_mnist
from data.readers.image_file import read_whole
from settings import Config, InputError

DATA_DIR = Path(os.environ.get("CAPSNET_DATA_DIR", "nowhere"))
MNIST_IS_THERE = any(DATA_DIR.glob("**/t10k-images-idx3-ubyte*"))


def bar(height=400, width=300, background=0, ink=255):
    """An upright bar of 200 x 40 pixels, far from the middle."""
    picture = np.full((height, width), background, np.uint8)
    picture[30:230, 210:250] = ink
    return picture


@pytest.mark.parametrize("picture", [
    bar(), bar(background=255, ink=0), bar(background=200, ink=120), bar(background=40, ink=100), bar(800, 1200)])
def test_ink_of_any_brightness_is_scaled_to_20_pixels_and_centred(picture):
    with np.errstate(all="raise"):
        image = as_mnist(picture, 28)
    assert image.shape == (28, 28, 1) and image.dtype == np.uint8
    expected = np.zeros((28, 28), np.uint8)
    expected[4:24, 12:16] = 255   # 20 x 4; its centre is at (14, 14), nearest to (14.5, 14.5)
    moved = np.roll(expected, 1, axis=(0, 1)), np.roll(expected, 1, axis=0), np.roll(expected, 1, axis=1)
    assert any(np.array_equal(image[..., 0], one) for one in (expected, *moved))


def test_other_sizes_keep_the_proportions_and_on_a_larger_canvas_the_ink_may_stay_as_large():
    for image, box in ((as_mnist(bar(), 56), (40, 8)), (affnist.prepare(bar(), 40), (20, 4))):
        rows, columns = np.nonzero(image[..., 0])
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == box


def test_what_is_heavy_on_one_side_is_placed_by_its_mass_but_not_beyond_the_edge():
    picture = np.zeros((100, 100), np.uint8)
    picture[10:90, 10:14] = 255        # a long thin stroke
    picture[86:90, 10:50] = 255        # and its foot: an L
    image = as_mnist(picture, 28)[..., 0].astype(float)
    places = np.arange(28) + 0.5
    down, across = image.sum(1) @ places / image.sum(), image.sum(0) @ places / image.sum()
    assert abs(down - 14.5) <= 0.5 and abs(across - 14.5) <= 0.5

    picture = np.zeros((100, 100), np.uint8)
    picture[10:30, 10:12] = 60
    picture[29, 10:30] = 255           # nearly all its mass is in the lowest row
    assert as_mnist(picture, 20).shape == (20, 20, 1), "it would reach beyond the image"


def test_specks_do_not_count_and_faint_traces_become_black():
    clean, dirty = bar(), bar()
    dirty[390, 5] = 20                 # 8 % of the ink: a trace of dust
    np.testing.assert_array_equal(as_mnist(dirty, 28), as_mnist(clean, 28))
    dirty[:] = np.where(dirty == 0, 15, dirty)   # and a background that is not quite black
    np.testing.assert_array_equal(as_mnist(dirty, 28), as_mnist(clean, 28))


def specks():
    """Two pixels so far from one another that nothing is left of them at 28 x 28 pixels."""
    picture = np.full((400, 400), 255, np.uint8)
    picture[1, 1] = picture[-2, -2] = 0
    return picture


@pytest.mark.parametrize("picture", [np.zeros((30, 30), np.uint8), np.full((1, 1), 255, np.uint8), bar(ink=20),
                                     specks()])
def test_an_empty_picture_is_refused(picture):
    with pytest.raises(InputError, match="nothing to see on it"):
        as_mnist(picture, 28)


@pytest.mark.skipif(not MNIST_IS_THERE, reason="CAPSNET_DATA_DIR has no MNIST")
def test_mnists_own_digits_stay_nearly_as_they_are():
    images = data.load(Config(TRAIN, {"DATASET": "mnist"})).test.images[:200]
    prepared = np.stack([as_mnist(image[..., 0], 28) for image in images])
    assert np.abs(prepared.astype(int) - images).mean() < 1.5   # moved by a pixel it would be 15


# ---- photographs ----

def seven():
    """A 7 of strokes 12 pixels wide, dark on a light page."""
    page = np.full((200, 200), 235.0)
    page[50:62, 60:120] = 40
    for n in range(80):
        page[60 + n, 108 - n // 2:120 - n // 2] = 40
    return page


def one():
    """A thin 1, of a fifth of the 7's ink."""
    page = np.full((200, 200), 235.0)
    page[60:120, 90:96] = 40
    return page


def ruled(page, width=2, shade=100, slope=0.0):
    row, column = np.indices(page.shape)
    lines = (row + slope * column + 20) % 30 < width
    return np.where(lines, np.minimum(page, shade), page)


def framed(page, width=10, shade=20):
    return np.pad(page[width:-width, width:-width], width, constant_values=shade)


SHADOW = np.linspace(1, 0.5, 200)
VIGNETTE = 1 - ((np.indices((200, 200)) / 100 - 1) ** 2).sum(axis=0) / 4  # half of the light in the corners
PHOTOGRAPHS = {
    "a shadow": lambda page: page * SHADOW, "a shadow from above": lambda page: page * SHADOW[:, None],
    "the edge of a shadow": lambda page: page * np.where(np.indices((200, 200)).sum(axis=0) > 230, 0.6, 1),
    "pencil in a shadow": lambda page: np.maximum(page, 170) * SHADOW,
    "ruled": ruled, "faintly ruled": lambda page: ruled(page, 1, 190),
    "slanted lines": lambda page: ruled(page, slope=0.15),
    "slanted squares": lambda page: ruled(ruled(page, slope=-0.1).T, slope=0.1).T,
    "a vignette": lambda page: page * VIGNETTE,
    "a dark side": lambda page: np.pad(page[:, 12:], ((0, 0), (12, 0)), constant_values=20),
    "squared": lambda page: ruled(ruled(page, 1, 180).T, 1, 180).T,
    "a frame": framed, "a wide frame": lambda page: framed(page, 18),
    "a frame in a shadow": lambda page: framed(page) * SHADOW,
    "light on dark in a shadow": lambda page: 255 - page * SHADOW,
    "a frame within": lambda page: np.pad(framed(page[5:-5, 5:-5], 2), 5, constant_values=235)}


@pytest.mark.parametrize("digit", [seven, one])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_is_as_a_clean_picture(name, digit):
    clean = as_mnist(digit().astype(np.uint8), 28).astype(int)
    found = as_mnist(PHOTOGRAPHS[name](digit()).astype(np.uint8), 28).astype(int)
    moved = [np.roll(found, (y, x), axis=(0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    assert min(np.abs(shifted - clean).mean() for shifted in moved) < 9, "moved by a pixel at most"


def test_a_picture_cut_out_along_its_ink_stays_whole():
    page = seven().astype(np.uint8)
    assert np.abs(as_mnist(page[50:140, 60:120], 28).astype(int) - as_mnist(page, 28)).mean() < 1


# ---- from a file ----

def test_a_large_file_is_read_smaller_but_whole(tmp_path):
    Image.fromarray(bar(2000, 1500, 255, 0)).save(tmp_path / "page.png")
    picture = read_whole(tmp_path / "page.png", 500, False)
    assert picture.shape == (500, 375)
    assert as_mnist(picture, 28).any()


@pytest.mark.parametrize("ink", [0, 255])
def test_strokes_on_a_transparent_ground_are_seen(tmp_path, ink):
    picture = np.zeros((60, 60, 4), np.uint8)
    picture[20:40, 28:32] = ink, ink, ink, 255
    Image.fromarray(picture).save(tmp_path / "stroke.png")
    image = as_mnist(read_whole(tmp_path / "stroke.png", 1000, False), 28)[..., 0]
    assert image[14, 14] == 255 and image[14, 2] == 0
