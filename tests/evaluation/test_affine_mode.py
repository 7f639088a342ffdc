"""--mode affine at toy size, and several networks side by side: --ckpt A,B."""
import io
import json
import os
import shutil
import sys

import numpy as np
import pytest
from matplotlib.image import imread

import cli
import data
import eval as command
import toy
import toy_runs
from data.dataset import Dataset, Split, scale, training_batch
from data.datasets import affnist
from data.making import affine
from evaluation.modes import affine as mode
from evaluation.statistics.intervals import of_copies, wilson
from model.networks import cnn
from runs import checkpoints
from runs.config import RunConfig, save_config
from settings import split_paths
from training.devices import Devices
from training.optimizer import make_optimizer
from training.step import make_train_step
from untrusted import mat

LAYERS = cnn.Layers((5, 3), (4, 4), (16, 8), pooled=True, dropped=(False, True), exclusive=True)
SIZES = ["--num_images", 12, "--affnist_images", 20]


def split(count, seed):
    """Bars of three places on 28 x 28 pixels."""
    images, labels = toy.images(count, seed, (20, 17, 1))
    return Split(np.pad(images, [(0, 0), (4, 4), (6, 5), (0, 0)]), labels[:, None].astype(np.int32))


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A folder with two networks on 40 x 40 pixels, caps and cnn, and an affNIST of bars."""
    folder = tmp_path_factory.mktemp("affine")
    digits = Dataset("mnist", split(60, 0), split(9, 1), split(14, 2), tuple("0123456789"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(affnist.mnist, "load", lambda cfg: digits)
        patch.setattr(affnist, "ROOT", folder)
        patch.setattr(affnist, "COPIES", 2)
        patch.setitem(cnn.LAYERS, "pooled", LAYERS)
        networks = {}
        for name in ("capsnet", "cnn"):
            cfg = toy.settings(DATASET="affnist", DATA_DIR=str(folder), MODEL=name, CNN_LAYERS="pooled", LR=0.01,
                               SHIFT=0)
            dataset = data.load(cfg)
            network = toy.network((40, 40, 1), 10, MODEL=name, CNN_LAYERS="pooled")
            step = make_train_step(network, make_optimizer(cfg), cfg, Devices())
            for number in range(30):
                step(training_batch(dataset, 0, number, 20))
            (folder / name).mkdir()
            saved = RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest, dataset.class_names)
            save_config(folder / name, saved)
            checkpoints.write(folder / name, "ckpt", 10, saved.identity(), model=network)
            networks[name] = network
        yield folder, networks, dataset


@pytest.fixture
def evaluate(house, tmp_path, capsys):
    """evaluate(checkpoints, flags) -> exit status, output, error lines; figures go to tmp_path."""
    folder, _, _ = house

    def call(names, *flags):
        flags += ("--ckpt", ",".join(str(folder / name) for name in names.split(",")))
        flags += ("--fig_dir", tmp_path, "--batch_size", 16)
        return toy_runs.evaluate(capsys, *flags)

    return call


def accuracy(network, images, labels):
    return (np.argmax(network(scale(images)).scores, axis=1) == labels[:, 0]).mean()


def test_two_networks_side_by_side(evaluate, house, tmp_path, monkeypatch):
    _, networks, dataset = house
    drawn, draw = [], mode.accuracy_curves
    monkeypatch.setattr(mode, "accuracy_curves", lambda *given: drawn.append(given) or draw(*given))
    status, out, lines = evaluate("capsnet,cnn", "--mode", "affine", *SIZES)
    assert status == 0, lines
    found = json.loads((tmp_path / "affine" / "results.json").read_text())
    assert found["checkpoint"] == "capsnet/ckpt-10, cnn/ckpt-10" and found["trained_on"] == "affnist"
    assert found["figures"] == ["examples.png", "curves.png"] and "CKPT" not in found["settings"]
    for name in found["figures"]:
        assert imread(io.BytesIO((tmp_path / "affine" / name).read_bytes())).std() > 0.02

    # whole splits, as the networks themselves say
    near, beyond = (f"synthetic affNIST, moved by {words}" for words in ("6 or less", "more than 6"))
    assert list(found["table"]) == ["expanded MNIST", "synthetic affNIST", near, beyond]
    whole = dataset.further["synthetic affNIST"]()
    transforms = affnist.transforms_of(dataset.further["centred MNIST"]())
    chosen = mode.sampling.spread_evenly(whole.labels[:, 0], 20, 0)
    far = np.array([max(abs(transforms.right[n]), abs(transforms.down[n])) for n in chosen])
    for part, which in ((near, chosen[far <= 6]), (beyond, chosen[far > 6])):
        assert found["table"][part]["images"] == len(which) > 0
        for name, network in networks.items():
            expected = accuracy(network, whole.images[which], whole.labels[which])
            measured = found["table"][part]["networks"][name]
            assert measured["accuracy"] == pytest.approx(expected)
            right = np.argmax(network(scale(whole.images[which])).scores, axis=1) == whole.labels[which, 0]
            expected = of_copies(right, which // affnist.COPIES)
            assert (measured["low"], measured["high"]) == pytest.approx(expected)
    assert found["table"]["synthetic affNIST"]["images"] == 20
    for name, network in networks.items():
        measured = found["table"]["expanded MNIST"]["networks"][name]
        expected = accuracy(network, dataset.test.images, dataset.test.labels)
        assert measured["accuracy"] == pytest.approx(expected)
        assert (measured["low"], measured["high"]) == pytest.approx(wilson(expected, 14))
        assert f"{name}: expanded MNIST accuracy" in out
        assert found[f"{name}:_synthetic affNIST_accuracy"] <= 1
    assert len(whole.labels) == 28

    # one parameter at a time, on the same digits
    centred = dataset.further["centred MNIST"]()
    chosen = mode.sampling.spread_evenly(centred.labels[:, 0], 12, 0)
    digits = centred.take(chosen)
    for field, parameter in mode.PARAMETERS.items():
        curve = found["curves"][field]
        assert curve["values"] == pytest.approx(list(parameter.values)) and len(curve["values"]) == 9
        neutral = 1 if field in ("horizontal", "vertical") else 0
        assert parameter.values[4] == pytest.approx(neutral) and parameter.low < neutral < parameter.high
        assert parameter.values[0] < parameter.low and parameter.values[-1] > parameter.high, "and beyond"
        for at in (0, 4):
            transforms = affine.identity(12, **{field: parameter.values[at]})
            images = affine.apply(digits.images, transforms, 40)
            for name, network in networks.items():
                expected = accuracy(network, images, digits.labels)
                received = [curve["networks"][name][key][at] for key in ("accuracy", "low", "high")]
                assert received == pytest.approx([expected, *wilson(expected, 12)]), (field, at, name)
    (title, panels, _), = drawn
    assert "12 for each point" in title and "synthetic affNIST" in title
    assert [len(panel.networks) for panel in panels] == [2] * 5


def test_one_network_alone_and_all_of_affnist(evaluate, house, tmp_path):
    status, out, _ = evaluate("cnn", "--mode", "affine", "--num_images", 3, "--affnist_images", 1000)
    found = json.loads((tmp_path / "affine" / "results.json").read_text())
    _, networks, dataset = house
    whole = dataset.further["synthetic affNIST"]()
    assert status == 0 and found["synthetic affNIST_images"] == 28
    assert found["synthetic affNIST_accuracy"] == pytest.approx(accuracy(networks["cnn"], whole.images, whole.labels))
    assert "synthetic affNIST accuracy" in out and "cnn:" not in out


def test_affnists_own_images_are_never_called_synthetic(evaluate, house, tmp_path, monkeypatch):
    _, _, dataset = house
    (tmp_path / "test.mat").write_bytes(mat())
    flags = ["--mode", "affine", "--num_images", 3, "--affnist_images", 30, "--data_dir", tmp_path]
    drawn, rows = [], mode.sheets.rows_of_images
    monkeypatch.setattr(mode.sheets, "rows_of_images", lambda *given: drawn.append(given) or rows(*given))
    status, out, lines = evaluate("cnn", *flags)
    assert status == 0, lines
    text = (tmp_path / "affine" / "results.json").read_text()
    assert "affNIST accuracy" in out and "synthetic" not in out + text.replace(str(tmp_path), "")
    (title, drawn_rows), = drawn
    assert title == "affNIST, test" and [row.name for row in drawn_rows] == ["affNIST"]


# ---- refusals ----

def test_a_mode_for_one_network_refuses_two_before_tensorflow_starts(evaluate, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "start_tensorflow", lambda: pytest.fail("started"))
    status, out, lines = evaluate("capsnet,cnn", "--mode", "cap_tweak")
    assert status == 2 and out == "" and not (tmp_path / "cap_tweak").exists()
    assert "for --mode cap_tweak, received 2; several go with --mode adversarial, " in lines[0]


@pytest.mark.parametrize("names, words", [
    ("cnn,cnn", "expected different networks, received"), ("cnn,nothing", "no checkpoint at"),
    ("cnn,../small", "expected a network for images of [H, W, C] (40, 40, 1)")])
def test_networks_that_cannot_be_compared_are_refused(evaluate, house, tmp_path, names, words):
    small = house[0].parent / "small"
    if "small" in names and not small.exists():
        cfg = toy.settings(DATASET="mnist")
        saved = RunConfig(cfg, (28, 28, 1), 10, "0", tuple("0123456789"))
        small.mkdir()
        save_config(small, saved)
        checkpoints.write(small, "ckpt", 1, saved.identity(), model=toy.network((28, 28, 1), 10))
    status, out, lines = evaluate(names, "--mode", "affine")
    shutil.rmtree(small, ignore_errors=True)
    assert status == 2 and out == "" and not (tmp_path / "affine").exists()
    assert len(lines) == 1 and words in lines[0]


def test_an_empty_path_among_several_is_refused(house, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["eval.py", "--mode", "affine", "--ckpt", f"{house[0]},,"])
    with pytest.raises(SystemExit) as exit:
        cli.run(command.main)
    assert exit.value.code == 2 and "--ckpt: expected a path in UTF-8, or several" in capsys.readouterr().err


def test_a_path_with_a_comma_is_one_path_where_it_exists(evaluate, house, tmp_path):
    shutil.copytree(house[0] / "cnn", tmp_path / "a" / "cnn,again")
    rule = command.config.EVAL["CKPT"].rule
    assert rule.convert(f"{tmp_path}/a/cnn,again") == f"{tmp_path}/a/cnn,again"
    assert rule.convert(f"{tmp_path}/a/cnn,more") == f"{tmp_path}/a/cnn,{os.getcwd()}/more"
    assert split_paths(f"{tmp_path}/a/cnn,again/ckpt-10") == [f"{tmp_path}/a/cnn,again/ckpt-10"]
    assert split_paths("/a,/b") == ["/a", "/b"]


def test_other_datasets_have_no_affnist(evaluate, house, tmp_path):
    np.savez(tmp_path / "own.npz", x_train=np.zeros((20, 40, 40), np.uint8), y_train=np.arange(20) % 10)
    status, out, lines = evaluate("cnn", "--mode", "affine", "--dataset", tmp_path / "own.npz")
    assert status == 2 and "--mode affine: expected --dataset affnist" in lines[0] and "received own" in lines[0]


# ---- the CNN in the other modes ----

def test_a_cnn_is_attacked_without_detection(evaluate, house, tmp_path):
    flags = ["--mode", "adversarial", "--attack", "pgd", "--no-targeted", "--num_images", 10, "--max_iters", 10,
             "--epsilon", 1]
    status, out, lines = evaluate("cnn", *flags)
    assert status == 0, lines
    assert "no detection by reconstruction: the network has no decoder" in out
    found = json.loads((tmp_path / "adversarial" / "pgd-untargeted" / "results.json").read_text())
    assert found["success_rate"] > 0 and "detection_rate" not in found
    assert found["examples"] and all("score" in one and "length" not in one for one in found["examples"])


@pytest.mark.parametrize("name", ["reconstruct", "cap_tweak"])
def test_what_needs_a_decoder_refuses_a_cnn(evaluate, name):
    status, out, lines = evaluate("cnn", "--mode", name)
    assert status == 2 and out == "" and "expected a network with capsules and decoder" in lines[0]
