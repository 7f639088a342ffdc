"""The moving average of the weights, the learning rate's other forms, and a run without validation."""
import json
import signal

import numpy as np
import pytest
import tensorflow as tf

import data
import toy
import toy_runs
import train
from data.dataset import training_batch
from data.datasets import glyphs
from runs import checkpoints
from runs.config import load_config
from training.average import averaged
from training.devices import Devices, Replicas
from training.evaluate import evaluate
from training.optimizer import make_optimizer
from training.step import make_test_step, make_train_step


@pytest.fixture
def dataset(tmp_path):
    return data.load(toy.settings(DATASET=str(toy.npz(tmp_path / "bars.npz"))))


@pytest.mark.parametrize("devices", [Devices, lambda: Replicas(tf.distribute.MirroredStrategy(["CPU:0"]))])
def test_the_average_is_that_of_the_weights_after_each_step(dataset, devices):
    """average = M average + (1 - M) weights, beginning with the weights after the first step."""
    cfg, devices = toy.settings(EMA=0.9, LR=0.01), devices()
    with devices.scope():
        network, optimizer = toy.network(), make_optimizer(cfg)
        optimizer.build(network.trainable_variables)
    step, expected = make_train_step(network, optimizer, cfg, devices), None
    for number in range(4):
        step(training_batch(dataset, 0, number, 10))
        weights = [variable.numpy() for variable in network.trainable_variables]
        expected = weights if expected is None else [0.9 * a + 0.1 * w for a, w in zip(expected, weights, strict=True)]
    with averaged(optimizer, network.trainable_variables):
        for variable, value in zip(network.trainable_variables, expected, strict=True):
            np.testing.assert_allclose(variable, value, rtol=1e-5, atol=1e-7)
    for variable, value in zip(network.trainable_variables, weights, strict=True):
        np.testing.assert_array_equal(variable, value, "the trained weights come back")


def test_the_trained_weights_come_back_after_an_error(dataset):
    cfg, network = toy.settings(EMA=0.9), toy.network()
    optimizer = make_optimizer(cfg)
    make_train_step(network, optimizer, cfg, Devices())(training_batch(dataset, 0, 0, 10))
    before = network.digit_caps.W.numpy() + 0
    make_train_step(network, optimizer, cfg, Devices())(training_batch(dataset, 0, 1, 10))
    after = network.digit_caps.W.numpy()
    with pytest.raises(KeyboardInterrupt), averaged(optimizer, network.trainable_variables):
        assert np.any(after != network.digit_caps.W) and np.any(before != after)
        raise KeyboardInterrupt
    np.testing.assert_array_equal(network.digit_caps.W, after)


def test_a_run_with_an_average_in_pieces_is_the_run_in_one_piece(tmp_path):
    assert toy_runs.start(tmp_path / "straight", "--ema", 0.7) == 0
    with toy_runs.in_step(4, toy_runs.send(signal.SIGTERM)):
        assert toy_runs.start(tmp_path / "pieces", "--ema", 0.7) == 128 + signal.SIGTERM
    assert toy_runs.run("--ckpt", tmp_path / "pieces") == 0
    assert toy_runs.same(tmp_path / "pieces", tmp_path / "straight")
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("pieces", "straight")]
    assert results[0]["average"] == results[1]["average"] != results[0]["last"]


def test_the_average_is_validated_tested_and_kept(tmp_path, dataset):
    folder = tmp_path / "run"
    assert toy_runs.start(folder, "--ema", 0.7, "--lr", 0.01) == 0
    both = [toy_runs.metrics(folder, split) for split in ("val", "val_average")]
    assert [line["step"] for line in both[0]] == [line["step"] for line in both[1]] == [2, 4, 6]
    assert both[0][-1]["loss"] != both[1][-1]["loss"]

    # The checkpoint of the average is a network alone with the results that are stated.
    network, trained, _ = checkpoints.load(folder / "average-6")
    cfg = trained.settings
    results = json.loads((folder / "results.json").read_text())
    again = evaluate(make_test_step(network, cfg, Devices()), dataset.test, 10)
    for name, value in again.items():
        np.testing.assert_allclose(results["average"][name], value, rtol=1e-5)

    # The best network is the best average.
    best = max(both[1], key=lambda line: line["accuracy"])
    assert results["best"]["step"] == best["step"]
    network, _, _ = checkpoints.load(folder / f"best-{best['step']}")
    again = evaluate(make_test_step(network, cfg, Devices()), dataset.val, 10)
    np.testing.assert_allclose(again["loss"], best["loss"], rtol=1e-5)


def test_without_an_average_nothing_is_said_of_one(tmp_path):
    assert toy_runs.start(tmp_path / "run") == 0
    assert toy_runs.metrics(tmp_path / "run", "val_average") == []
    assert "average" not in json.loads((tmp_path / "run" / "results.json").read_text())
    assert sorted(path.name for path in (tmp_path / "run" / "tensorboard").iterdir()) == ["health", "train", "val"]


@pytest.mark.parametrize("staircase, floor, rates", [
    (True, 0.0, [0.1, 0.1, 0.05, 0.05, 0.025]), (False, 0.0, [0.1, 0.1 * 0.5 ** 0.9, 0.05, 0.05 * 0.5 ** 0.9, 0.025]),
    (True, 0.04, [0.1, 0.1, 0.05, 0.05, 0.04])])
def test_the_learning_rate(staircase, floor, rates):
    optimizer = make_optimizer(toy.settings(LR=0.1, STEP_SIZE=10, DECAY_RATIO=0.5, STAIRCASE=staircase,
                                            LR_FLOOR=floor))
    found = []
    for step in (0, 9, 10, 19, 20):
        optimizer.iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(found, rates, rtol=1e-6)


@pytest.mark.parametrize("floor, rates", [(0.0, [0.1, 0.05, 0.05, 0.025 * 0.75, 0.025 * 0.25, 0.0]),
                                          (0.01, [0.1, 0.05, 0.05, 0.025 * 0.75, 0.01, 0.01])])
def test_the_learning_rate_falls_to_the_floor_at_the_end(floor, rates):
    optimizer = make_optimizer(toy.settings(LR=0.1, STEP_SIZE=10, DECAY_RATIO=0.5, MAX_ITERS=24, COOLDOWN=4,
                                            LR_FLOOR=floor))
    found = []
    for step in (0, 10, 19, 21, 23, 24):
        optimizer.iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(found, rates, rtol=1e-6)


def test_the_learning_rate_rises_linearly_in_the_first_steps():
    optimizer = make_optimizer(toy.settings(LR=0.1, STEP_SIZE=10, DECAY_RATIO=0.5, WARMUP=4))
    found = []
    for step in (0, 1, 3, 4, 10):
        optimizer.iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(found, [0.025, 0.05, 0.1, 0.1, 0.05], rtol=1e-6)


def test_a_run_without_validation_says_so_and_keeps_no_best(tmp_path, capsys, monkeypatch):
    load = data.load

    def without_validation(cfg):
        dataset = load(cfg)
        return type(dataset)(**{**vars(dataset), "val": dataset.val.take(slice(0, 0))})

    monkeypatch.setattr(data, "load", without_validation)
    assert toy_runs.start(tmp_path / "run", "--ema", 0.7) == 0
    assert "no image is held out for validation" in capsys.readouterr().out
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert "best" not in results and results["average"]["step"] == 6
    assert {line["split"] for line in toy_runs.metrics(tmp_path / "run")} == {"train"}


def test_a_preset_fills_in_what_no_flag_says(tmp_path, capsys):
    assert toy_runs.start(tmp_path / "run", "--preset", "official", "--lr", 0.01) == 0
    settings = load_config(tmp_path / "run").settings
    assert (settings.STEP_SIZE, settings.DECAY_RATIO, settings.STAIRCASE) == (2000, 0.96, False)
    assert (settings.LR_FLOOR, settings.LR, settings.BATCH_SIZE) == (1e-6, 0.01, 10), "flags come first"
    with pytest.raises(SystemExit):
        toy_runs.run("--ckpt", tmp_path / "run", "--preset", "official")
    assert "--preset: a resumed run keeps its settings" in capsys.readouterr().err

def test_a_dataset_s_own_defaults_come_after_flags_and_preset(monkeypatch):
    """And a resumed run gets none of them: it has its own settings."""
    given = []
    monkeypatch.setattr(train, "train", lambda *arguments: given.append(arguments[0]))
    monkeypatch.setattr(glyphs, "DEFAULTS", {"STEP_SIZE": 77, "LR": 0.002, "SHIFT": 3}, raising=False)
    toy_runs.run("--dataset", "glyphs", "--preset", "official", "--lr", 0.01)
    toy_runs.run("--dataset", "mnist", "--lr", 0.01)
    toy_runs.run("--ckpt", "output/run", "--dataset", "glyphs")
    assert (given[0]["STEP_SIZE"], given[0]["DECAY_RATIO"], given[0]["LR"], given[0]["SHIFT"]) == (2000, 0.96, 0.01, 3)
    assert given[1:] == [{"DATASET": "mnist", "LR": 0.01}, {"DATASET": "glyphs"}]
