"""The page in a real browser: its numbers are TensorFlow's, and everything in it can be used."""
import os
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import toy
from browsing import desktop, open_page, when, write_page
from data.dataset import scale
from model import capsules
from page import measure
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


def ask(browser, kind: str, question: dict):
    """-> the worker's answer, with lists of numbers"""
    return browser.execute_async_script("""
        const [kind, question, done] = arguments;
        if (question.image) question.image = Float32Array.from(question.image);
        explorer.client.ask(kind, question).then((answer) => done(JSON.parse(JSON.stringify(answer,
            (_, value) => ArrayBuffer.isView(value) ? Array.from(value) : value))));""", kind, question)


def text(browser, name: str) -> str:
    return browser.find_element("id", name).text


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


def compare(browser, network, images) -> tuple[float, float]:
    """-> the largest differences of lengths and reconstruction between page and TensorFlow"""
    expected = network(images)
    off_lengths, off_pixels = [], []
    for n, image in enumerate(images):
        answer = ask(browser, "predict", {"image": image.ravel().tolist()})
        off_lengths.append(np.abs(answer["scores"] - expected.scores[n].numpy()).max())
        j = int(np.argmax(expected.scores[n]))
        E = expected.capsules.shape[2]
        capsule = answer["history"][-1]["v"][j * E:(j + 1) * E]
        decoded = ask(browser, "decode", {"capsules": [{"j": j, "capsule": capsule}]})["images"][0]
        off_pixels.append(np.abs(decoded - expected.reconstruction[n, 0].numpy().ravel()).max())
    return max(off_lengths), max(off_pixels)


def rounded(network):
    """-> a function that restores the weights; until then they are those that the page has"""
    before = [variable.numpy() for variable in network.variables]
    for variable in network.variables:
        variable.assign(variable.numpy().astype(np.float16).astype(np.float32))
    return lambda: [variable.assign(value) for variable, value in zip(network.variables, before, strict=True)]


# ---- the numbers ----

@pytest.mark.parametrize("name", ["toy_page", "page_of_pairs"])
def test_lengths_and_reconstruction_are_tensorflows(browser, request, name):
    network, path = request.getfixturevalue(name)
    open_page(browser, path)
    images = np.random.default_rng(0).random((20, *network.image_shape), np.float32)
    assert max(compare(browser, network, images)) < 5e-3, "float16 weights"
    restore = rounded(network)
    try:
        assert max(compare(browser, network, images)) < 1e-5, "the same weights"
    finally:
        restore()


def test_the_probabilities_of_a_network_without_capsules_are_tensorflows(browser, page_of_chain):
    network, path = page_of_chain
    open_page(browser, path)
    images = np.random.default_rng(0).random((10, *network.image_shape), np.float32)
    images[:5] *= images[:5] > 0.8
    received = np.array([ask(browser, "predict", {"image": image.ravel().tolist()})["scores"] for image in images])

    def expected():
        scores = network(images).scores
        return (tf.nn.softmax(scores) if network.layout.exclusive else tf.sigmoid(scores)).numpy()

    assert expected().std(axis=0).mean() > 0.05, "the images differ"
    np.testing.assert_allclose(received, expected(), atol=5e-3, err_msg="float16 weights")
    restore = rounded(network)
    try:
        np.testing.assert_allclose(received, expected(), atol=1e-5, err_msg="the same weights")
    finally:
        restore()


def test_the_steps_of_the_routing_are_those_of_procedure_1_and_share_1(browser, toy_page):
    network, path = toy_page
    open_page(browser, path)
    image = np.random.default_rng(1).random((1, *network.image_shape), np.float32)
    history = ask(browser, "predict", {"image": image.ravel().tolist()})["history"]
    assert len(history) == 3

    u_hat = capsules.votes(network.primary_caps(network.conv1(image)), network.digit_caps.W)
    b = tf.zeros_like(u_hat[..., 0])
    for step in history:
        c = capsules.couple(b)
        v = capsules.squash(capsules.weigh(c, u_hat) + network.digit_caps.bias)
        agreement = capsules.agree(u_hat, v)
        b += agreement
        coefficients = np.reshape(step["c"], (-1, toy.CLASSES))
        np.testing.assert_allclose(coefficients.sum(axis=1), 1, atol=1e-6)
        for received, expected in ((coefficients, c), (step["v"], v), (step["agreement"], agreement)):
            np.testing.assert_allclose(np.ravel(received), np.ravel(expected), atol=5e-3)
    assert np.abs(coefficients - 1 / 3).max() > 0.01, "nothing has been routed"


def test_only_the_newest_question_waits(browser, toy_page):
    open_page(browser, toy_page[1])
    answered = browser.execute_async_script("""
        const questions = [1, 2, 3, 4].map((n) => explorer.client.ask("decode",
            {capsules: [{j: 0, capsule: [n, 0, 0, 0]}]}));
        Promise.all(questions).then((answers) => arguments[0](answers.map((answer) => answer !== null)));""")
    assert answered == [True, False, False, True]


# ---- drawing ----

def test_a_drawing_can_be_undone_and_cleared_and_a_sample_taken(browser, toy_page):
    open_page(browser, toy_page[1])
    undo, clear = (browser.find_element("id", name) for name in ("undo", "clear"))
    assert not undo.is_enabled()
    first = pixels(browser, "seen")

    stroke(browser, (0.2, 0.3), (0.8, 0.3))
    one = when(browser, "explorer.pad.past.length === 1 && explorer.pad.image().reduce((a, b) => a + b)")
    stroke(browser, (0.2, 0.7), (0.8, 0.7))
    two = when(browser, "explorer.pad.past.length === 2 && explorer.pad.image().reduce((a, b) => a + b)")
    assert one > 10 and two > 1.4 * one
    undo.click()
    assert when(browser, "explorer.pad.past.length === 1 && explorer.pad.image().reduce((a, b) => a + b)") == one

    clear.click()
    when(browser, "explorer.output === null")
    assert text(browser, "answer") == "–" and not clear.is_enabled()
    assert not browser.find_element("id", "inside").is_displayed()
    browser.find_elements("css selector", "#samples button")[0].click()
    when(browser, "explorer.output && document.getElementById('inside').hidden === false")
    np.testing.assert_array_equal(pixels(browser, "seen"), first)
    for _ in range(3):
        undo.click()
    when(browser, "explorer.output && explorer.pad.past.length === 0")
    np.testing.assert_array_equal(pixels(browser, "seen"), first)


def test_the_keyboard_draws_as_well(browser, toy_page):
    from selenium.webdriver import Keys
    open_page(browser, toy_page[1])
    pad = browser.find_element("id", "pad")
    pad.send_keys(Keys.ARROW_UP, Keys.ARROW_UP, " ", *[Keys.ARROW_RIGHT] * 5, " ", Keys.ARROW_RIGHT)
    strokes = when(browser, "explorer.pad.past.length === 1 && explorer.pad.shown.strokes")
    H, W, _ = toy_page[0].image_shape
    assert strokes == [[[W / 2 + n, H / 2 - 2] for n in range(6)]]
    assert "The network sees" in browser.find_element("id", "spoken").get_property("textContent")


def test_a_held_space_bar_is_one_and_a_pen_that_is_down_when_the_field_is_left_is_lifted(browser, toy_page):
    from selenium.webdriver import Keys
    open_page(browser, toy_page[1])
    browser.find_element("id", "clear").click()
    when(browser, "explorer.output === null")
    pad = browser.find_element("id", "pad")
    pad.send_keys(Keys.ARROW_UP, " ")
    browser.execute_script("""
        for (let n = 0; n < 5; n++) {
          arguments[0].dispatchEvent(new KeyboardEvent("keydown", {key: " ", repeat: true}));
        }""", pad)
    pad.send_keys(*[Keys.ARROW_RIGHT] * 3, Keys.TAB)
    assert when(browser, "!explorer.pad.penIsDown && explorer.pad.shown.strokes.map((stroke) => stroke.length)") == [4]
    assert "The network sees" in when(browser, "document.getElementById('spoken').textContent.match(/.*sees.*/)?.[0]")


def test_a_stroke_stays_on_the_field_and_is_drawn_by_one_hand(browser, toy_page):
    """The mouse goes beyond the field, and the space bar is pressed meanwhile."""
    from selenium.webdriver import ActionChains
    open_page(browser, toy_page[1])
    pad = browser.find_element("id", "pad")
    height = pad.size["height"]
    actions = ActionChains(browser, duration=5).move_to_element(pad).click_and_hold()
    actions.move_by_offset(0, height // 4).send_keys(" ").move_by_offset(0, height // 2).release().perform()
    strokes = when(browser, "explorer.pad.pointer === null && explorer.pad.shown.strokes")
    H, W, _ = toy_page[0].image_shape
    assert len(strokes) == 1 and strokes[0][-1][1] == H
    assert [x for x, _ in strokes[0]] == pytest.approx([W / 2] * len(strokes[0]), abs=0.2)


def test_a_button_that_disables_itself_passes_the_focus_on(browser, toy_page):
    from selenium.webdriver import Keys
    open_page(browser, toy_page[1])
    focus = "return document.activeElement.id"
    browser.find_element("id", "clear").send_keys(Keys.ENTER)
    when(browser, "explorer.output === null")
    assert browser.execute_script(focus) == "pad"
    browser.find_element("id", "undo").send_keys(Keys.ENTER)
    when(browser, "explorer.output !== null")
    assert browser.execute_script(focus) == "pad"
    browser.execute_script("""
        const input = document.getElementById("dimension-2");
        const middle = (Number(input.min) + Number(input.max)) / 2;
        input.value = input.value > middle ? input.min : input.max;
        input.dispatchEvent(new Event("input"));""")
    browser.find_element("id", "reset").send_keys(Keys.ENTER)
    assert when(browser, "document.getElementById('reset').disabled") and browser.execute_script(focus) == "dimension-0"


def test_the_switch_shows_the_pixels_that_the_network_sees(browser, toy_page):
    open_page(browser, toy_page[1])
    browser.find_element("id", "clear").click()
    stroke(browser, (0.1, 0.2), (0.1, 0.3))
    when(browser, "explorer.pad.past.length === 2")
    drawn = pixels(browser, "pad")
    browser.find_element("id", "as-seen").click()
    seen = pixels(browser, "pad")
    scale_of_pad = seen.shape[0] // toy_page[0].image_shape[0]
    middle = seen[scale_of_pad // 2::scale_of_pad, scale_of_pad // 2::scale_of_pad]
    assert np.abs(middle - pixels(browser, "seen")).max() <= 1
    assert np.abs(seen.astype(int) - drawn).max() > 200


# ---- looking inside ----

def test_each_slider_changes_the_picture_and_reset_restores_it(browser, toy_page):
    open_page(browser, toy_page[1])
    before = pixels(browser, "decoded")
    sliders = browser.find_elements("css selector", "#sliders input")
    assert len(sliders) == toy.SETTINGS["DIGIT_DIM"]
    move = """
        const input = document.getElementById(`dimension-${arguments[0]}`);
        input.value = Number(input.value) < (Number(input.min) + Number(input.max)) / 2 ? input.max : input.min;
        input.dispatchEvent(new Event("input"));"""
    resets = browser.find_elements("css selector", "#sliders .reset")
    for e, reset in enumerate(resets):
        browser.execute_script(move, e)
        when(browser, "!document.getElementById('reset').disabled")
        assert (pixels(browser, "decoded") != before).any(), e
        reset.click()
        when(browser, "document.getElementById('reset').disabled")
        np.testing.assert_array_equal(pixels(browser, "decoded"), before)

    for e in range(2):
        browser.execute_script(move, e)
    browser.find_element("id", "reset").click()
    when(browser, "document.getElementById('reset').disabled")
    np.testing.assert_array_equal(pixels(browser, "decoded"), before)


def test_any_capsule_can_be_chosen_and_the_longest_again(browser, toy_page):
    open_page(browser, toy_page[1])
    j = browser.execute_script("return explorer.order[1]")
    browser.find_element("css selector", f"#bars input[value='{j}']").click()
    when(browser, "explorer.inside.chosen !== null")
    assert browser.find_element("class name", "class-name").text == str(j)
    chosen = pixels(browser, "decoded")
    browser.find_element("css selector", "#bars input[value='']").click()
    when(browser, "explorer.inside.chosen === null")
    assert browser.find_element("class name", "class-name").text == text(browser, "answer")
    assert (pixels(browser, "decoded") != chosen).any()


def test_the_routing_is_stepped_and_shows_one_type_or_all(browser, toy_page):
    open_page(browser, toy_page[1])
    last = pixels(browser, "coupling-map")
    steps = browser.find_elements("css selector", "#coupling-steps label")
    assert len(steps) == 3
    steps[0].click()
    assert not pixels(browser, "coupling-map").any(), "in the first iteration all share alike: black"
    steps[2].click()
    np.testing.assert_array_equal(pixels(browser, "coupling-map"), last)
    browser.find_element("css selector", "#coupling-types canvas").click()
    assert browser.find_element("id", "coupling-type").get_property("value") == "0"
    assert (pixels(browser, "coupling-map") != last).any() and "type 0" in text(browser, "coupling-words")
    browser.find_element("css selector", "#coupling-kind option[value='votes']").click()
    assert "speaks for the class" in text(browser, "coupling-words")


def test_rounding_has_no_colour_where_all_shares_are_even(browser, toy_page):
    open_page(browser, toy_page[1])
    words = browser.execute_script("""
        const {couplings} = explorer.inside, [last] = couplings.history.slice(-1);
        couplings.update(couplings.history.map(() => ({...last, c: last.c.map(() => 1 / 3)})), 0);
        return document.getElementById("coupling-words").textContent;""")
    assert not pixels(browser, "coupling-map").any() and "every value is 0.333" in words


def test_a_chosen_type_has_one_scale_large_and_small(browser, toy_page):
    open_page(browser, toy_page[1])
    browser.execute_script("""
        document.querySelectorAll("#coupling-types canvas").forEach((canvas, t) => canvas.id = `t${t}`);""")
    types = browser.find_elements("css selector", "#coupling-types canvas")
    assert len(types) > 1
    for t, canvas in enumerate(types):
        canvas.click()
        large = pixels(browser, "coupling-map")
        np.testing.assert_array_equal(pixels(browser, f"t{t}"), large)
        assert large.any()


def test_all_bars_have_one_scale_whatever_the_names(browser, toy_page, page_of_chain):
    for page in (toy_page, page_of_chain):
        open_page(browser, page[1])
        tracks = browser.execute_script("""
            const names = document.querySelectorAll("#bars .name"), tracks = [...document.querySelectorAll(".track")];
            names[names.length - 1].textContent = "a very long name of a class ".repeat(3);
            names[names.length - 2].textContent = "x";
            return tracks.map((track) => track.getBoundingClientRect()).map(({left, width}) => [left, width]);""")
        assert np.ptp(tracks, axis=0).max() < 0.01 and tracks[0][1] > 60


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

def test_a_network_without_capsules_shows_probabilities_and_nothing_of_capsules(browser, page_of_chain):
    network, path = page_of_chain
    open_page(browser, path)
    assert "probability" in text(browser, "next") and text(browser, "bars-title") == "Probability of each class"
    html = path.read_text(encoding="utf-8").split("<body>")[1].split("<script")[0]
    assert not re.search("capsule|routing|decode|slider|length", html, re.I)
    for name in ("inside", "decoded", "sliders", "coupling-map", "reset"):
        assert not browser.find_elements("id", name), name
    assert not browser.find_elements("css selector", "main input:not(#as-seen)")

    scores = browser.execute_script("return Array.from(explorer.output.scores)")
    rows = [element.text.split() for element in browser.find_elements("css selector", "#bars li")]
    assert rows == [[name, f"{score:.2f}"] for name, score in zip("0123", scores, strict=True)]
    widths = [float(element.value_of_css_property("width")[:-2]) / element.find_element("xpath", "..").size["width"]
              for element in browser.find_elements("css selector", "#bars .fill")]
    assert widths == pytest.approx(scores, abs=0.02)
    best = [str(j) for j in np.argsort(scores)[::-1]]
    assert text(browser, "answer") == (best[0] if network.layout.exclusive else f"{best[0]} and {best[1]}")
    assert ("Together they are 1" in text(browser, "probabilities")) == network.layout.exclusive


def test_a_network_without_capsules_answers_a_drawing(browser, page_of_chain):
    open_page(browser, page_of_chain[1])
    before = browser.execute_script("return Array.from(explorer.output.scores)")
    browser.find_element("id", "clear").click()
    when(browser, "explorer.output === null")
    assert text(browser, "answer") == "–" and "–" in browser.find_element("id", "bars").text
    stroke(browser, (0.2, 0.3), (0.8, 0.3))
    after = when(browser, "explorer.output && explorer.pad.pointer === null && Array.from(explorer.output.scores)")
    assert np.abs(np.subtract(after, before)).max() > 1e-3 and "ms" in text(browser, "time")
    browser.find_element("id", "undo").click()
    when(browser, "explorer.output === null")


@pytest.mark.parametrize("width", [390, 700])
def test_the_page_of_a_network_without_capsules_fits_small_screens(browser, page_of_chain, width):
    desktop(browser, width, 844, mobile=True)
    open_page(browser, page_of_chain[1])
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= width
    right = browser.execute_script("return document.querySelector('.answer').getBoundingClientRect().right")
    assert right <= width


# ---- everybody ----

def test_everything_that_can_be_used_has_a_name(browser, toy_page):
    open_page(browser, toy_page[1])
    found = browser.find_elements("css selector", "button, input, select, [role], [tabindex]")
    names = {element.get_attribute("id") or element.tag_name: element.accessible_name for element in found
             if element.is_displayed() or element.tag_name == "input"}
    assert len(found) > 20 and not [name for name, value in names.items() if not value]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_text_has_contrast(browser, toy_page, scheme):
    desktop(browser, 390, 844, mobile=True, prefers_color_scheme=scheme)
    open_page(browser, toy_page[1])
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= 390
    colours = browser.execute_script("""
        const style = getComputedStyle(document.documentElement);
        return Object.fromEntries(["card", "paper", "ink", "quiet", "accent", "track"].map((name) =>
            [name, style.getPropertyValue("--" + name).trim()]));""")
    for back in ("card", "paper"):
        for front in ("ink", "quiet", "accent"):
            assert contrast(colours[front], colours[back]) >= 4.5, (front, back)
    assert contrast(colours["ink"], colours["track"]) >= 4.5


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
    message = when(browser, "document.readyState === 'complete' && document.getElementById('message').textContent"
                            ".match(/damaged.*write it\\s+again/is)?.[0]")
    assert browser.find_element("id", "message").is_displayed() and "explore.py" in text(browser, "message")
    assert message and not browser.find_element("id", "main").is_displayed()


def test_an_error_in_the_page_is_shown_in_it(browser, toy_page):
    open_page(browser, toy_page[1])
    browser.execute_script("explorer.about.classNames = null; document.querySelectorAll('#bars input')[1].click()")
    when(browser, "!document.getElementById('message').hidden")
    assert "This page has stopped: Uncaught TypeError: Cannot read properties of null" in text(browser, "message")
    assert "TypeError" in str(browser.get_log("browser"))


# ---- the released network ----

DIGITS = {
    "0": [[(0.5, 0.15), (0.35, 0.25), (0.3, 0.5), (0.36, 0.75), (0.5, 0.85), (0.64, 0.75), (0.7, 0.5), (0.65, 0.25),
           (0.5, 0.15)]],
    "1": [[(0.52, 0.1), (0.5, 0.5), (0.49, 0.9)]],
    "3": [[(0.3, 0.25), (0.45, 0.15), (0.62, 0.2), (0.64, 0.35), (0.45, 0.48), (0.65, 0.6), (0.68, 0.75), (0.5, 0.87),
           (0.3, 0.8)]],
    "4": [[(0.35, 0.15), (0.3, 0.5), (0.7, 0.5)], [(0.62, 0.2), (0.58, 0.9)]],
    "7": [[(0.25, 0.2), (0.7, 0.18), (0.5, 0.5), (0.42, 0.85)]],
}


def test_the_released_network_in_the_page(browser, tmp_path, monkeypatch):
    """As in TensorFlow for 20 images; digits drawn with the mouse are read."""
    monkeypatch.setattr(measure, "MOST_IMAGES", 100)
    images = "mnist" if MNIST_IS_THERE else "glyphs"
    assert write_page(tmp_path / "page.html", "--dataset", images) == 0
    assert 21e6 < (tmp_path / "page.html").stat().st_size < 23e6
    open_page(browser, tmp_path / "page.html")
    assert "test images of " + images in text(browser, "source")
    assert "measured by cap_tweak" in text(browser, "effects")
    assert browser.execute_script("return explorer.about.effects.classes[0][1]") == "width +0.6 px (0.2 sd)"

    network = checkpoints.load(ROOT / "checkpoints" / "mnist").network
    samples = browser.execute_script("""
        return [...document.querySelectorAll("#samples button")].slice(0, 20).map((button) => {
            button.click();
            return Array.from(explorer.pad.shown.sample);
        });""")
    shown = scale(np.array(samples, np.uint8).reshape(-1, 28, 28, 1))
    if len(shown) < 20:
        shown = np.concatenate([shown, shown[:, :, ::-1]])  # mirrored
    lengths, picture = compare(browser, network, shown)
    print(f"largest differences: lengths {lengths:.2g}, reconstruction {picture:.2g}")
    assert lengths < 2e-3 and picture < 5e-3

    for digit, strokes in DIGITS.items():
        browser.find_element("id", "clear").click()
        for points in strokes:
            stroke(browser, *points)
        when(browser, "explorer.output && explorer.pad.pointer === null && explorer.pad.shown.strokes.length")
        assert text(browser, "answer") == digit
