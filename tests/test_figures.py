"""Every figure opens, shows something, and is tidy whatever there is to show: looked at by its pixels only."""
import io

import numpy as np
import pytest
from matplotlib.image import imread

import figures

RANDOM = np.random.default_rng(0)


def pixels(figure):
    """-> [H, W, 3]; fails unless the PNG opens, has a white margin and is neither blank nor all dark."""
    shown = imread(io.BytesIO(figures.png(figure)))[..., :3]
    assert 150 < shown.shape[0] < 6000 and 150 < shown.shape[1] < 3000
    assert (shown[0] > 0.99).all() and (shown[:, 0] > 0.99).all() and (shown[:, -1] > 0.99).all(), "nothing is cut off"
    assert 0.01 < (shown.min(axis=2) < 0.9).mean() < 0.95
    return shown


def pictures(*shape):
    return RANDOM.random(shape, np.float32)


@pytest.mark.parametrize("count", [1, 7, 30, 100])
def test_rows_of_images_are_tidy_at_any_number(count):
    images, wrong = pictures(count, 28, 28, 1), np.arange(count) % 2 == 0
    captions = ["9 (0.99)"] * count
    figure = figures.rows_of_images("mnist, errors 1 to 7\nclass (length of its capsule); bold: not the label", [
        ("input", images, captions, wrong), ("label capsule", images, captions, wrong),
        ("predicted capsule", images, captions, wrong)])
    pixels(figure)
    axes = figure.axes[0]
    boxes = [image.get_extent() for image in axes.images]
    assert len(boxes) == 3 * count
    for k, (left, right, bottom, top) in enumerate(boxes):
        for left2, right2, bottom2, top2 in boxes[:k]:
            assert right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top, "no image covers another"
    renderer = figures.FigureCanvasAgg(figure).get_renderer()
    for text in axes.texts:
        box = text.get_window_extent(renderer)
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text.get_text()


@pytest.mark.parametrize("channels, coloured", [(1, False), (2, False), (3, True)])
def test_one_channel_is_grey_three_are_colours_else_the_first(channels, coloured):
    images = np.zeros((1, 20, 30, channels), np.float32)
    images[..., 0] = 1
    shown = pixels(figures.rows_of_images("title", [("input", images, ["0"], [False])]))
    red = (shown[..., 0] > 0.9) & (shown[..., 1] < 0.1)
    assert red.any() == coloured


@pytest.mark.parametrize("dimensions, shape", [(16, (28, 28, 1)), (3, (20, 36, 3))])
def test_tweaks(dimensions, shape):
    values = np.array([-0.1, 0, 0.1])
    figure = figures.tweaks("class 3", pictures(dimensions, 3, *shape), values, ["width +0.8 px (1.2 sd)"] * dimensions)
    pixels(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"-0.1", "0", "+0.1", "dimension 0", f"dimension {dimensions - 1}"} <= set(texts)


@pytest.mark.parametrize("targeted", [True, False])
def test_examples_and_a_pair(targeted):
    shape = (28, 28, 1)
    rows, columns = ([0, 1, 2], [0, 1, 2]) if targeted else (["before", "after"], [0, 1, 2])
    cells = {(k, j): (pictures(*shape), figures.RED if j == 1 else None)
             for k in range(len(rows)) for j in range(3)}
    shown = pixels(figures.examples("an attack", rows, columns, cells, "target", "true class"))
    red = np.abs(shown - np.array([0xD5, 0x5E, 0x00]) / 255).max(axis=2) < 0.05
    assert red.sum() > 500, "failures are framed"
    pixels(figures.pair("0 to 1", pictures(*shape), pictures(*shape), ["class 0", "classified as 1 (0.93)",
                                                                      "L2 2.31, L-infinity 0.52"]))


@pytest.mark.parametrize("classes", [2, 10, 40])
def test_matrix(classes):
    values = RANDOM.random((classes, classes))
    values[0, 1] = np.nan
    figure = figures.matrix("title", values, "target", "true class", "success rate", "{:.2f}")
    pixels(figure)
    written = len(figure.axes[0].texts)
    assert written == (classes**2 - 1 if classes <= figures.MOST_NUMBERS else 0)
    pixels(figures.matrix("no errors", np.full((classes, classes), np.nan), "x", "y", "z", "{:.0f}"))


@pytest.mark.parametrize("lines", [1, 99, 1000])
def test_curves(lines):
    train = np.array([np.arange(lines), RANDOM.random(lines), RANDOM.random(lines)])
    pixels(figures.curves("title", train, train[:, ::50]))


def test_charts():
    count = np.array([0, 3, 0, 10])
    accuracy = np.where(count, 0.5, np.nan)
    pixels(figures.reliability("title", count, np.where(count, 0.4, np.nan), accuracy, accuracy - 0.1, accuracy + 0.1))
    figure = figures.success("title", np.linspace(0, 3, 50), np.linspace(0, 1, 50), "L2 budget", np.arange(100))
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 100, "every image is in the histogram"
    pixels(figure)
    pixels(figures.success("no success", np.array([0, 0.3]), np.zeros(2), "L-infinity budget", np.zeros(0, int)))
    pixels(figures.detection("title", RANDOM.random(90), 1 + RANDOM.random(50), 0.95))
    pixels(figures.detection("no success", RANDOM.random(90), np.zeros(0), 0.95))


@pytest.mark.parametrize("classes", [1, 4, 12])
def test_effects(classes):
    standard = RANDOM.normal(size=(classes, 8, 7))
    standard[0, 0] = np.nan
    names = ["thickness", "slant", "width", "height", "shift right", "shift down", "area"]
    pixels(figures.effects("title", standard, np.arange(classes), names))
    pixels(figures.effects("nothing significant", np.full_like(standard, np.nan), np.arange(classes), names))


def test_the_same_figure_is_the_same_file():
    image = pictures(20, 20, 1)
    one, other = (figures.png(figures.pair("title", image, image, ["a", "b", "c"])) for _ in range(2))
    assert one == other
