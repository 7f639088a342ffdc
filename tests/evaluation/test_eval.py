"""eval.py by its main(): every mode on a toy network, its files, and its refusals in one line."""
import csv
import dataclasses
import io
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy import stats

import cli
import config
import data
import model
import toy
from config import EVAL_ALL
from data.dataset import Dataset, Split, scale
from evaluation import evaluate as evaluation
from evaluation import report
from evaluation.figures import charts, sheets, side_by_side
from evaluation.modes import adversarial, cap_tweak, reconstruct
from evaluation.modes import test as test_mode
from evaluation.statistics.intervals import of_clusters
from runs import checkpoints
from runs.config import RunConfig
from settings import Config, InputError


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_run):
    """A folder with bars.npz and a network that has learnt to tell them apart, both loaded."""
    folder = tmp_path_factory.mktemp("eval")
    arrays = dict(np.load(toy.npz(folder / "bars.npz")))
    arrays["y_test"][::7] = (arrays["y_test"][::7] + 1) % toy.CLASSES  # the network gets them wrong
    np.savez(folder / "bars.npz", **arrays)
    return folder, *make_run(folder / "run", toy.settings(DATASET=str(folder / "bars.npz"), LR=0.01, SHIFT=0), 40)


@pytest.fixture(scope="module")
def scores_alone(run, make_run, small_cnn):
    """The folder of a network without capsules or a decoder, beside that of `run`."""
    cfg = toy.settings(DATASET=str(run[0] / "bars.npz"), MODEL="cnn", CNN_LAYERS="pooled", LR=0.01, SHIFT=0)
    make_run(run[0] / "cnn", cfg, 30)
    return run[0] / "cnn"


@pytest.fixture
def evaluate(run, run_eval, tmp_path):
    """evaluate(flags) -> Ended; figures go to tmp_path."""
    def call(*flags, draw=False):
        known = {"--ckpt": run[0] / "run", "--dataset": run[0] / "bars.npz", "--batch_size": 16}
        more = [word for name, value in known.items() if name not in flags for word in (name, value)]
        return run_eval(tmp_path, *flags, *more, draw=draw)
    return call


def rows(table):
    return list(csv.DictReader(io.StringIO(table.decode())))


# ---- test ----

def test_accuracy_losses_classes_and_errors(evaluate, run):
    _, network, dataset = run
    ended = evaluate("--mode", "test", draw=True)
    found, labels = ended.results, dataset.test.labels[:, 0]
    output = network(scale(dataset.test.images))
    scores, predicted = output.scores.numpy(), np.argmax(output.scores, axis=1)
    right = predicted == labels
    terms = network.loss_terms(output, labels[:, None], scale(dataset.test.images)[:, None])
    assert ended.status == 0 and 0.75 < right.mean() < 0.9
    assert found["accuracy"] == pytest.approx(right.mean()) and found["error"] == pytest.approx(1 - right.mean())
    assert found["images"] == len(labels) == 50
    for name in ("loss", "margin", "reconstruction"):
        assert found[name] == pytest.approx(np.mean(terms[name]), rel=1e-5)
    assert f"{right.mean():.2%}" in ended.out and "run/ckpt-40, trained on bars, evaluated on bars" in ended.out
    assert found["checkpoint"].endswith("ckpt-40") and found["settings"]["SEED"] == 0

    assert found["class_names"] == ["0", "1", "2"]
    for j, (row, line) in enumerate(zip(found["per_class"]["run"], rows(ended.files["per_class.csv"]), strict=True)):
        there, said = labels == j, predicted == j
        assert row == {"class": str(j), "images": there.sum(), "predicted": said.sum(), "correct": (there & said).sum(),
                       "precision": pytest.approx(right[said].mean()), "recall": pytest.approx(right[there].mean())}
        assert line == {name: str(value) for name, value in row.items()}
    expected = [{"file": str(n), "label": str(labels[n]), "predicted": str(predicted[n]),
                 "score": f"{scores[n].max():.4f}"} for n in np.flatnonzero(~right)]
    assert rows(ended.files["errors.csv"]) == expected


def test_errors_are_listed_by_file_and_empty_classes_have_no_precision(run):
    dataset = run[2]
    split = Split(np.zeros((3, 8, 8, 1), np.uint8), np.array([[0, 1], [0, 1], [1, 2]], np.int32))
    dataset = Dataset("three", split, split, split, ("a", "b, c", "猫", "d"))
    object.__setattr__(dataset, "test_files", ("b/1.png", "b/2.png", "b/3.png"))
    predicted = np.array([[1, 0], [0, 2], [1, 2]])
    hits = np.array([[True, True], [True, False], [True, True]])
    judged = test_mode.Judged({}, predicted, np.array([[0.9, 0.8], [0.7, 0.6], [1, 1]]), hits, None)
    expected = {"file": "b/2.png", "label": "a + b, c", "predicted": "a + 猫", "score": "0.7000 + 0.6000"}
    assert test_mode.errors(judged, dataset) == [expected]
    table = test_mode.per_class(split.labels, judged, dataset)
    counts = [[row[name] for name in ("images", "predicted", "correct")] for row in table]
    assert counts == [[2, 2, 2], [3, 2, 2], [1, 2, 1], [0, 0, 0]]
    assert table[1]["recall"] == pytest.approx(2 / 3) and table[2]["precision"] == 0.5
    assert math.isnan(table[3]["recall"]) and math.isnan(table[3]["precision"])


def test_the_history_of_the_training_is_drawn(evaluate, run, calls):
    drawn = calls(charts, "curves")
    train = [{"step": step, "split": "train", "loss": 1 / step, "accuracy": 0.9} for step in range(1, 41)]
    val = [{**line, "split": "val", "loss": 0.5, "accuracy": 0.8} for line in train[::10]]
    metrics = run[0] / "run" / "metrics.jsonl"
    other = {"step": 40, "split": "health", "dead": 0.5}
    metrics.write_text("".join(json.dumps(line) + "\n" for line in [*train, *val, other]) + '{"step": 41, ')
    assert evaluate("--mode", "test").results["figures"] == ["curves.png"]
    (title, of_train, of_val), = drawn
    assert title == "training on bars" and list(of_train.steps) == list(range(1, 41))
    assert list(of_val.steps) == [1, 11, 21, 31] and list(of_val.losses) == [0.5] * 4
    np.testing.assert_allclose(of_val.errors, 0.2)
    for damaged in ('{"step": 1}', '{"step": 1, "split": "val", "accuracy": 1}', "[" * 100_000 + "}"):
        metrics.write_text(f"{damaged}\n")
        ended = evaluate("--mode", "test")
        metrics.unlink()
        assert ended.status == 2 and "metrics.jsonl is not" in ended.errors[0]


def test_several_networks_are_tested_side_by_side(evaluate, run, make_run, calls, tmp_path):
    """Each on the whole test split; their histories on validation are one figure."""
    (folder, network, dataset), drawn = run, calls(side_by_side, "validation_curves")
    other, _ = make_run(tmp_path / "other_run", toy.settings(DATASET=str(folder / "bars.npz")))
    lines = [{"step": step, "split": split, "loss": 1, "accuracy": 1 - step / 100}
             for step in (5, 10) for split in ("train", "val", "val_average")]
    (tmp_path / "other_run" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = evaluate("--mode", "test", "--ckpt", f"{folder / 'run'},{tmp_path / 'other_run'}")
    found, labels = ended.results, dataset.test.labels[:, 0]
    assert ended.status == 0 and found["figures"] == ["curves.png"] and found["images"] == 50
    accuracies = {name: (np.argmax(one(scale(dataset.test.images)).scores, axis=1) == labels).mean()
                  for name, one in (("run", network), ("other_run", other))}
    for name, accuracy in accuracies.items():
        assert found[name]["accuracy"] == pytest.approx(accuracy) and found[name]["loss"] > 0
        low, high = stats.binomtest(round(50 * (1 - accuracy)), 50).proportion_ci(method="wilson")
        assert found["error_intervals"][name] == pytest.approx([low, high])
    printed = [line.split() for line in ended.out.splitlines()]
    assert ["run", "other_run"] in printed
    assert ["accuracy", *(f"{accuracy:.2%}" for accuracy in accuracies.values())] in printed
    assert [row["network"] for row in rows(ended.files["per_class.csv"])] == 3 * ["run"] + 3 * ["other_run"]
    (title, histories, _), = drawn
    assert title == "training on bars" and list(histories) == ["other_run"]  # the only one with a history
    np.testing.assert_allclose(histories["other_run"]["val_average"].errors, [0.05, 0.10])
    assert list(histories["other_run"]["val"].steps) == [5, 10]


def test_an_ensemble_says_what_the_mean_of_the_scores_says(evaluate, run, make_run, tmp_path):
    folder, network, dataset = run
    networks = [network]
    for seed in (1, 2):
        cfg = toy.settings(DATASET=str(folder / "bars.npz"), SEED=seed)
        keras.utils.set_random_seed(seed)
        networks.append(model.build(cfg, toy.IMAGE_SHAPE, toy.CLASSES))
        networks[-1].digit_caps.W.assign(300 * networks[-1].digit_caps.W)  # long capsules
        make_run(tmp_path / f"seed-{seed}", cfg, 0, networks[-1])
    several = f"{folder / 'run'},{tmp_path / 'seed-1'},{tmp_path / 'seed-2'}"
    images, labels = scale(dataset.test.images), dataset.test.labels[:, 0]
    scores = np.array([one(images).scores for one in networks])
    error = (scores.mean(axis=0).argmax(axis=1) != labels).mean()
    assert error not in (scores.argmax(axis=2) != labels).mean(axis=1), "no network alone says so"

    alone, ended = evaluate("--ckpt", several).results, evaluate("--ckpt", several, "--ensemble")
    found = ended.results
    low, high = stats.binomtest(round(50 * error), 50).proportion_ci(method="wilson")
    assert found["ensemble"] == {"networks": ["run", "seed-1", "seed-2"], "averaged": "lengths of capsules",
                                 "accuracy": pytest.approx(1 - error), "error": pytest.approx(error),
                                 "error_interval": pytest.approx([low, high])}
    assert f"ensemble error rate  {error:.2%}" in ended.out
    new = {"ensemble", "ensemble_error_rate"}
    assert found.keys() - alone.keys() == new and all(found[name] == alone[name] for name in ("run", "per_class"))


def test_an_ensemble_of_pairs_says_the_two_classes_of_the_largest_mean():
    """The interval is that of pairs that share digits."""
    scores = np.array([[[.9, .8, 0, 0], [.6, .5, .1, .7]], [[0, .1, .9, 0], [.2, .6, .8, 0]]])   # [networks, N, J]
    labels, digits = np.array([[1, 0], [0, 2]]), np.array([[0, 1], [1, 2]])
    judged = {str(n): test_mode.Judged({}, None, None, None, np.zeros(2), one) for n, one in enumerate(scores)}
    predictors = dict.fromkeys("01", SimpleNamespace(network=SimpleNamespace(capabilities=frozenset())))
    found = test_mode.measure_ensemble(predictors, judged, labels, digits)
    assert found["error"] == 0.5 and found["averaged"] == "logits", "the means are .45 .45 .45 0 and .4 .55 .45 .35"
    assert found["error_interval"] == pytest.approx(of_clusters(np.array([False, True]), digits))


def test_networks_whose_scores_mean_different_things_are_no_ensemble(evaluate, run, tmp_path):
    cfg = Config(EVAL_ALL, {"ENSEMBLE": True})

    def loaded(network, names="abc"):
        return checkpoints.Loaded(network, RunConfig(None, None, len(names), "", tuple(names)), "some/ckpt-1")

    scores_only = SimpleNamespace(capabilities=frozenset(), image_shape=toy.IMAGE_SHAPE)
    one, others = loaded(toy.network()), [loaded(toy.network(), "abd"), loaded(toy.network(image_shape=(20, 20, 1))),
                                          loaded(scores_only)]
    test_mode.check_networks([one, one], cfg)
    for other in others:
        with pytest.raises(InputError, match="--ensemble: expected networks like some/ckpt-1, lengths of capsules for"):
            test_mode.check_networks([one, one, other], cfg)
        test_mode.check_networks([one, other], Config(EVAL_ALL))
    ended = evaluate("--ensemble", "--ckpt", f"{run[0] / 'run'},{renamed(run, tmp_path, ['ant', 'bee', 'cow'])}")
    assert ended.status == 2 and ended.results is None
    assert "[H, W, C] (18, 17, 1) and 0, 1, 2; received" in ended.errors[0] and "and ant, bee, cow" in ended.errors[0]


def test_the_numbers_of_networks_are_printed_as_a_table():
    """Those that a network does not have are a dash."""
    numbers = {"images": 1000, "mine_$": {"success_rate": 0.5, "checks": "holds"}, "b": {"success_rate": 0.25}}
    lines = [line.split("  ") for line in report.as_lines(numbers)]
    words = [[word.strip() for word in line if word] for line in lines]
    assert words[:2] == [["images", "1,000"], ["mine_$", "b"]]
    assert words[2:] == [["success rate", "50.00%", "25.00%"], ["checks", "holds", "-"]]


# ---- which images, which classes ----

def loaded(network, cfg, dataset):
    """-> a network that was trained with these settings on this dataset, as evaluate.py sees it"""
    run = RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest, dataset.class_names)
    return checkpoints.Loaded(network, run, Path("folder/ckpt-1"))


def test_test_images_that_a_network_was_trained_on_are_refused(run, tmp_path):
    """Another seed splits images without a test split otherwise. With one, any seed is welcome."""
    images, labels = toy.images(60)
    for name, test in (("mine", {}), ("own test", {"x_test": images[:20], "y_test": labels[:20]})):
        np.savez(tmp_path / f"{name}.npz", x_train=images, y_train=labels, **test)
        cfg, other = (toy.settings(DATASET=str(tmp_path / f"{name}.npz"), SEED=seed) for seed in (0, 1))
        dataset, networks = data.load(cfg), [loaded(run[1], one, data.load(one)) for one in (cfg, other)]
        evaluation.check_unseen(networks[0], cfg, dataset)
        if test:
            evaluation.check_unseen(networks[1], cfg, dataset)
            continue
        with pytest.raises(InputError, match="folder/ckpt-1: expected a network that has not seen the test images"):
            evaluation.check_unseen(networks[1], cfg, dataset)


def renamed(run, folder, names):
    """-> a copy of the run, whose data are bars.npz in `folder`, with classes of these names"""
    copy = shutil.copytree(run[0] / "run", folder / "run")
    saved = json.loads((copy / "config.json").read_text().replace(str(run[0]), str(folder)))
    (copy / "config.json").write_text(json.dumps({**saved, "class_names": names}))
    return copy


def test_it_says_where_a_network_may_not_be_meant_for_the_images(evaluate, run, tmp_path):
    """Of the same images nothing is said."""
    out = evaluate().out
    assert not [word for word in ("has changed", "has other classes", "background") if word in out]
    arrays = dict(np.load(run[0] / "bars.npz"))
    copy = renamed(run, tmp_path, ["ant", "bee", "cow"])
    np.savez(tmp_path / "bars.npz", **{**arrays, "x_train": 255 - arrays["x_train"]})
    ended = evaluate("--ckpt", copy, "--dataset", tmp_path / "bars.npz")
    assert ended.status == 0
    assert f"{copy}/ckpt-40: {tmp_path}/bars.npz has changed since the training" in ended.out
    assert "has other classes, ant, bee, cow (3), than bars, 0, 1, 2 (3): they are compared in this order" in ended.out
    ended = evaluate("--ckpt", copy)
    assert ended.status == 0 and "has changed" not in ended.out, "other images, and the user says so"


@pytest.mark.parametrize("of_training, of_test, words", [
    ("dark", "light", "light background, the training images had a dark one"), ("dark", "other", ""),
    ("mnist", "light", "light background, the training images had a dark one"), ("gone", "light", ""),
    ("light", "other", "dark background, the training images had a light one")])
def test_ink_and_paper_the_other_way_round_are_said(run, tmp_path, capsys, of_training, of_test, words):
    arrays = dict(np.load(run[0] / "bars.npz"))
    cfg = {name: toy.settings(DATASET=name if name == "mnist" else str(tmp_path / f"{name}.npz"))
           for name in ("dark", "other", "light", "mnist", "gone")}
    for name in ("dark", "other", "light"):
        np.savez(tmp_path / f"{name}.npz", **{
            key: 255 - value if name == "light" and key[0] == "x" else value for key, value in arrays.items()})
    dataset = data.load(cfg[of_test])
    evaluation.say_differences(loaded(run[1], cfg[of_training], dataset), cfg[of_test], dataset, dataset)
    said = capsys.readouterr().out
    assert words in said if words else said == ""


def test_equal_names_of_classes_are_matched_whatever_their_order(evaluate, run, tmp_path):
    """The same images under other numbers have the same accuracy, and a class is chosen by its name."""
    expected = evaluate().results
    arrays = dict(np.load(run[0] / "bars.npz"))
    copy = renamed(run, tmp_path, ["2", "0", "1"])
    names = {f"y_{part}": (arrays[f"y_{part}"] + 2) % 3 for part in ("train", "val", "test")}  # named by it
    np.savez(tmp_path / "bars.npz", **{**arrays, **names})
    ended = evaluate("--ckpt", copy, "--dataset", tmp_path / "bars.npz")
    assert ended.out.count("has other classes, 2, 0, 1 (3), than bars, 0, 1, 2 (3): they are matched by name") == 1
    found = ended.results
    assert found["accuracy"] == expected["accuracy"] and found["class_names"] == ["2", "0", "1"]
    assert [row["recall"] for row in found["per_class"]["run"]] == [
        row["recall"] for row in expected["per_class"]["run"]]
    assert "has changed" not in ended.out, "the digest is that of the order of the training"
    few = names["y_test"] < 2  # a test set alone, without the last class
    np.savez(tmp_path / "few.npz", x_test=arrays["x_test"][few], y_test=names["y_test"][few])
    ended = evaluate("--ckpt", copy, "--dataset", tmp_path / "few.npz")
    rows = zip(ended.results["per_class"]["run"], found["per_class"]["run"], strict=True)
    assert [one["recall"] == other["recall"] for one, other in rows] == [False, True, True]
    dataset = evaluation.in_order_of(RunConfig(None, None, 3, "", ("2", "0", "1")), data.load(
        toy.settings(DATASET=str(tmp_path / "bars.npz"))))
    for part in ("train", "val", "test"):
        np.testing.assert_array_equal(getattr(dataset, part).labels, getattr(run[2], part).labels)
    ended = evaluate("--ckpt", f"{run[0] / 'run'},{copy}")
    assert ended.status == 2 and "expected the classes in the order of" in ended.errors[0]


def test_the_data_are_the_runs_own_unless_given(run, run_eval, evaluate, monkeypatch, calls, tmp_path):
    """Without --dataset not MNIST, which the network never saw; the checkpoint is looked for once."""
    copy, found = shutil.copytree(run[0] / "run", tmp_path / "run"), calls(checkpoints, "find")
    monkeypatch.setattr(checkpoints, "load", lambda path, load=checkpoints.load: load(path))  # each time anew
    ended = run_eval(tmp_path / "figs", "--ckpt", copy)
    assert ended.results["settings"]["DATASET"] == str(run[0] / "bars.npz") and len(found) == 1
    asked = []

    def load(cfg, **_):
        asked.append(cfg)
        raise InputError("no more is needed here")

    monkeypatch.setattr(data, "load", load)
    evaluate()
    evaluate("--image_size", "20", "--seed", "5")
    assert toy.settings().IMAGE_SIZE != 20 and [cfg.IMAGE_SIZE for cfg in asked] == [toy.settings().IMAGE_SIZE, 20]
    assert [cfg.SEED for cfg in asked] == [0, 0], "the splits are those of the training"


# ---- reconstruct, cap_tweak ----

def test_reconstruct_covers_every_image(evaluate, run, calls):
    (_, network, dataset), drawn = run, calls(sheets, "rows_of_images")
    images, labels = scale(dataset.test.images), dataset.test.labels[:, 0]
    ended = evaluate("--mode", "reconstruct", draw=True)
    found, output = ended.results, network(images)
    right = np.argmax(output.scores, axis=1) == labels
    assert ended.status == 0 and found["errors"] == (~right).sum() == len(found["wrong"]) >= 8
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
    assert f"expected calibration error                       {np.mean(gaps):.2%}" in ended.out
    assert np.sum(found["confusion"]) == 50 == sum(found["reliability"]["count"])
    assert found["images_drawn"] == (~right).sum() and found["class_names"] == ["0", "1", "2"]

    # the capsules asked for
    def shown(*flags):
        drawn.clear()
        return evaluate("--mode", "reconstruct", *flags).results, drawn

    (_, of_errors), = drawn
    assert [row.name for row in of_errors] == ["input", "label capsule", "predicted capsule"]
    assert of_errors[0].marked is None and [row.marked.all() for row in of_errors[1:]] == [False, True]
    found, figures = shown("--show", "all")
    assert found["images_drawn"] == 50 and len(figures) == 4 and len(found["figures"]) == 6
    title, rows = figures[0]
    assert title.startswith("bars, test images 1 to 16")
    assert [row.name for row in rows] == ["input", "predicted capsule"]
    assert 0 < rows[1].marked.sum() < 16 and rows[0].marked is None
    found, ((_, rows),) = shown("--show", "all", "--mask", "label", "--max_iters", 1)
    assert found["images_drawn"] == 16 and [row.name for row in rows] == ["input", "label capsule"]
    assert not rows[1].marked.any()


def test_cap_tweak(evaluate):
    ended = evaluate("--mode", "cap_tweak", "--num_images", "30", draw=True)
    found = ended.results
    assert ended.status == 0 and found["figures"] == ["class-0.png", "class-1.png", "class-2.png", "effects.png"]
    assert found["images"] == 30 and 20 < found["images_classified_right"] < 30
    assert found["dimensions"] == 12 and found["per"] == pytest.approx(0.25)
    one = found["effects"]["class 1"]["dimensions"][3]
    assert one["dimension"] == 3 and one["slant"]["unit"] == "°"
    assert one["width"]["low"] <= one["width"]["slope"] <= one["width"]["high"]
    described = [dimension for j in range(3) for dimension in found["effects"][f"class {j}"]["dimensions"]]
    strongest = [dimension for dimension in described if dimension["strongest"]]
    assert found["dimensions_with_a_significant_effect"] == len(strongest)
    areas = [abs(dimension["area"]["standard"]) for dimension in described if dimension["area"]["significant"]]
    assert found["largest_effect_on_area_in_sd"] == pytest.approx(max(areas, default=0))


@pytest.mark.parametrize("names, target, number", [
    (["0", "1", "2"], "2", 2), (["0", "2", "1"], "2", 1), (["a", "2", "b"], "2", 1), (["a", "b", "c"], "2", 2),
    (["a", "b", "c"], "b", 1)])
def test_a_class_is_chosen_by_its_name_before_its_number(run, names, target, number):
    dataset = dataclasses.replace(run[2], class_names=tuple(names))
    chosen = cap_tweak.candidates(dataset, Config(EVAL_ALL, {"TWEAK_TARGET": target}))
    np.testing.assert_array_equal(chosen, np.flatnonzero(dataset.test.labels[:, 0] == number))


# ---- adversarial ----

@pytest.mark.parametrize("attack, targeted, pairs", [("original", True, 6), ("pgd", False, 3)])
def test_adversarial_and_again_with_the_same_numbers(evaluate, attack, targeted, pairs):
    flags = ["--mode", "adversarial", "--attack", attack, "--num_images", "20", "--max_iters", "12",
             "--targeted" if targeted else "--no-targeted"]
    ended = evaluate(*flags, draw=targeted)
    found = ended.results
    assert ended.status == 0 and len(found["examples"]) == pairs
    others = {"examples.png", "success.png", "detection.png", "l2_by_class.png",
              "success_by_class.png" if targeted else "share_by_class.png"}
    assert set(found["figures"]) == others
    assert found["success_rate"] > 0, "otherwise this test says little"
    undetected = found["success_rate"] * (1 - found["detection_rate"])
    assert found["undetected_success_rate"] == pytest.approx(undetected)
    assert found["curve"]["success_rates"][-1] == pytest.approx(found["success_rate"])
    for example in found["examples"]:
        reached = example["predicted"] == example["target"]
        escaped = example["predicted"] != example["label"]
        assert example["success"] == (reached if targeted else escaped)
    if not targeted:
        assert evaluate(*flags).files == ended.files


def test_the_detector_by_hand(evaluate, run, monkeypatch):
    """From the network's own outputs: the threshold, false alarms, and detected attacks."""
    _, network, dataset = run
    load, wrong = data.load, dataset.val._replace(labels=(dataset.val.labels + 1) % 3)
    monkeypatch.setattr(data, "load", lambda cfg, **_: dataclasses.replace(load(cfg), val=wrong))
    attacked, attack = [], adversarial.attacks.run
    monkeypatch.setattr(adversarial.attacks, "run", lambda *given, **named: (
        attacked.append(attack(*given, **named)), attacked[-1])[1])
    flags = "--mode", "adversarial", "--attack", "bim", "--no-targeted", "--num_images", "20", "--max_iters", "5"
    found = evaluate(*flags).results
    moved = max(attacked, key=lambda one: len(one.success))  # the others are examples

    def distances(images):
        output = network(images)  # without labels, the longest capsule is decoded
        return np.sqrt(np.square(images - output.reconstruction[:, 0]).sum(axis=(1, 2, 3)))

    def threshold(split):
        return pytest.approx(np.sort(distances(scale(split.images)))[math.ceil(0.95 * len(split.labels)) - 1], rel=1e-5)

    assert found["detection_threshold"] == threshold(dataset.val) != threshold(dataset.train)
    suspect = distances(moved.images)[moved.success] > found["detection_threshold"]
    assert 0 < len(suspect) < len(moved.success) and 0 < suspect.mean() < 1, "otherwise this test says little"
    assert found["detection_rate"] == pytest.approx(suspect.mean())
    assert found["undetected_success_rate"] == pytest.approx((~suspect).sum() / len(moved.success))

    # without validation images it is that of the training images, without both that of the test images
    none = dataset.val.take(slice(0, 0))
    for absent, split in (({"val": none}, dataset.train), ({"val": none, "train": none}, dataset.test)):
        monkeypatch.setattr(data, "load", lambda cfg, absent=absent, **_: dataclasses.replace(load(cfg), **absent))
        assert evaluate(*flags).results["detection_threshold"] == threshold(split)


def test_each_way_to_attack_has_a_folder_of_its_own():
    for changes, name in (({}, "original-targeted"), ({"ATTACK": "pgd", "TARGETED": False}, "pgd-untargeted"),
                          ({"ATTACK": "pgd", "NORM": "l2"}, "pgd-l2-targeted"), ({"ATTACK": "all"}, "all-targeted"),
                          ({"ATTACK": "pgd", "CKPT": "one,two"}, "pgd-targeted-compared")):
        assert adversarial.folder(Config(EVAL_ALL, changes)) == name


def test_tables_of_an_attack_have_the_true_class_in_their_rows(tmp_path):
    """0 became 1 twice and stayed once, 2 became 0."""
    labels, became = np.array([0, 0, 0, 2]), np.array([1, 1, 0, 0])
    moved = SimpleNamespace(success=became != labels, l2=np.array([1.0, 3.0, 9.0, 5.0]))
    split = Split(np.zeros((1, 8, 8, 1), np.uint8), np.zeros((1, 1), np.int32))
    made = report.Report(tmp_path, Config(EVAL_ALL, {"TARGETED": False}))
    dataset = Dataset("three", split, split, split, ("a", "b", "c"))
    found = adversarial.draw_tables(labels, became, moved, dataset, made.cfg, "title", made)
    np.testing.assert_array_equal(found["l2_by_class"], [[np.nan, 2, np.nan], [np.nan] * 3, [5, np.nan, np.nan]])
    np.testing.assert_allclose(found["share_by_class"], [[1 / 3, 2 / 3, 0], [0, 0, 0], [1, 0, 0]])
    goals, cfg = np.array([1, 1, 2, 0]), Config(EVAL_ALL, {"TARGETED": True})
    found = adversarial.draw_tables(labels, goals, moved, dataset, cfg, "title", made)
    np.testing.assert_array_equal(found["success_by_class"], [[np.nan, 1, 0], [np.nan] * 3, [1, np.nan, np.nan]])


# ---- refusals ----

@pytest.mark.parametrize("flags, words", [
    ("--mode train", f"--mode: expected one of {', '.join(config.MODES)}"),
    ("--attack deepfool", "--attack: expected one of "), ("--epsilon nan", "--epsilon: expected a number above 0"),
    ("--attack pgd", "--attack: expected --mode adversarial, which has this setting, received --mode test"),
    ("--ensemble", "--ensemble: expected several networks, by --ckpt A,B,C, received 1"),
    ("--ensemble --mode routing", "--ensemble: expected --mode test, which has this setting, received --mode routing"),
    ("--lr 0.1", "--lr: expected --attack original"),
    ("--mode adversarial --attack pgd --lr 0.1", "--lr: expected --attack original"),
    ("--num_image 5", "did you mean --num_images?"), ("--conv1_channels 4", "unknown argument --conv1_channels"),
    ("--mode cap_tweak --tweak_target 3", "by its number from 0 to 2, or -1 for every class, received 3"),
    ("--mode cap_tweak --tweak_target -2", "--tweak_target: expected a class by its name"),
    ("--mode cap_tweak --tweak_target 2 --dataset {0}/no-2.npz", "--tweak_target 2: expected a class of the test"),
    ("--mode cap_tweak --tweak_range 0.12", "expected a range of 1 to 50 whole strides"),
    ("--mode cap_tweak --tweak_range 0.02", "expected a range of 1 to 50 whole strides"),
    ("--mode cap_tweak --tweak_stride 0.0049", "received 0.25 and 0.0049"),
    ("--mode affine", "received bars; --mode adversarial or cap_tweak or reconstruct or routing or test works"),
    ("--dataset {0}/size.npz", "(20, 20, 1) and 3 classes, as size has, received one for (18, 17, 1) and 3"),
    ("--fig_dir {0}/no-2.npz", "--fig_dir: expected a file in a folder to write in"),
    ("--ckpt /nowhere", "no checkpoint at /nowhere"), ("--ckpt {1}/run,", "--ckpt: expected a path in UTF-8"),
    ("--ckpt {1}/run,{1}/run/ckpt-40 --mode cap_tweak", "expected different networks, received"),
    ("--ckpt {1}/run,{1}/cnn --mode cap_tweak", "received 2; --mode adversarial or test works"),
    ("--ckpt {1}/cnn --mode cap_tweak", "ckpt-30 (cnn) without; --mode adversarial or test works"),
    ("--ckpt {1}/cnn --mode routing", "--mode routing: expected a network with capsules and routing"),
    ("--ckpt {1}/cnn --mode adversarial --attack vote", "--attack vote: expected a network with routing")])
def test_what_cannot_be_evaluated_is_refused_in_one_line(evaluate, run, scores_alone, flags, words, tmp_path):
    images, labels = toy.images(40, image_shape=(20, 20, 1))
    np.savez(tmp_path / "size.npz", x_train=images, y_train=labels)
    arrays = dict(np.load(run[0] / "bars.npz"))
    some = arrays["y_test"] != 2
    np.savez(tmp_path / "no-2.npz", **{**arrays, "x_test": arrays["x_test"][some], "y_test": arrays["y_test"][some]})
    before = sorted(tmp_path.iterdir())
    ended = evaluate(*flags.format(tmp_path, run[0]).split())
    assert ended.status == 2 and sorted(tmp_path.iterdir()) == before and "evaluated on" not in ended.out
    assert len(ended.errors) == 1 and ended.errors[0].startswith("eval.py: error: ") and words in ended.errors[0]


# ---- files ----

def test_files_of_the_evaluation_before_do_not_stay(evaluate, tmp_path):
    folder = tmp_path / "reconstruct"
    before = evaluate("--mode", "reconstruct", "--show", "all", "--batch_size", 7).files
    (folder / "mine.png").write_text("not by eval.py")
    text = (folder / "results.json").read_text().replace('"tables": []', '"tables": ["old.csv", "../../passwd.csv"]')
    (folder / "results.json").write_text(text)
    for path in (folder / "old.csv", folder.parent / "passwd.csv"):
        path.write_text("")
    ended = evaluate("--mode", "reconstruct", "--show", "all", "--batch_size", 50)
    assert len(before) > len(ended.files) - 1 and (folder.parent / "passwd.csv").exists()
    assert sorted(ended.files) == sorted([*ended.results["figures"], "mine.png", "results.json"])


def test_an_evaluation_that_fails_leaves_the_one_before(evaluate, tmp_path, monkeypatch):
    """Whether it is interrupted, or nothing can be written. Nothing half written stays, either."""
    before = evaluate("--mode", "reconstruct", "--show", "all").files

    def full(*_):
        raise OSError(28, "No space left on device")

    def interrupted(*_):
        raise InputError("in the middle")

    for place, action, words in (("evaluation.figures.charts.reliability", interrupted, "in the middle"),
                                 ("os.replace", full, "No space left on device")):
        with monkeypatch.context() as patch:
            patch.setattr(place, action)
            ended = evaluate("--mode", "reconstruct")
        assert ended.status == 2 and words in ended.errors[0] and ended.files == before


# ---- networks and datasets that lack something, or have more ----

def test_a_network_of_scores_alone_is_tested_and_attacked(evaluate, scores_alone, tmp_path):
    flags = "--mode", "adversarial", "--num_images", "20", "--attack", "bim", "--no-targeted", "--epsilon", 1
    ended = evaluate("--ckpt", scores_alone, *flags)
    assert ended.status == 0 and "no detection by reconstruction: the network has no decoder" in ended.out
    found = ended.results
    assert found["success_rate"] > 0 and "success.png" in found["figures"]
    assert found["examples"] and all("score" in one and "length" not in one for one in found["examples"])
    assert not [name for name in found if "detect" in name or "roc" in name or "positive" in name]
    assert "detection.png" not in found["figures"]
    shutil.rmtree(tmp_path / "adversarial")
    found = evaluate("--ckpt", scores_alone, "--mode", "test").results
    assert found["accuracy"] > 0.75 and found["loss"] > 0 and not {"margin", "reconstruction"} & found.keys()


def test_names_of_classes_stand_in_the_figures(evaluate, run, monkeypatch, calls):
    rows_of_images, table, tweaks = calls(sheets, "rows_of_images"), calls(sheets, "table"), calls(cap_tweak, "table")
    names = "Sandal", "Ankle boot", "T-shirt/top or so"
    dataset = dataclasses.replace(run[2], class_names=names)
    monkeypatch.setattr(data, "load", lambda cfg, **_: dataset)
    for mode in ("reconstruct", "cap_tweak", "adversarial"):
        assert evaluate("--mode", mode, "--num_images", "9", "--max_iters", "2").status == 0
    captions = [caption for _, rows in rows_of_images for row in rows for caption in row.captions]
    assert "Sandal" in captions and any(caption.startswith("T-shirt/to…\n(0.") for caption in captions)
    assert any("class Ankle boot: what each dimension" in title for title, *_ in tweaks)
    assert [columns for _, _, columns, *_ in table] == [["Sandal", "Ankle boot", "T-shirt/to…"]]
    assert reconstruct.caption("7", 0.987) == "7 (0.99)" and reconstruct.caption("Sandal", 0.987) == "Sandal\n(0.99)"


def test_help_lists_every_flag_without_tensorflow():
    code = ("import sys; sys.argv = ['eval.py', '--help']; import eval, contextlib\n"
            "with contextlib.suppress(SystemExit): eval.main()\n"
            "sys.exit(bool({'tensorflow', 'matplotlib'} & sys.modules.keys()))")
    found = subprocess.run([sys.executable, "-c", code], cwd=cli.__file__.rpartition("/")[0],
                           capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    for word in ("--mode", "--attack", "bim, fgsm, ", "--tweak_range", "--show", "--image_size",
                 "not given: as in training", "output/figs"):
        assert word in found.stdout
