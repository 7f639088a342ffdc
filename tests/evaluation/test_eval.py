"""eval.py by its main(): every mode on a toy network, its files, and its refusals in one line."""
import dataclasses
import io
import json
import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.image import imread
from scipy import stats

import cli
import config
import data
import eval as command
import toy
import toy_runs
from data.dataset import Dataset, Split, scale, training_batch
from evaluation import report
from evaluation.attacking.steps import Attacked
from evaluation.evaluate import TABLE
from evaluation.figures import charts, sheets, side_by_side
from evaluation.figures import style as figures
from evaluation.modes import adversarial, reconstruct
from evaluation.network.predictor import Predictor
from model.network import Network, Output, targets
from runs import checkpoints
from runs.config import RunConfig, save_config
from settings import Config, InputError
from training.devices import Devices
from training.optimizer import make_optimizer
from training.step import make_train_step


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with bars.npz and a network that has learnt to tell them apart."""
    folder = tmp_path_factory.mktemp("eval")
    arrays = dict(np.load(toy.npz(folder / "bars.npz")))
    arrays["y_test"][::7] = (arrays["y_test"][::7] + 1) % toy.CLASSES  # the network gets them wrong
    np.savez(folder / "bars.npz", **arrays)
    cfg = toy.settings(DATASET=str(folder / "bars.npz"), LR=0.01, SHIFT=0)
    dataset, network = data.load(cfg), toy.network()
    step = make_train_step(network, make_optimizer(cfg), cfg, Devices())
    for number in range(40):
        step(training_batch(dataset, 0, number, cfg.BATCH_SIZE))
    (folder / "run").mkdir()
    saved = RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest, dataset.class_names)
    save_config(folder / "run", saved)
    checkpoints.write(folder / "run", "ckpt", 40, saved.identity(), model=network)
    return folder, network, dataset


@pytest.fixture
def evaluate(run, tmp_path, capsys):
    """evaluate(flags) -> exit status, output, error lines; figures go to tmp_path."""
    folder, _, _ = run

    def call(*flags):
        known = {"--ckpt": folder / "run", "--dataset": folder / "bars.npz", "--fig_dir": tmp_path,
                 "--batch_size": 16}
        for name, value in known.items():
            if name not in flags:
                flags += (name, value)
        return toy_runs.evaluate(capsys, *flags)

    return call


def results(folder):
    """results.json, after a look at all figures that it names and for anything else in the folder."""
    text = (folder / "results.json").read_text()
    found = json.loads(text, parse_constant=pytest.fail)  # no NaN, no Infinity
    files = sorted(path.name for path in folder.iterdir())
    assert files == sorted([*found["figures"], "results.json"])
    for name in found["figures"]:
        assert imread(io.BytesIO((folder / name).read_bytes())).std() > 0.02, name
    return found


def test_accuracy_and_losses(evaluate, run, tmp_path):
    _, network, dataset = run
    status, out, _ = evaluate("--mode", "test")
    found = results(tmp_path / "test")
    labels = dataset.test.labels[:, 0]
    output = network(scale(dataset.test.images))
    accuracy = (np.argmax(output.scores, axis=1) == labels).mean()
    terms = network.loss_terms(output, labels[:, None], scale(dataset.test.images)[:, None])
    assert status == 0 and 0.75 < accuracy < 0.9
    assert found["accuracy"] == pytest.approx(accuracy)
    assert found["error"] == pytest.approx(1 - accuracy)
    assert found["images"] == len(labels) == 50
    for name in ("loss", "margin", "reconstruction"):
        assert found[name] == pytest.approx(np.mean(terms[name]), rel=1e-5)
    assert f"{accuracy:.2%}" in out and str(tmp_path / "test") in out
    assert found["checkpoint"].endswith("ckpt-40") and found["settings"]["SEED"] == 0
    assert "run/ckpt-40, trained on bars, evaluated on bars" in out


def test_numbers_are_printed_in_words_and_networks_by_their_names():
    assert report.in_words("mean_l2") == "mean l2"
    assert report.in_words("my_run:_success_rate") == "my_run: success rate"


def test_the_history_of_the_training_is_drawn(evaluate, run, tmp_path, monkeypatch):
    train = [{"step": step, "split": "train", "loss": 1 / step, "accuracy": 0.9}
             for step in range(1, 41)]
    val = [{**line, "split": "val", "loss": 0.5, "accuracy": 0.8} for line in train[::10]]
    metrics = run[0] / "run" / "metrics.jsonl"
    whole = [json.dumps(line) + "\n" for line in [*train, *val]]
    metrics.write_text("".join(whole) + '{"step": 41, ')
    drawn, curves = [], charts.curves
    monkeypatch.setattr(charts, "curves", lambda *given: (drawn.append(given), curves(*given))[1])
    evaluate("--mode", "test")
    assert results(tmp_path / "test")["figures"] == ["curves.png"]
    (title, of_train, of_val), = drawn
    assert title == "training on bars" and list(of_train.steps) == list(range(1, 41))
    assert list(of_val.steps) == [1, 11, 21, 31] and list(of_val.losses) == [0.5] * 4
    np.testing.assert_allclose(of_val.errors, 0.2)
    metrics.write_text('{"step": 1}\n')
    status, _, lines = evaluate("--mode", "test")
    metrics.unlink()
    assert status == 2 and "metrics.jsonl is not" in lines[0]


def test_several_networks_are_tested_side_by_side(evaluate, run, tmp_path, monkeypatch):
    """Each on the whole test split; their histories on validation are one figure."""
    folder, network, dataset = run
    other = toy.network()
    cfg = toy.settings(DATASET=str(folder / "bars.npz"))
    (folder / "other").mkdir(exist_ok=True)
    saved = RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest, dataset.class_names)
    save_config(folder / "other", saved)
    checkpoints.write(folder / "other", "ckpt", 5, saved.identity(), model=other)
    lines = [{"step": step, "split": split, "loss": 1, "accuracy": 1 - step / 100}
             for step in (5, 10) for split in ("train", "val", "val_average")]
    (folder / "other" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    drawn, curves = [], side_by_side.validation_curves
    monkeypatch.setattr(side_by_side, "validation_curves", lambda *given: (drawn.append(given), curves(*given))[1])

    status, out, _ = evaluate("--mode", "test", "--ckpt", f"{folder / 'run'},{folder / 'other'}")
    found = results(tmp_path / "test")
    shutil.rmtree(folder / "other")
    assert status == 0 and found["figures"] == ["curves.png"] and found["images"] == 50
    labels = dataset.test.labels[:, 0]
    for name, one in (("run", network), ("other", other)):
        accuracy = (np.argmax(one(scale(dataset.test.images)).scores, axis=1) == labels).mean()
        assert found[f"{name}:_accuracy"] == pytest.approx(accuracy)
        low, high = stats.binomtest(round(50 * (1 - accuracy)), 50).proportion_ci(method="wilson")
        assert found["error_intervals"][name] == pytest.approx([low, high])
    (title, histories, _), = drawn
    assert title == "training on bars" and list(histories) == ["other"]  # the only one with a history
    np.testing.assert_allclose(histories["other"]["val_average"].errors, [0.05, 0.10])
    assert list(histories["other"]["val"].steps) == [5, 10]


def test_test_images_that_a_network_was_trained_on_are_refused(evaluate, run, tmp_path):
    """Another seed splits images without a test split otherwise. With one, any seed is welcome."""
    folder, network, _ = run
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (60, *toy.IMAGE_SHAPE), np.uint8), np.arange(60) % toy.CLASSES
    own_test = {"x_test": images[:20], "y_test": labels[:20]}

    def compared(**test):
        np.savez(folder / "mine.npz", x_train=images, y_train=labels, **test)
        for seed in (0, 1):
            cfg = toy.settings(DATASET=str(folder / "mine.npz"), SEED=seed)
            dataset = data.load(cfg)
            saved = RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest, dataset.class_names)
            (folder / f"seed-{seed}").mkdir(exist_ok=True)
            save_config(folder / f"seed-{seed}", saved)
            checkpoints.write(folder / f"seed-{seed}", "ckpt", 5, saved.identity(), model=network)
        both = f"{folder / 'seed-0'},{folder / 'seed-1'}"
        return evaluate("--mode", "test", "--dataset", folder / "mine.npz", "--ckpt", both)

    status, _, lines = compared()
    assert status == 2 and "seed-1/ckpt-5: expected a network that has not seen the test images" in lines[0]
    assert not (tmp_path / "test").exists()
    status, _, lines = compared(**own_test)
    assert status == 0, lines
    for name in ("mine.npz", "seed-0", "seed-1"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_setting_of_another_mode_is_refused(evaluate, tmp_path):
    """--mode was forgotten, and test would replace its figures."""
    for flags, modes in ((["--attack", "pgd"], "adversarial"), (["--show", "all"], "reconstruct")):
        status, _, lines = evaluate(*flags)
        assert status == 2 and f"{flags[0]}: expected --mode {modes}, which has this setting" in lines[0]
        assert "received --mode test" in lines[0]
    assert not list(tmp_path.iterdir())


def test_it_says_where_a_network_may_not_be_meant_for_the_images(evaluate, run, tmp_path):
    """Of the same images nothing is said."""
    folder, _, dataset = run
    _, out, _ = evaluate()
    assert "has changed" not in out and "has other classes" not in out

    # the same file with other images; another file with classes of other names
    arrays = dict(np.load(folder / "bars.npz"))
    copy = shutil.copytree(folder / "run", tmp_path / "run")
    path = copy / "config.json"
    saved = json.loads(path.read_text().replace(str(folder), str(tmp_path)))
    path.write_text(json.dumps({**saved, "class_names": ["ant", "bee", "cow"]}))
    np.savez(tmp_path / "bars.npz", **{**arrays, "x_train": 255 - arrays["x_train"]})
    status, out, _ = evaluate("--ckpt", copy, "--dataset", tmp_path / "bars.npz", "--fig_dir", tmp_path / "figs")
    assert status == 0
    assert f"{copy}/ckpt-40: {tmp_path}/bars.npz has changed since the training" in out
    assert "has other classes, ant, bee, cow, than bars, 0, 1, 2: they are compared in this order" in out
    status, out, _ = evaluate("--ckpt", copy, "--dataset", folder / "bars.npz", "--fig_dir", tmp_path / "figs")
    assert status == 0 and "has changed" not in out, "other images, and the user says so"


def test_the_data_are_the_runs_own(run, monkeypatch, tmp_path, capsys):
    """Without --dataset: not MNIST, which the network never saw."""
    folder, _, _ = run
    flags = ["--ckpt", str(folder / "run"), "--fig_dir", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["eval.py", *flags])
    assert command.main() == 0
    assert results(tmp_path / "test")["settings"]["DATASET"] == str(folder / "bars.npz")


@pytest.mark.parametrize("show", ["errors", "all"])
def test_reconstruct_covers_every_image(evaluate, run, tmp_path, show):
    _, network, dataset = run
    images, labels = scale(dataset.test.images), dataset.test.labels[:, 0]
    status, out, _ = evaluate("--mode", "reconstruct", "--show", show)
    found = results(tmp_path / "reconstruct")
    output = network(images)
    right = np.argmax(output.scores, axis=1) == labels
    assert status == 0 and found["errors"] == (~right).sum() == len(found["wrong"]) >= 8
    by_label = network(images, labels[:, None]).reconstruction[:, 0]
    by_predicted = output.reconstruction[:, 0]
    errors = {"right": np.square(images - by_label)[right],
              "wrong_label_capsule": np.square(images - by_label)[~right],
              "wrong_predicted_capsule": np.square(images - by_predicted)[~right]}
    for name, error in errors.items():
        assert found[f"squared_error_per_pixel_{name}"] == pytest.approx(error.mean(), rel=1e-4)
    assert found["accuracy"] == pytest.approx(right.mean())
    length = np.max(output.scores, axis=1)
    place = np.floor(length * 10)
    gaps = [abs(length[place == one].mean() - right[place == one].mean()) for one in place]
    assert found["expected_calibration_error"] == pytest.approx(np.mean(gaps), rel=1e-4)
    assert f"expected calibration error                       {np.mean(gaps):.2%}" in out
    assert np.sum(found["confusion"]) == 50 == sum(found["reliability"]["count"])
    drawn = 50 if show == "all" else (~right).sum()
    assert found["images_drawn"] == drawn and len(found["figures"]) == 2 + math.ceil(drawn / 16)
    if show == "all":
        evaluate("--mode", "reconstruct", "--show", show, "--max_iters", "1", "--fig_dir",
                 tmp_path / "less")
        assert results(tmp_path / "less" / "reconstruct")["images_drawn"] == 16


@pytest.mark.parametrize("flags, names", [
    (("--show", "errors"), ["input", "label capsule", "predicted capsule"]),
    (("--show", "all"), ["input", "predicted capsule"]),
    (("--show", "all", "--mask", "label"), ["input", "label capsule"]),
])
def test_reconstruct_draws_the_capsules_asked_for(evaluate, run, monkeypatch, flags, names):
    drawn, rows_of_images = [], sheets.rows_of_images
    monkeypatch.setattr(figures, "png", lambda figure: b"")
    monkeypatch.setattr(sheets, "rows_of_images", lambda *given: (
        drawn.append(given), rows_of_images(*given))[1])
    evaluate("--mode", "reconstruct", "--max_iters", "1", *flags)
    (title, rows), = drawn
    assert [row.name for row in rows] == names
    assert title.startswith("bars, errors 1 to" if "errors" in flags else "bars, test images 1 to")
    by_name = {row.name: row for row in rows}
    assert not by_name["input"].marked.any()
    if "label capsule" in by_name:
        assert not by_name["label capsule"].marked.any()
    if "predicted capsule" in by_name:
        wrong = by_name["predicted capsule"].marked
        assert wrong.all() if "errors" in flags else 0 < wrong.sum() < len(wrong)


def test_cap_tweak(evaluate, tmp_path):
    status, out, _ = evaluate("--mode", "cap_tweak", "--num_images", "30")
    found = results(tmp_path / "cap_tweak")
    figures = ["class-0.png", "class-1.png", "class-2.png", "effects.png"]
    assert status == 0 and found["figures"] == figures
    assert found["images"] == 30 and 20 < found["images_classified_right"] < 30
    assert found["dimensions"] == 12 and found["per"] == pytest.approx(0.25)
    one = found["effects"]["class 1"]["dimensions"][3]
    assert one["dimension"] == 3 and one["slant"]["unit"] == "°"
    assert one["width"]["low"] <= one["width"]["slope"] <= one["width"]["high"]
    described = [dimension for j in range(3)
                 for dimension in found["effects"][f"class {j}"]["dimensions"]]
    strongest = [dimension for dimension in described if dimension["strongest"]]
    assert found["dimensions_with_a_significant_effect"] == len(strongest)
    areas = [abs(dimension["area"]["standard"]) for dimension in described
             if dimension["area"]["significant"]]
    assert found["largest_effect_on_area_in_sd"] == pytest.approx(max(areas, default=0))

    evaluate("--mode", "cap_tweak", "--tweak_target", "2", "--num_images", "6", "--fig_dir",
             tmp_path / "two")
    found = results(tmp_path / "two" / "cap_tweak")
    assert found["figures"] == ["class-2.png", "effects.png"]
    assert list(found["effects"]) == ["class 2"]


@pytest.mark.parametrize("attack, targeted, pairs", [("original", True, 6), ("pgd", False, 3)])
def test_adversarial_and_again_with_the_same_numbers(evaluate, tmp_path, attack, targeted, pairs):
    flags = ["--mode", "adversarial", "--attack", attack, "--num_images", "20", "--max_iters", "12",
             "--targeted" if targeted else "--no-targeted"]
    status, out, _ = evaluate(*flags)
    folder = tmp_path / "adversarial" / f"{attack}-{'targeted' if targeted else 'untargeted'}"
    found = results(folder)
    assert status == 0 and len(found["examples"]) == pairs
    others = {"examples.png", "success.png", "detection.png", "l2_by_class.png",
              "success_by_class.png" if targeted else "share_by_class.png"}
    assert len(found["figures"]) == pairs + len(others) and others <= set(found["figures"])
    assert found["success_rate"] > 0, "otherwise this test says little"
    undetected = found["success_rate"] * (1 - found["detection_rate"])
    assert found["undetected_success_rate"] == pytest.approx(undetected)
    assert found["curve"]["success_rates"][-1] == pytest.approx(found["success_rate"])
    for example in found["examples"]:
        reached = example["predicted"] == example["target"]
        escaped = example["predicted"] != example["label"]
        assert example["success"] == (reached if targeted else escaped)

    figures = {name: (folder / name).read_bytes() for name in found["figures"]}
    evaluate(*flags)
    assert results(folder) == found
    assert figures == {name: (folder / name).read_bytes() for name in found["figures"]}


def test_the_detector_by_hand(evaluate, run, tmp_path, monkeypatch):
    """From the network's own outputs: the threshold, false alarms, and detected attacks."""
    _, network, dataset = run
    load, wrong = data.load, dataset.val._replace(labels=(dataset.val.labels + 1) % 3)
    monkeypatch.setattr(data, "load", lambda cfg: dataclasses.replace(load(cfg), val=wrong))
    attacked, attack = [], adversarial.attacks.run
    monkeypatch.setattr(adversarial.attacks, "run", lambda *given, **named: (
        attacked.append(attack(*given, **named)), attacked[-1])[1])
    evaluate("--mode", "adversarial", "--attack", "bim", "--no-targeted", "--num_images", "20", "--max_iters", "5")
    found, moved = results(tmp_path / "adversarial" / "bim-untargeted"), attacked[-1]

    def distances(images):
        output = network(images)  # without labels, the longest capsule is decoded
        return np.sqrt(np.square(images - output.reconstruction[:, 0]).sum(axis=(1, 2, 3)))

    threshold = np.sort(distances(scale(dataset.val.images)))[math.ceil(0.95 * len(dataset.val.labels)) - 1]
    assert found["detection_threshold"] == pytest.approx(threshold, rel=1e-5)
    suspect = distances(moved.images)[moved.success] > threshold
    assert 0 < len(suspect) < len(moved.success) and 0 < suspect.mean() < 1, "otherwise this test says little"
    assert found["detection_rate"] == pytest.approx(suspect.mean())
    assert found["undetected_success_rate"] == pytest.approx((~suspect).sum() / len(moved.success))


def test_each_way_to_attack_has_a_folder_of_its_own():
    def folder(**changes):
        return adversarial.folder(Config(TABLE, changes))

    assert folder() == "original-targeted"
    assert folder(ATTACK="pgd", TARGETED=False) == "pgd-untargeted"
    assert folder(ATTACK="pgd", NORM="l2") == "pgd-l2-targeted"
    assert folder(ATTACK="all") == "all-targeted"
    assert folder(ATTACK="pgd", CKPT="one,two") == "pgd-targeted-compared"


def test_tables_of_an_attack_have_the_true_class_in_their_rows(tmp_path):
    """0 became 1 twice and stayed once, 2 became 0."""
    labels, became = np.array([0, 0, 0, 2]), np.array([1, 1, 0, 0])
    moved = Attacked(None, became != labels, None, np.array([1.0, 3.0, 9.0, 5.0]), None, "L2", None, None)
    split = Split(np.zeros((1, 8, 8, 1), np.uint8), np.zeros((1, 1), np.int32))
    made = report.Report(tmp_path, Config(TABLE, {"TARGETED": False}))
    dataset = Dataset("three", split, split, split, ("a", "b", "c"))
    found = adversarial.draw_tables(labels, became, moved, dataset, made.cfg, "title", made)
    np.testing.assert_array_equal(found["l2_by_class"], [[np.nan, 2, np.nan], [np.nan] * 3, [5, np.nan, np.nan]])
    np.testing.assert_allclose(found["share_by_class"], [[1 / 3, 2 / 3, 0], [0, 0, 0], [1, 0, 0]])
    goals, cfg = np.array([1, 1, 2, 0]), Config(TABLE, {"TARGETED": True})
    found = adversarial.draw_tables(labels, goals, moved, dataset, cfg, "title", made)
    np.testing.assert_array_equal(found["success_by_class"], [[np.nan, 1, 0], [np.nan] * 3, [1, np.nan, np.nan]])


def test_without_validation_images_the_threshold_is_that_of_training_images(evaluate, monkeypatch, tmp_path):
    flags = "--mode", "adversarial", "--attack", "fgsm", "--no-targeted", "--num_images", "20"
    monkeypatch.setattr(figures, "png", lambda figure: b"")  # which takes most of the time
    load = data.load

    def with_splits(val):
        monkeypatch.setattr(data, "load", lambda cfg: dataclasses.replace(load(cfg), val=val(load(cfg))))
        assert evaluate(*flags)[0] == 0
        text = (tmp_path / "adversarial" / "fgsm-untargeted" / "results.json").read_text()
        return json.loads(text)["detection_threshold"]

    of_training = with_splits(lambda dataset: dataset.val.take(slice(0, 0)))
    assert of_training == with_splits(lambda dataset: dataset.train) != with_splits(lambda dataset: dataset.val)


def test_a_network_that_gets_nothing_right_cannot_be_attacked(evaluate, monkeypatch):
    predict = Predictor.predict

    def predict_wrong(self, images, labels, title=None):
        return predict(self, images, labels)._replace(predicted=(labels + 1) % 3)

    monkeypatch.setattr(Predictor, "predict", predict_wrong)
    status, out, lines = evaluate("--mode", "adversarial", "--num_images", "5")
    assert status == 2 and "received none of 5" in lines[0] and out == ""


def test_a_class_without_test_images_cannot_be_tweaked(evaluate, run, tmp_path):
    arrays = dict(np.load(run[0] / "bars.npz"))
    some = arrays["y_test"] != 2
    arrays |= {"x_test": arrays["x_test"][some], "y_test": arrays["y_test"][some]}
    np.savez(tmp_path / "no-2.npz", **arrays)
    flags = "--mode", "cap_tweak", "--tweak_target", "2", "--dataset", tmp_path / "no-2.npz"
    status, out, lines = evaluate(*flags)
    assert status == 2 and "--tweak_target 2: expected a class of the test split" in lines[0]
    assert out == "" and not (tmp_path / "cap_tweak").exists()


@pytest.mark.parametrize("flags, words", [
    (("--mode", "train"), f"--mode: expected one of {', '.join(config.MODES)}"),
    (("--attack", "deepfool"), f"--attack: expected one of {', '.join(adversarial.ATTACKS)}, all"),
    (("--epsilon", "-0.1"), "--epsilon: expected a number above 0, at most 1"),
    (("--epsilon", "nan"), "--epsilon: expected a number above 0, at most 1"),
    (("--num_images", "0"), "--num_images: expected a whole number from 1 to"),
    (("--lr", "0"), "--lr: expected a finite number above 0"),
    (("--mode", "cap_tweak", "--tweak_target", "3"), "expected a class from 0 to 2, or -1"),
    (("--tweak_target", "-2"), "--tweak_target: expected a whole number from -1 to"),
    (("--mode", "cap_tweak", "--tweak_range", "0.12"), "expected a range of 1 to 50 whole strides"),
    (("--mode", "cap_tweak", "--tweak_range", "0.02"), "expected a range of 1 to 50 whole strides"),
    (("--mode", "cap_tweak", "--tweak_stride", "0.0049"), "received 0.25 and 0.0049"),
    (("--mode", "cap_tweak", "--tweak_range", "1e308", "--tweak_stride", "1e-9"), "1 to 50 whole"),
    (("--mode", "reconstruct", "--mask", "label"), "--mask label: expected --show all, received --show errors"),
    (("--mode", "adversarial", "--attack", "pgd", "--lr", "0.1"), "--lr: expected --attack original, which has"),
    (("--mode", "adversarial", "--attack", "pgd", "--restarts", "3"), "--restarts: expected --attack strong"),
    (("--mode", "adversarial", "--epsilon", "0.1"), "--epsilon: expected an attack in the other norm"),
    (("--mode", "adversarial", "--epsilon", "0.1"), "received --attack original in l2"),
    (("--mode", "adversarial", "--norm", "l2"), "--norm: expected an attack that takes its norm from there, received"),
    (("--mode", "adversarial", "--attack", "all", "--norm", "l2"), "received --attack all"),
    (("--mode", "adversarial", "--attack", "bim", "--epsilon_l2", "1"), "received --attack bim in linf; see --norm"),
    (("--num_image", "5"), "did you mean --num_images?"),
    (("--conv1_channels", "4"), "unknown argument --conv1_channels"),
    (("--ckpt", "/nowhere"), "no checkpoint at /nowhere"),
    (("--seed", "-1"), "--seed: expected a whole number from 0 to"),
])
def test_bad_flags_are_refused_in_one_line(evaluate, flags, words):
    status, out, lines = evaluate(*flags)
    assert status == 2 and out == "" and len(lines) == 1
    assert lines[0].startswith("eval.py: error: ") and words in lines[0]


def test_other_images_than_the_networks_are_refused(evaluate, tmp_path):
    images, labels = toy.images(40, image_shape=(20, 20, 1))
    np.savez(tmp_path / "other.npz", x_train=images, y_train=labels)
    status, _, lines = evaluate("--dataset", tmp_path / "other.npz")
    words = "(20, 20, 1) and 3 classes, as other has, received one for (18, 17, 1) and 3"
    assert status == 2 and words in lines[0]


def test_a_folder_that_cannot_be_written_is_refused(evaluate, tmp_path):
    (tmp_path / "file").write_text("")
    status, out, lines = evaluate("--fig_dir", tmp_path / "file")
    assert status == 2 and "--fig_dir: expected a folder to write in" in lines[0] and out == ""


def test_figures_of_the_evaluation_before_do_not_stay(evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "png", lambda figure: b"")  # which takes most of the time
    evaluate("--mode", "reconstruct", "--show", "all", "--batch_size", 7)
    before = {path.name for path in (tmp_path / "reconstruct").glob("*.png")}
    (tmp_path / "reconstruct" / "mine.png").write_text("not by eval.py")
    evaluate("--mode", "reconstruct", "--show", "all", "--batch_size", 50)
    after = {path.name for path in (tmp_path / "reconstruct").glob("*.png")}
    assert len(before) > len(after) - 1 and "mine.png" in after
    text = (tmp_path / "reconstruct" / "results.json").read_text()
    assert after - {"mine.png"} == set(json.loads(text)["figures"])


def test_an_evaluation_that_is_interrupted_leaves_the_one_before(evaluate, tmp_path, monkeypatch):
    evaluate("--mode", "reconstruct", "--show", "all")
    (tmp_path / "reconstruct" / "confusion.png").write_bytes(b"another evaluation's")
    before = {path: path.read_bytes() for path in (tmp_path / "reconstruct").iterdir()}

    def interrupted(*_):
        raise InputError("in the middle")

    monkeypatch.setattr(charts, "reliability", interrupted)  # comes after the confusion
    status, _, lines = evaluate("--mode", "reconstruct")
    assert status == 2 and "in the middle" in lines[0]
    assert before == {path: path.read_bytes() for path in (tmp_path / "reconstruct").iterdir()}


def test_nothing_half_written_stays(evaluate, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    status, _, lines = evaluate("--mode", "reconstruct")
    assert status == 2 and "No space left on device" in lines[0]
    assert list((tmp_path / "reconstruct").iterdir()) == []


# ---- networks and datasets that lack something, or have more ----

class ScoresOnly(Network):
    """One dense layer: no capsules, no decoder."""

    def __init__(self, image_shape, classes):
        super().__init__(image_shape, classes)
        self.dense = tf.keras.layers.Dense(classes)
        self.make_variables()

    def call(self, images, labels=None, training=False):
        return Output(self.dense(tf.reshape(images, [-1, math.prod(self.image_shape)])))

    def loss_terms(self, output, labels, sources):
        wanted = targets(labels, self.classes)
        return {"loss": tf.nn.softmax_cross_entropy_with_logits(wanted, output.scores)}


@pytest.fixture
def scores_only(run, monkeypatch):
    """eval.py finds a trained network without capsules."""
    folder, _, dataset = run
    cfg = toy.settings(DATASET=str(folder / "bars.npz"), LR=0.01, SHIFT=0)
    network = ScoresOnly(dataset.image_shape, dataset.classes)
    step = make_train_step(network, make_optimizer(cfg), cfg, Devices())
    for number in range(20):
        step(training_batch(dataset, 0, number, cfg.BATCH_SIZE))
    saved = RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest, dataset.class_names)
    loaded = checkpoints.Loaded(network, saved, folder / "run" / "ckpt-20")
    monkeypatch.setattr(checkpoints, "load", lambda path: loaded)


def test_a_network_of_scores_alone_is_tested(evaluate, scores_only, tmp_path):
    status, out, _ = evaluate("--mode", "test")
    found = results(tmp_path / "test")
    assert status == 0 and found["accuracy"] > 0.75 and found["loss"] > 0
    assert "margin" not in found and "reconstruction" not in found


def test_a_network_of_scores_alone_is_attacked_without_detection(evaluate, scores_only, tmp_path):
    status, out, _ = evaluate("--mode", "adversarial", "--num_images", "20", "--attack", "bim")
    found = results(tmp_path / "adversarial" / "bim-targeted")
    assert status == 0 and found["success_rate"] > 0
    assert not [name for name in found if "detect" in name or "roc" in name or "positive" in name]
    assert "detection.png" not in found["figures"] and "success.png" in found["figures"]


def test_an_attack_that_the_network_cannot_have_is_refused_before_anything_is_written(evaluate, scores_only, tmp_path):
    status, out, lines = evaluate("--mode", "adversarial", "--attack", "vote")
    assert (status, out) == (2, "") and "--attack vote: expected a network with routing" in lines[0]
    assert not (tmp_path / "adversarial").exists()


@pytest.mark.parametrize("mode", ["reconstruct", "cap_tweak"])
def test_a_mode_that_needs_capsules_says_which_network_lacks_them(evaluate, scores_only, tmp_path,
                                                                  mode):
    status, out, lines = evaluate("--mode", mode)
    assert status == 2 and out == "" and not (tmp_path / mode).exists()
    assert f"--mode {mode}: expected a network with capsules and decoder" in lines[0]
    assert "run/ckpt-20 (capsnet) without" in lines[0]
    assert "--mode adversarial or affine or " in lines[0] and lines[0].endswith("test works")


@pytest.mark.parametrize("mode", ["reconstruct", "cap_tweak", "adversarial"])
def test_two_labels_to_an_image_are_refused_before_anything_is_written(evaluate, run, monkeypatch,
                                                                       tmp_path, mode):
    def two(split):
        return split._replace(labels=np.repeat(split.labels, 2, axis=1))

    one = run[2]
    dataset = Dataset("pairs", two(one.train), two(one.val), two(one.test), one.class_names)
    monkeypatch.setattr(data, "load", lambda cfg: dataset)
    status, out, lines = evaluate("--mode", mode)
    assert status == 2 and out == "" and not (tmp_path / mode).exists()
    assert f"--mode {mode}: expected a dataset with one label for each image" in lines[0]


def test_the_datasets_own_settings_are_as_in_training_unless_given(evaluate, run, monkeypatch):
    asked = []

    def load(cfg):
        asked.append(cfg)
        raise InputError("no more is needed here")

    monkeypatch.setattr(data, "load", load)
    evaluate()
    evaluate("--image_size", "20", "--seed", "5")
    trained = toy.settings()
    assert trained.IMAGE_SIZE != 20
    assert [cfg.IMAGE_SIZE for cfg in asked] == [trained.IMAGE_SIZE, 20]
    assert [cfg.SEED for cfg in asked] == [0, 0], "the splits are those of the training"


def test_names_of_classes_stand_in_the_figures(evaluate, run, monkeypatch, tmp_path):
    one = run[2]
    names = "Sandal", "Ankle boot", "T-shirt/top or so"
    dataset = Dataset("wardrobe", one.train, one.val, one.test, names)
    monkeypatch.setattr(data, "load", lambda cfg: dataset)
    monkeypatch.setattr(figures, "png", lambda figure: b"")  # which takes most of the time
    drawn = []
    for module, name in ((sheets, "rows_of_images"), (sheets, "pair"), (sheets, "tweaks")):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, original=original: (
            drawn.append(original(*given)), drawn[-1])[1])
    flags = "--num_images", "9", "--max_iters", "2"
    for mode in ("reconstruct", "cap_tweak", "adversarial"):
        assert evaluate("--mode", mode, *flags)[0] == 0
    words = [text.get_text() for figure in drawn for text in figure.axes[0].texts]
    assert {"Sandal", "class Ankle boot"} <= set(words)
    assert any(word.startswith("T-shirt/to…\n(0.") for word in words)
    assert any("class Ankle boot: what each dimension" in word for word in words)
    assert any("Sandal to Ankle boot: " in word for word in words)


def test_captions_are_on_one_line_for_numbers_only():
    assert reconstruct.caption("7", 0.987) == "7 (0.99)" and reconstruct.caption("7") == "7"
    assert reconstruct.caption("Sandal", 0.987) == "Sandal\n(0.99)"


def test_the_checkpoint_is_looked_for_once(evaluate, run, monkeypatch, tmp_path):
    """So that it cannot change between its settings, its weights and its history."""
    found, find = [], checkpoints.find
    monkeypatch.setattr(checkpoints, "find", lambda path: (found.append(path), find(path))[1])
    shutil.copytree(run[0] / "run", tmp_path / "run")
    assert evaluate("--ckpt", tmp_path / "run")[0] == 0 and len(found) == 1


def test_wrong_flags_are_refused_before_tensorflow_starts(evaluate, monkeypatch):
    monkeypatch.setattr(cli, "start_tensorflow", lambda: pytest.fail("started"))
    status, _, lines = evaluate("--mode", "cap_tweak", "--tweak_range", "0.12")
    assert status == 2 and "whole strides" in lines[0]


def test_help_lists_every_flag_without_tensorflow():
    code = ("import sys; sys.argv = ['eval.py', '--help']; import eval, contextlib\n"
            "with contextlib.suppress(SystemExit): eval.main()\n"
            "sys.exit('tensorflow' in sys.modules)")
    found = subprocess.run([sys.executable, "-c", code], cwd=cli.__file__.rpartition("/")[0],
                           capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    for word in ("--mode", "--attack", "bim, fgsm, ", "--tweak_range", "--show",
                 "--image_size", "not given: as in training"):
        assert word in found.stdout
