"""The page in a real browser: its numbers are TensorFlow's, and everything in it can be used."""
import contextlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import toy
from browsing import ask, desktop, open_page, when, write_page
from data.dataset import scale
from page import effects
from runs import checkpoints
from settings import ROOT

DATA_DIR = Path(os.environ.get("CAPSNET_DATA_DIR", "nowhere"))
MNIST_IS_THERE = any(DATA_DIR.glob("**/t10k-images-idx3-ubyte*"))


@pytest.fixture(autouse=True)
def empty_console(browser):
    browser.get_log("browser")
    desktop(browser)
    yield
    assert browser.get_log("browser") == []


def text(browser, name: str) -> str:
    return browser.find_element("id", name).text


def click(browser, selector: str):
    browser.find_element("css selector", selector).click()


def pixels(browser, name: str) -> np.ndarray:
    """-> what a canvas shows, [H, W, 3]"""
    data, width = browser.execute_script("""
        const {width, height} = document.getElementById(arguments[0]);
        const context = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
        context.drawImage(document.getElementById(arguments[0]), 0, 0);
        return [Array.from(context.getImageData(0, 0, width, height).data), width];""", name)
    return np.array(data).reshape(-1, width, 4)[..., :3]


def stroke(browser, *points):
    """Draws through the points [x, y], shares of the field, with the mouse."""
    from selenium.webdriver import ActionChains
    pad = browser.find_element("id", "pad")
    width, height = pad.size["width"], pad.size["height"]
    actions = ActionChains(browser, duration=5)
    for n, (x, y) in enumerate(points):
        actions.move_to_element_with_offset(pad, round((x - 0.5) * width), round((y - 0.5) * height))
        if n == 0:
            actions.click_and_hold()
    actions.release().perform()


def compare(browser, network, images) -> float:
    """-> the largest difference of lengths and reconstructions between page and TensorFlow"""
    expected, differences = network(images), []
    E = expected.capsules.shape[2]
    for n, image in enumerate(images):
        answer = ask(browser, "predict", {"image": image.ravel().tolist()})
        differences.append(np.abs(answer["scores"] - expected.scores[n].numpy()).max())
        j = int(np.argmax(expected.scores[n]))
        capsule = answer["history"][-1]["v"][j * E:(j + 1) * E]
        decoded = ask(browser, "decode", {"capsules": [{"j": j, "capsule": capsule}]})["images"][0]
        differences.append(np.abs(decoded - expected.reconstruction[n, 0].numpy().ravel()).max())
    return max(differences)


@contextlib.contextmanager
def rounded(network):
    """The network with the weights that the page has."""
    before = network.get_weights()
    network.set_weights([value.astype(np.float16).astype(np.float32) for value in before])
    yield
    network.set_weights(before)


# ---- the numbers ----

@pytest.mark.parametrize("name", ["toy_page", "page_of_pairs"])
def test_lengths_and_reconstruction_are_tensorflows(browser, request, name):
    network, path = request.getfixturevalue(name)
    open_page(browser, path)
    images = np.random.default_rng(0).random((5, *network.image_shape), np.float32)
    assert compare(browser, network, images) < 5e-3, "float16 weights"
    with rounded(network):
        assert compare(browser, network, images) < 1e-5, "the same weights"

    # of the questions that wait, only the newest is answered
    answered = browser.execute_async_script("""
        const capsule = Array(explorer.about.classDim).fill(0);
        const questions = [1, 2, 3, 4].map(() => explorer.client.ask("decode", {capsules: [{j: 0, capsule}]}));
        Promise.all(questions).then((answers) => arguments[0](answers.map((answer) => answer !== null)));""")
    assert answered == [True, False, False, True]


# ---- drawing ----

def test_mouse_keyboard_and_buttons_draw_undo_and_clear(browser, toy_page):
    from selenium.webdriver import ActionChains, Keys
    network, path = toy_page
    H, W, _ = network.image_shape
    open_page(browser, path)
    undo, clear, pad = (browser.find_element("id", name) for name in ("undo", "clear", "pad"))
    focus, ink = "return document.activeElement.id", "explorer.pad.image().reduce((a, b) => a + b)"
    assert not undo.is_enabled()
    first = pixels(browser, "seen")

    # strokes, undone one by one
    stroke(browser, (0.2, 0.3), (0.8, 0.3))
    one = when(browser, f"explorer.pad.past.length === 1 && {ink}")
    stroke(browser, (0.2, 0.7), (0.8, 0.7))
    two = when(browser, f"explorer.pad.past.length === 2 && {ink}")
    assert one > 10 and two > 1.4 * one
    undo.click()
    assert when(browser, f"explorer.pad.past.length === 1 && {ink}") == one

    # nothing, a sample, and back to the first one; a button that disables itself passes the focus on
    clear.send_keys(Keys.ENTER)
    when(browser, "explorer.output === null")
    assert text(browser, "answer") == "–" and not clear.is_enabled() and browser.execute_script(focus) == "pad"
    assert not browser.find_element("id", "inside").is_displayed()
    click(browser, "#samples button")
    when(browser, "explorer.output && document.getElementById('inside').hidden === false")
    np.testing.assert_array_equal(pixels(browser, "seen"), first)
    for _ in range(3):
        undo.send_keys(Keys.ENTER)
    when(browser, "explorer.output && explorer.pad.past.length === 0")
    np.testing.assert_array_equal(pixels(browser, "seen"), first)
    assert browser.execute_script(focus) == "pad"

    # the keyboard
    pad.send_keys(Keys.ARROW_UP, Keys.ARROW_UP, " ", *[Keys.ARROW_RIGHT] * 5, " ", Keys.ARROW_RIGHT)
    strokes = when(browser, "explorer.pad.past.length === 1 && explorer.pad.shown.strokes")
    assert strokes == [[[W / 2 + n, H / 2 - 2] for n in range(6)]]
    spoken = "document.getElementById('spoken').textContent.match(/.*network sees.*/)?.[0]"
    assert when(browser, spoken)

    # a held space bar is one, and a pen that is down when the field is left is lifted
    clear.click()
    when(browser, "explorer.output === null")
    pad.send_keys(Keys.ARROW_UP, " ")
    browser.execute_script("""
        for (let n = 0; n < 5; n++) {
          arguments[0].dispatchEvent(new KeyboardEvent("keydown", {key: " ", repeat: true}));
        }""", pad)
    pad.send_keys(*[Keys.ARROW_RIGHT] * 3, Keys.TAB)
    lengths = "explorer.pad.shown.strokes.map((stroke) => stroke.length)"
    assert when(browser, f"!explorer.pad.penIsDown && {lengths}") == [4] and when(browser, spoken)

    # the mouse goes beyond the field, and the space bar is pressed meanwhile: it stays one stroke, on the field
    clear.click()
    height = pad.size["height"]
    actions = ActionChains(browser, duration=5).move_to_element(pad).click_and_hold()
    actions.move_by_offset(0, height // 4).send_keys(" ").move_by_offset(0, height // 2).release().perform()
    points, = when(browser, "explorer.pad.pointer === null && explorer.pad.shown.strokes")
    assert points[-1][1] == H and [x for x, _ in points] == pytest.approx([W / 2] * len(points), abs=0.2)

    # the switch shows the pixels that the network sees
    clear.click()
    stroke(browser, (0.1, 0.2), (0.1, 0.3))
    when(browser, "explorer.pad.pointer === null && explorer.output")
    drawn = pixels(browser, "pad")
    click(browser, "#as-seen")
    seen = pixels(browser, "pad")
    size = seen.shape[0] // H
    assert np.abs(seen[size // 2::size, size // 2::size] - pixels(browser, "seen")).max() <= 1
    assert np.abs(seen.astype(int) - drawn).max() > 200


# ---- looking inside ----

def test_sliders_capsules_and_the_steps_of_the_routing(browser, toy_page):
    open_page(browser, toy_page[1])
    before, focus = pixels(browser, "decoded"), "return document.activeElement.id"
    still, moved = (f"{sign}document.getElementById('reset').disabled" for sign in ("", "!"))
    move = """
        const input = document.getElementById(`dimension-${arguments[0]}`);
        input.value = Number(input.value) < (Number(input.min) + Number(input.max)) / 2 ? input.max : input.min;
        input.dispatchEvent(new Event("input"));"""

    # each slider changes the picture, and reset restores it
    resets = browser.find_elements("css selector", "#sliders .reset")
    assert len(resets) == toy.SETTINGS["DIGIT_DIM"]
    for e, reset in enumerate(resets):
        browser.execute_script(move, e)
        when(browser, moved)
        assert (pixels(browser, "decoded") != before).any(), e
        reset.click()
        when(browser, still)
        np.testing.assert_array_equal(pixels(browser, "decoded"), before)
    for e in range(2):
        browser.execute_script(move, e)
    browser.find_element("id", "reset").send_keys("\n")
    when(browser, still)
    np.testing.assert_array_equal(pixels(browser, "decoded"), before)
    assert browser.execute_script(focus) == "dimension-0"

    # any capsule can be chosen, and the longest again
    j = browser.execute_script("return explorer.order[1]")
    click(browser, f"#bars input[value='{j}']")
    when(browser, "explorer.inside.chosen !== null")
    assert browser.find_element("class name", "class-name").text == str(j)
    assert (pixels(browser, "decoded") != before).any()
    click(browser, "#bars input[value='']")
    when(browser, "explorer.inside.chosen === null")
    assert browser.find_element("class name", "class-name").text == text(browser, "answer")

    # the routing is stepped
    last = pixels(browser, "coupling-map")
    steps = browser.find_elements("css selector", "#coupling-steps label")
    assert len(steps) == 3
    steps[0].click()
    assert not pixels(browser, "coupling-map").any(), "in the first iteration all share alike: black"
    steps[2].click()
    np.testing.assert_array_equal(pixels(browser, "coupling-map"), last)

    # it shows one type, by the same colours large and small
    browser.execute_script("""
        document.querySelectorAll("#coupling-types canvas").forEach((canvas, t) => canvas.id = `t${t}`);""")
    types = browser.find_elements("css selector", "#coupling-types canvas")
    assert len(types) > 1
    for t, canvas in enumerate(types):
        canvas.click()
        large = pixels(browser, "coupling-map")
        np.testing.assert_array_equal(pixels(browser, f"t{t}"), large)
        assert (large != last).any() and f"type {t}" in text(browser, "coupling-words")
        assert browser.find_element("id", "coupling-type").get_property("value") == str(t)
    click(browser, "#coupling-kind option[value='votes']")
    assert "speaks for the class" in text(browser, "coupling-words")

    # rounding has no colour where all shares are even
    click(browser, "#coupling-kind option[value='coupling']")
    words = browser.execute_script("""
        const {couplings} = explorer.inside, [last] = couplings.history.slice(-1);
        couplings.update(couplings.history.map(() => ({...last, c: last.c.map(() => 1 / 3)})), 0);
        return document.getElementById("coupling-words").textContent;""")
    assert not pixels(browser, "coupling-map").any() and "every value is 0.333" in words


def test_two_labels_are_drawn_apart_in_two_colours(browser, page_of_pairs):
    network, path = page_of_pairs
    open_page(browser, path)
    assert re.fullmatch("[0-3] and [0-3]", text(browser, "answer"))
    assert browser.find_element("id", "pair").is_displayed()
    answer = browser.execute_script("return [...explorer.likeliest]")
    v = np.array(browser.execute_script("return Array.from(explorer.output.history.at(-1).v)")).reshape(1, 4, -1)
    images = network.decode(tf.constant(v, tf.float32), tf.constant([answer]))[0].numpy().mean(axis=-1)
    colours = np.array([[255, 140, 0], [0, 115, 255]])
    expected = np.einsum("khw,kc->hwc", images, colours).clip(0, 255)
    np.testing.assert_allclose(pixels(browser, "apart"), expected, atol=2)
    decoded = pixels(browser, "decoded")
    assert (decoded[..., 0] != decoded[..., 1]).any(), "colour is shown"


# ---- a network without capsules ----

def test_a_network_without_capsules_shows_its_probabilities(browser, page_of_chain):
    network, path = page_of_chain
    exclusive = network.layout.exclusive
    open_page(browser, path)

    # the numbers
    images = np.random.default_rng(0).random((10, *network.image_shape), np.float32)
    images[:5] *= images[:5] > 0.8
    received = [ask(browser, "predict", {"image": image.ravel().tolist()})["scores"] for image in images]
    to_probabilities = tf.nn.softmax if exclusive else tf.sigmoid
    expected = to_probabilities(network(images).scores).numpy()
    assert expected.std(axis=0).mean() > 0.05, "the images differ"
    np.testing.assert_allclose(received, expected, atol=5e-3, err_msg="float16 weights")
    with rounded(network):
        np.testing.assert_allclose(received, to_probabilities(network(images).scores), atol=1e-5)

    # nothing of capsules
    assert "probability" in text(browser, "next") and text(browser, "bars-title") == "Probability of each class"
    html = path.read_text(encoding="utf-8").split("<body>")[1].split("<script")[0]
    assert not re.search("capsule|routing|decode|slider|length", html, re.I)
    assert not browser.find_elements("css selector", "main input:not(#as-seen)")

    # the bars
    scores = browser.execute_script("return Array.from(explorer.output.scores)")
    rows = [element.text.split() for element in browser.find_elements("css selector", "#bars li")]
    assert rows == [[name, f"{score:.2f}"] for name, score in zip("0123", scores, strict=True)]
    widths = [float(element.value_of_css_property("width")[:-2]) / element.find_element("xpath", "..").size["width"]
              for element in browser.find_elements("css selector", "#bars .fill")]
    assert widths == pytest.approx(scores, abs=0.02)
    best = [str(j) for j in np.argsort(scores)[::-1]]
    assert text(browser, "answer") == (best[0] if exclusive else f"{best[0]} and {best[1]}")
    assert ("Together they are 1" in text(browser, "probabilities")) == exclusive

    # nothing, and the first image again
    click(browser, "#clear")
    when(browser, "explorer.output === null")
    assert text(browser, "answer") == "–" and "–" in text(browser, "bars")
    click(browser, "#undo")
    assert when(browser, "explorer.output && Array.from(explorer.output.scores)") == scores

    # small screens
    for width in (390, 700):
        desktop(browser, width, 844, mobile=True)
        assert browser.execute_script("return document.scrollingElement.scrollWidth") <= width

    # all bars have one scale, whatever the names
    desktop(browser)
    tracks = browser.execute_script("""
        const names = document.querySelectorAll("#bars .name"), tracks = [...document.querySelectorAll(".track")];
        names[names.length - 1].textContent = "a very long name of a class ".repeat(3);
        names[names.length - 2].textContent = "x";
        return tracks.map((track) => track.getBoundingClientRect()).map(({left, width}) => [left, width]);""")
    assert np.ptp(tracks, axis=0).max() < 0.01 and tracks[0][1] > 60


# ---- everybody ----

def test_the_page_has_names_fits_a_phone_and_its_text_has_contrast(browser, toy_page):
    open_page(browser, toy_page[1])
    found = browser.find_elements("css selector", "button, input, select, [role], [tabindex]")
    names = {element.get_attribute("id") or element.tag_name: element.accessible_name for element in found
             if element.is_displayed() or element.tag_name == "input"}
    assert len(found) > 20 and not [name for name, value in names.items() if not value]

    for scheme in ("light", "dark"):
        desktop(browser, 390, 844, mobile=True, prefers_color_scheme=scheme)
        assert browser.execute_script("return document.scrollingElement.scrollWidth") <= 390
        colours = browser.execute_script("""
            const style = getComputedStyle(document.documentElement);
            return Object.fromEntries(["card", "paper", "ink", "quiet", "accent", "track"].map((name) =>
                [name, style.getPropertyValue("--" + name).trim()]));""")
        for back, fronts in {"card": ["ink", "quiet", "accent"], "paper": ["ink", "quiet", "accent"],
                             "track": ["ink"]}.items():
            assert all(contrast(colours[front], colours[back]) >= 4.5 for front in fronts), (scheme, back)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours #rrggbb, as WCAG defines it."""
    def luminance(colour):
        rgb = np.array([int(colour[n:n + 2], 16) / 255 for n in (1, 3, 5)])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


# ---- a damaged file ----

def changed(html: str, start: int) -> str:
    return html[:start] + ("A" if html[start] != "A" else "B") + html[start + 1:]


DAMAGES = {
    "a letter of the weights": lambda html: changed(html, html.rindex('data-crc32') + 3000),
    "the end is missing": lambda html: html[:-4000],
    "no letter of base64": lambda html: html[:-3000] + "\u20ac" + html[-2999:],
    "no weights": lambda html: html[:html.rindex("<script")],
    "half the code": lambda html: html[:html.rindex("class Page")],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_shows_a_message(browser, toy_page, tmp_path, damage):
    path = tmp_path / "damaged.html"
    path.write_text(DAMAGES[damage](toy_page[1].read_text(encoding="utf-8")), encoding="utf-8")
    browser.get(path.as_uri())
    assert when(browser, "document.readyState === 'complete' && document.getElementById('message').textContent"
                         ".match(/damaged.*write it\\s+again/is)?.[0]")
    assert browser.find_element("id", "message").is_displayed() and "explore.py" in text(browser, "message")
    assert not browser.find_element("id", "main").is_displayed()


def test_an_error_in_the_page_is_shown_in_it(browser, toy_page):
    open_page(browser, toy_page[1])
    browser.execute_script("explorer.about.classNames = null; document.querySelectorAll('#bars input')[1].click()")
    when(browser, "!document.getElementById('message').hidden")
    assert "This page has stopped: Uncaught TypeError: Cannot read properties of null" in text(browser, "message")
    assert "TypeError" in str(browser.get_log("browser"))


# ---- the released network ----

DIGITS = {
    "1": [[(0.52, 0.1), (0.5, 0.5), (0.49, 0.9)]],
    "3": [[(0.3, 0.25), (0.45, 0.15), (0.62, 0.2), (0.64, 0.35), (0.45, 0.48), (0.65, 0.6), (0.68, 0.75), (0.5, 0.87),
           (0.3, 0.8)]],
    "4": [[(0.35, 0.15), (0.3, 0.5), (0.7, 0.5)], [(0.62, 0.2), (0.58, 0.9)]],
}


def test_the_released_network_in_the_page(browser, tmp_path, monkeypatch):
    """As in TensorFlow for 10 images; digits drawn with the mouse are read."""
    monkeypatch.setattr("page.explore.MOST_IMAGES", 100)
    images = "mnist" if MNIST_IS_THERE else "glyphs"
    assert write_page(tmp_path / "page.html", "--dataset", images) == 0
    assert 21e6 < (tmp_path / "page.html").stat().st_size < 23e6
    open_page(browser, tmp_path / "page.html")
    assert "test images of " + images in text(browser, "source")
    assert "measured by cap_tweak" in text(browser, "effects")
    measured = json.loads(effects.DEFAULT.read_text())["effects"]["class 0"]["dimensions"][1]["strongest"]
    assert browser.execute_script("return explorer.about.effects.classes[0][1]") == measured

    network = checkpoints.load(ROOT / "checkpoints" / "mnist").network
    samples = browser.execute_script("""
        return [...document.querySelectorAll("#samples button")].slice(0, 10).map((button) => {
            button.click();
            return Array.from(explorer.pad.shown.sample);
        });""")
    shown = scale(np.array(samples, np.uint8).reshape(-1, 28, 28, 1))
    assert compare(browser, network, shown) < 5e-3

    for digit, strokes in DIGITS.items():
        browser.find_element("id", "clear").click()
        for points in strokes:
            stroke(browser, *points)
        when(browser, "explorer.output && explorer.pad.pointer === null && explorer.pad.shown.strokes.length")
        assert text(browser, "answer") == digit
