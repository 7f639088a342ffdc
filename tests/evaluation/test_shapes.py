"""The measurements of shapes, against shapes drawn with known sizes."""
import numpy as np
import pytest

from evaluation.capsules import shapes

NAMES = list(shapes.MEASURES)


def measured(image):
    return dict(zip(NAMES, shapes.measure(image[None])[0], strict=True))


def drawn(inside, H=40, W=36, fine=10):
    """An image of the points where inside(x, y) holds; x, y from the centre, y downwards."""
    y, x = ((np.arange(n * fine) + 0.5) / fine - n / 2 for n in (H, W))
    points = inside(x[None, :], y[:, None]).astype(np.float32)
    return points.reshape(H, fine, W, fine).mean(axis=(1, 3))


@pytest.mark.parametrize("thick", [1, 2, 3, 6])
def test_an_upright_bar_is_measured_exactly(thick):
    image = np.zeros((28, 24), np.float32)
    image[3:23, 8: 8 + thick] = 1
    found = measured(image)
    # The mean depth of a rectangle's points is t / 4 - t^2 / (12 L); on few points a little more.
    assert found["thickness"] == pytest.approx(thick - thick**2 / 60, rel=0.03)
    assert found["width"] == pytest.approx(thick) and found["height"] == pytest.approx(20)
    assert found["area"] == pytest.approx(20 * thick)
    assert found["shift right"] == pytest.approx(8 + thick / 2 - 12)
    assert found["shift down"] == pytest.approx(13 - 14)
    assert found["slant"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("degrees", [-30, -10, 0, 20])
def test_a_leaning_bar(degrees):
    lean = np.tan(np.radians(degrees))
    half = 2 / np.cos(np.radians(degrees))
    found = measured(drawn(lambda x, y: (np.abs(x + lean * y) < half) & (np.abs(y) < 14)))
    assert found["slant"] == pytest.approx(degrees, abs=0.2), "above 0 leans to the right"
    assert found["thickness"] == pytest.approx(4 - 4**2 / (3 * 28), rel=0.07)
    assert found["height"] == pytest.approx(28, abs=0.1)


@pytest.mark.parametrize("a, b, right, down", [(5, 9, 0, 0), (12, 6, 2.25, -3), (4, 4, -7.5, 6.5)])
def test_an_ellipse(a, b, right, down):
    found = measured(drawn(lambda x, y: ((x - right) / a)**2 + ((y - down) / b)**2 < 1))
    assert found["area"] == pytest.approx(np.pi * a * b, rel=0.01)
    assert found["width"] == pytest.approx(2 * a, abs=0.35)
    assert found["height"] == pytest.approx(2 * b, abs=0.35)
    assert found["shift right"] == pytest.approx(right, abs=0.01)
    assert found["shift down"] == pytest.approx(down, abs=0.01)
    assert found["slant"] == pytest.approx(0, abs=0.1)
    if a == b:
        assert found["thickness"] == pytest.approx(4 / 3 * a, rel=0.09)


def test_half_the_brightness_changes_only_the_area():
    image = drawn(lambda x, y: (np.abs(x - 0.3 * y) < 3) & (np.abs(y) < 11))
    whole, half = measured(image), measured(image / 2)
    assert half.pop("area") == pytest.approx(whole.pop("area") / 2)
    assert half == pytest.approx(whole, rel=1e-5)


def test_ink_ends_at_the_border_and_nothing_to_see_is_nan():
    found = measured(np.ones((20, 18), np.float32))
    assert found["width"] == pytest.approx(18) and found["height"] == pytest.approx(20)
    assert found["thickness"] == pytest.approx(18 - 18**2 / 60, rel=0.03)
    bar = drawn(lambda x, y: np.abs(x) + 0 * y < 2)
    found = shapes.measure(np.stack([bar, np.zeros_like(bar), 0.05 * bar, bar]))
    assert np.isnan(found[1:3]).all()
    np.testing.assert_allclose(found[[0, 3]], shapes.measure(np.stack([bar, bar])), atol=1e-5)
