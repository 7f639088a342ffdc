"""Every figure opens, shows something, and is tidy whatever there is to show: by its pixels."""
import io
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

import config
from evaluation import report
from evaluation.figures import charts, sheets, side_by_side
from evaluation.figures import style as figures
from evaluation.statistics.intervals import with_interval

RANDOM = np.random.default_rng(0)


def pixels(figure):
    """-> [H, W, 3]; fails unless the PNG opens, has a white margin and is not blank or all dark."""
    shown = imread(io.BytesIO(figures.png(figure)))[..., :3]
    assert 150 < shown.shape[0] < 6000 and 150 < shown.shape[1] < 3000
    for edge in (shown[0], shown[:, 0], shown[:, -1]):
        assert (edge > 0.99).all(), "nothing is cut off"
    assert 0.01 < (shown.min(axis=2) < 0.9).mean() < 0.95
    return shown


def pictures(*shape):
    return RANDOM.random(shape, np.float32)


@pytest.mark.parametrize("count, caption", [(1, "9 (0.99)"), (7, "Ankle boot\n(0.99)"), (30, "9 (0.99)")])
def test_rows_of_images_are_tidy_at_any_number(count, caption):
    """No image covers another one or a caption, and no text is cut off."""
    images, wrong = pictures(count, 28, 28, 1), np.arange(count) % 2 == 0
    title = "mnist, errors 1 to 7\nclass (length of its capsule); bold: not the label"
    figure = sheets.rows_of_images(title, [
        sheets.Row(name, images, [caption] * count, wrong)
        for name in ("input", "label capsule", "predicted capsule")])
    pixels(figure)
    axes, renderer = figure.axes[0], figures.FigureCanvasAgg(figure).get_renderer()
    captions = [text for text in axes.texts if text.get_text() == caption]
    assert len(axes.images) == len(captions) == 3 * count
    covered = [image.get_window_extent(renderer) for image in axes.images]
    texts = [text.get_window_extent(renderer).padded(-2) for text in captions]  # a bracket may touch its own image
    for k, box in enumerate(covered + texts):
        assert not any(box.overlaps(other) for other in covered[:k])
    assert inside(figure)


@pytest.mark.parametrize("channels, coloured", [(1, False), (2, False), (3, True)])
def test_one_channel_is_grey_three_are_colours_else_the_first(channels, coloured):
    images = np.zeros((1, 20, 30, channels), np.float32)
    images[..., 0] = 1
    shown = pixels(sheets.rows_of_images("title", [sheets.Row("input", images, ["0"], [False])]))
    red = (shown[..., 0] > 0.9) & (shown[..., 1] < 0.1)
    assert red.any() == coloured


@pytest.mark.parametrize("notes, shape", [((), (28, 28, 1)), (["width +0.8 px (1.2 sd)"] * 3, (20, 36, 3))])
def test_a_table_of_images_has_its_names_and_frames(notes, shape):
    names = ["ant", "bee", "cow"]
    cells = {(k, j): sheets.Cell(pictures(*shape), figures.RED if j == 1 else None) for k, j in np.ndindex(3, 3)}
    del cells[2, 2]
    figure = sheets.table("an attack", names, names, cells, "target", "true class", notes)
    shown = pixels(figure)
    red = np.abs(shown - np.array([0xD5, 0x5E, 0x00]) / 255).max(axis=2) < 0.05
    assert red.sum() > 500 and len(figure.axes[0].images) == 8
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(texts) == sorted(["an attack", *names, *names, "target", "true class", *notes]) and inside(figure)



@pytest.mark.parametrize("classes", [2, 40])
def test_matrix(classes):
    values = RANDOM.random((classes, classes))
    values[0, 1] = np.nan
    names = [str(j) for j in range(classes)]
    figure = charts.matrix("title", values, names, "target", "true class", "success rate", "{:.2f}")
    pixels(figure)
    written = len(figure.axes[0].texts)
    assert written == (classes**2 - 1 if classes <= charts.MOST_NUMBERS else 0)
    pixels(charts.matrix("no errors", np.full((2, 2), np.nan), ["output/affnist-capsnet-0"] * 2, "", "", "", "{}"))


@pytest.mark.parametrize("lines", [1, 99, 1000])
def test_curves(lines):
    steps, losses, errors = np.arange(lines), RANDOM.random(lines), RANDOM.random(lines)
    train = charts.History(steps, losses, errors)
    val = charts.History(steps[::50], losses[::50], errors[::50])
    figure = charts.curves("title", train, val)
    pixels(figure)
    with warnings.catch_warnings():  # matplotlib would say that nothing has a logarithm
        warnings.simplefilter("error")
        pixels(charts.curves("no errors", train, val._replace(errors=0 * val.errors)))
        pixels(charts.curves("no errors at all", *(one._replace(errors=0 * one.errors) for one in (train, val))))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "error rate"]
    for axes, values in zip(figure.axes, (losses, errors), strict=True):
        drawn, passes = (line.get_ydata() for line in axes.lines)
        assert len(drawn) == min(lines, 100)
        np.testing.assert_array_equal(passes, values[::50])
        assert drawn[0] == pytest.approx(values[:max(1, lines // 100)].mean())


def test_charts_of_numbers_are_tidy_and_so_are_those_of_none():
    count = np.array([0, 3, 0, 10])
    accuracy, length = np.where(count, 0.5, np.nan), np.where(count, 0.4, np.nan)
    figure = charts.reliability("title", {"count": count, "length": length, "accuracy": accuracy,
                                          "low": accuracy - 0.3, "high": accuracy + 0.1})
    pixels(figure)
    bars, = figure.axes[0].collections
    np.testing.assert_allclose(bars.get_segments(), 2 * [[[0.4, 0.2], [0.4, 0.6]]])
    budgets, rates, steps = np.linspace(0, 3, 50), np.linspace(0, 1, 50), np.arange(100)
    figure = charts.success("title", budgets, rates, "L2 budget", steps)
    pixels(figure)
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 100, "every image is in the histogram"
    pixels(charts.success("no success", np.array([0, 0.3]), np.zeros(2), "L-infinity budget", np.zeros(0, int)))
    pixels(charts.detection("title", RANDOM.random(90), 1 + RANDOM.random(50), 0.95))
    pixels(charts.detection("no success", RANDOM.random(90), np.zeros(0), 0.95))


@pytest.mark.parametrize("classes", [1, 12])
def test_effects(classes):
    standard = RANDOM.normal(size=(classes, 8, 7))
    standard[0, 0] = np.nan
    names = ["thickness", "slant", "width", "height", "shift right", "shift down", "area"]
    figure = charts.effects("title", standard, list(map(str, range(classes))), names)
    pixels(figure)
    shown = [axes for axes in figure.axes if axes.get_visible() and axes.get_title()]
    assert len(shown) == sum(axes.get_visible() for axes in figure.axes) - 1 == classes, "and the colour bar"
    pixels(charts.effects("nothing significant", np.full((1, 8, 7), np.nan), ["0"], names))


def test_the_same_figure_is_the_same_file():
    row = sheets.Row("input", pictures(1, 20, 20, 1), ["a"])
    one, other = (figures.png(sheets.rows_of_images("title", [row])) for _ in range(2))
    assert one == other


WORDS = ("T-shirt/top", "Ankle boot", "a class with a very long name")


def inside(figure):
    """Whether no text is cut off."""
    renderer = figures.FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for axes in figure.axes for text in axes.texts]
    return all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)


def tick_labels(names):
    """-> what stands at the axes of a matrix that has been drawn"""
    figure = charts.matrix("title", np.eye(len(names)), names, "target", "true class", "rate", "{:.2f}")
    pixels(figure)
    x, y = figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in x] == [label.get_text() for label in y]
    return [label.get_text() for label in x]


def test_names_of_classes_are_shown_and_long_ones_are_cut():
    assert figures.shorten("Ankle boot", 10) == "Ankle boot" and figures.shorten("Ankle boot", 9) == "Ankle bo…"
    assert tick_labels(charts.short_names(WORDS)) == ["T-shirt/top", "Ankle boot", "a class wit…"]
    assert tick_labels(["output/affnist-capsnet-0", "1"])[0] == "output/affnist-capsnet-0", "of networks"
    pixels(charts.effects("title", RANDOM.normal(size=(3, 8, 2)), WORDS, ["width", "height"]))


def test_names_in_any_script_take_a_font_that_has_their_letters_or_are_code_points(monkeypatch):
    """A font that is installed is used; those that matplotlib brings have no Chinese."""
    assert figures.written("κόσμος кошка\nß 1") == "κόσμος кошка\nß 1"
    monkeypatch.setattr(figures, "font_of", lambda letter: None if letter in "猫犬" else figures.FONT)
    assert figures.shorten("猫犬", 9) == "U+732BU+…"
    figure = sheets.rows_of_images("title 猫", [sheets.Row("input", pictures(1, 20, 20, 1), ["a 猫"], [False])])
    pixels(figure)
    assert {text.get_text() for text in figure.axes[0].texts} == {"title U+732B", "input", "a U+732B"}
    monkeypatch.setattr(figures, "font_of", lambda letter: "DejaVu Serif" if letter == "ж" else figures.FONT)
    figure = sheets.rows_of_images("ж", [sheets.Row("", pictures(1, 20, 20, 1), [""], [False])])
    pixels(figure)
    assert ["DejaVu Sans", "DejaVu Serif"] in [text.get_fontfamily() for text in figure.axes[0].texts]


@pytest.mark.parametrize("name", ["$_$", "$1 to $5", "_mine"])
def test_names_are_shown_as_they_are(name):
    """A $ begins no mathematics, and a name that begins with _ is in the legend."""
    steps = np.arange(1, 9)
    history = charts.History(steps, 1 / steps, 0.1 / steps)
    none = charts.History(*np.zeros((3, 0)))
    predictor = SimpleNamespace(trained=config.Config(config.TRAIN))
    figure = side_by_side.validation_curves(f"training on {name}", {name: {"val": history, "val_average": none}},
                                            side_by_side.styles_of({name: predictor}))
    pixels(figure)
    axes, = figure.axes
    legend, = axes.get_legend().get_texts()
    assert legend.get_text().strip() == name
    assert "$" not in name or not (legend.get_parse_math() or figure._suptitle.get_parse_math())
    assert all(text.get_parse_math() for text in axes.yaxis.get_ticklabels()), "powers of 10"


def test_a_network_that_is_only_in_a_later_panel_is_in_the_legend():
    predictors = {name: SimpleNamespace(trained=config.Config(config.TRAIN)) for name in ("one", "two")}
    found = with_interval(np.array([0.5, 0.6]), 10)
    panels = [side_by_side.Panel("first", np.arange(2), {"one": found}),
              side_by_side.Panel("second", np.arange(2), {"one": found, "two": found})]
    figure = side_by_side.accuracy_curves("title", panels, side_by_side.styles_of(predictors))
    legend = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert legend == ["one", "two"]


@pytest.mark.parametrize("name, value, words", [
    ("success_rate", 0.5, "50.00%"), ("success_rate", np.float32(0.25), "25.00%"), ("success_rate", "holds", "holds"),
    ("success_rate", None, "None"), ("success_rate", np.True_, "True"), ("error", 0.25, "25.00%"),
    ("accuracy", 0.25, "25.00%"), ("squared_error", 0.25, "0.25"), ("images", 1000, "1,000")])
def test_numbers_of_a_report_are_readable_and_only_fractions_in_per_cent(name, value, words):
    assert report.readable(name, value) == words


def test_networks_that_differ_in_their_seed_share_a_colour():
    """Those that only compute otherwise share it, too. Another model or loss has another one."""
    differences = {"one": {"SEED": 0}, "two": {"SEED": 1}, "direct": {"CONV_WAY": "direct"},
                   "other loss": {"RECONSTRUCT_W": 0.0}, "other model": {"ROUTING_ITERS": 1}}
    predictors = {name: SimpleNamespace(trained=config.Config(config.TRAIN, settings))
                  for name, settings in differences.items()}
    styles = side_by_side.styles_of(predictors)
    assert list(styles) == list(differences) and len({style.marker for style in styles.values()}) == 5
    assert styles["one"].colour == styles["two"].colour == styles["direct"].colour
    assert len({styles[name].colour for name in ("one", "other loss", "other model")}) == 3
