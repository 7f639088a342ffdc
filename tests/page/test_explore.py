"""explore.py: what it measures and writes, and its refusals in one line."""
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import toy
from browsing import save, write_page
from data.dataset import Split
from model.convolution import Convolution
from model.network import Chain, Network, Step
from model.networks import cnn
from model.networks.capsnet import CapsNet
from page import assemble, effects, measure, weights
from runs import checkpoints
from settings import ROOT, InputError
from untrusted import refusal


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    cfg = toy.settings(DATASET=str(toy.npz(folder / "bars.npz")))
    return save(folder / "net", toy.network(), cfg)


def refused(folder, words, *flags):
    """Asserts that explore.py refuses, with these words in one line, and writes nothing."""
    before = set(folder.rglob("*"))
    with pytest.raises(InputError, match=words) as error:
        write_page(folder / "page.html", *flags)
    assert "\n" not in str(error.value) and set(folder.rglob("*")) == before


# ---- what is written ----

def test_it_says_how_to_open_the_page(run, tmp_path, capsys):
    assert write_page(tmp_path / "new" / "page.html", "--ckpt", run) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and f"open it in a browser: file://{tmp_path}/new/page.html" in out
    html = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>") and "@@" not in html[:50000]
    assert "http:" not in html and "https:" not in html and "src=" not in html, "nothing is loaded from elsewhere"


def test_classes_are_matched_by_name(run, tmp_path, monkeypatch):
    """The network has them in another order, and one more."""
    images, labels = toy.images(20, 0, toy.IMAGE_SHAPE, 2)
    np.savez(tmp_path / "two.npz", x_test=images, y_test=labels)
    found = checkpoints.load(run)
    found = found._replace(run=found.run._replace(class_names=("2", "1", "0")))
    measured = []
    monkeypatch.setattr(checkpoints, "load", lambda path: found)
    monkeypatch.setattr(measure, "ranges_of", lambda capsules, labels: (
        measured.append(labels), np.zeros((3, 1, 4)))[1])
    assert write_page(tmp_path / "page.html", "--ckpt", run, "--dataset", tmp_path / "two.npz") == 0
    np.testing.assert_array_equal(measured[0][:, 0], 2 - labels)


def test_the_ranges_are_those_over_the_images_of_the_class():
    random = np.random.default_rng(0)
    capsules = random.normal(size=(50, 3, 2))
    labels = np.stack([np.arange(50) % 2, np.full(50, 1)], axis=1)  # no image shows class 2
    ranges = measure.ranges_of(capsules, labels)
    for e in range(2):
        values = capsules[::2, 0, e]
        assert ranges[0, e] == pytest.approx([values.min(), *np.percentile(values, [5, 95]), values.max()])
        assert ranges[2, e, 3] == capsules[:, 2, e].max()


def test_the_frame_is_the_size_and_the_place_of_the_ink():
    images = np.zeros((3, 20, 18, 1), np.uint8)
    images[0, 4:10, 3:8] = 255    # 6 high, centre (5.5, 7)
    images[1, 4:14, 3:10] = 200   # 10 high, centre (6.5, 9)
    images[2, 2:4, 2:10] = 255    # 8 wide, centre (6, 3)
    split = Split(images, np.zeros((3, 1), int))
    assert measure.frame_of(split) == {"side": 8, "centre": pytest.approx([6, 19 / 3])}
    assert measure.frame_of(split._replace(labels=np.zeros((3, 2), int)))["side"] is None
    assert measure.frame_of(split._replace(images=0 * images)) == {"side": None, "centre": [9, 10]}


# ---- refusals ----

def test_what_the_page_cannot_show_is_refused(run, tmp_path):
    refused(tmp_path, "expected a network for images", "--ckpt", run, "--dataset", "glyphs")

    class Other(CapsNet):
        """Built upon it, it may compute something else."""

    for network in (Other(toy.settings(), toy.IMAGE_SHAPE, toy.CLASSES), Network(toy.IMAGE_SHAPE, toy.CLASSES)):
        with pytest.raises(InputError, match="^net: expected a network whose layers the page can compute"):
            weights.describe(network, "net")

    network = toy.network()
    network.digit_caps.routing.squash = tf.identity
    with pytest.raises(InputError, match="^net: expected the squash of equation 1"):
        weights.describe(network, "net")
    network.digit_caps.routing.cfg = SimpleNamespace(ROUTING="loudest")
    with pytest.raises(InputError, match="^net: .* --routing loudest in code/page/web/routings/loudest.js, received"):
        weights.describe(network, "net")


def test_a_chain_of_layers_that_the_page_cannot_compute_is_refused():
    layers, same, valid = tf.keras.layers, Convolution(2, 3, same=True), Convolution(2, 3)
    for kind, layer in (("dense", layers.Dense(3, "tanh")), ("dense", layers.Dense(3, layers.LeakyReLU())),
                        ("dense", layers.BatchNormalization()), ("dense", layers.Dense(3, use_bias=False)),
                        ("convolution", layers.Conv2D(2, 3, padding="same")), ("convolution", valid),
                        ("max_pool", same), ("average_pool", None)):
        with pytest.raises(InputError, match=f"net: expected steps that the page can compute.*received {kind} by "):
            weights.describe_chain(Chain([Step(kind, layer)], "softmax"), "net")
    for value in (1e6, np.nan):
        with pytest.raises(InputError, match="weights W: expected finite numbers"):
            assemble.pack({}, {"W": np.array([1, value], np.float32)})


def test_an_out_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "page.html"):  # before anything is computed: there is no such network
        refused(tmp_path, "--out: expected a file in a folder to write in", "--ckpt", tmp_path, "--out", out)


def test_effects_belong_to_the_weights(run, tmp_path):
    released, measured = checkpoints.load(ROOT / "checkpoints" / "mnist"), json.loads(effects.DEFAULT.read_text())
    network, name = released.network, released.name
    found = effects.read(None, network, name, 16)
    assert found["per"] == "0.25"
    assert found["classes"][0][1] == measured["effects"]["class 0"]["dimensions"][1]["strongest"]

    # one weight is another
    network.decoder.pixels.bias.assign_add(np.eye(784, dtype=np.float32)[0] / 1000)
    assert effects.read(None, network, name, 16) is None
    with pytest.raises(InputError, match=f"effects of {name}, received those of {name} with other weights$"):
        effects.read(effects.DEFAULT, network, name, 16)
    refused(tmp_path, f"expected the effects of net/ckpt-1, received those of {name}$", "--ckpt", run,
            "--effects", write(tmp_path, {**measured, "effects": {}}))


OF_NET = {"checkpoint": "net/ckpt-1", "weights": "05", "per": 0.25}


def test_a_class_that_was_not_measured_is_not_one_without_effects(tmp_path):
    one = {"dimensions": [{"strongest": "width +0.6 px"}, {"strongest": None}]}
    path = write(tmp_path, {**OF_NET, "effects": {"class 0": one}})
    network = SimpleNamespace(classes=2, digest=lambda: "05")
    assert effects.read(path, network, "net/ckpt-1", 2)["classes"] == [
        ["width +0.6 px", "nothing significant"], ["not measured", "not measured"]]


@pytest.mark.parametrize("content", [{}, [], {**OF_NET, "per": "much"}, {**OF_NET, "per": 10 ** 400},
                                     {**OF_NET, "effects": []}, {**OF_NET, "effects": {"class 0": {}}}])
def test_what_is_no_result_of_cap_tweak_is_refused(tmp_path, content):
    network = SimpleNamespace(classes=2, digest=lambda: "05")
    assert "is not a results.json of eval.py --mode cap_tweak" in refusal(
        effects.read, write(tmp_path, content), network, "net/ckpt-1", 4)


def test_a_network_without_capsules_has_no_effects(run, tmp_path, monkeypatch):
    monkeypatch.setitem(cnn.LAYERS, "mnist", cnn.Layers((3,), (2,), (4,), True, (False,), True))
    network, cfg = toy.network(MODEL="cnn"), toy.settings(DATASET=str(run.parent / "bars.npz"), MODEL="cnn")
    path = save(tmp_path / "cnn", network, cfg)
    refused(tmp_path, "--effects: expected a network with capsules, received cnn/ckpt-1 .cnn., which has none",
            "--ckpt", path, "--effects", ROOT / "figs" / "cap_tweak" / "results.json")


def write(folder, content):
    path = folder / "results.json"
    path.write_text(json.dumps(content))
    return path
