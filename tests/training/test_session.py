"""The loop over the steps: what is done after each, what ends it, and which settings it begins with."""
import dataclasses
import signal
from unittest.mock import Mock

import numpy as np
import pytest

import data
import toy
import toy_runs
from config import TRAIN
from data.datasets import glyphs
from runs import checkpoints
from runs.config import load_config
from settings import Config, InputError
from toy_runs import metrics, results, run, same, send, start
from training import evaluate as measuring
from training.devices import Devices
from training.evaluate import evaluate
from training.optimizer import make_optimizer
from training.session import fit
from training.signals import StopSignals
from training.step import Training


@pytest.fixture
def dataset(tmp_path):
    return data.load(toy.settings(DATASET=str(toy.npz(tmp_path / "bars.npz"))))


def trained(dataset, run, **changes):
    """-> what `fit` returns, and the training."""
    cfg = toy.settings(**changes)
    run.reached.return_value = None
    training = Training(cfg, dataset, toy.network(), make_optimizer(cfg), Devices(), run)
    return fit(training), training


def steps_of(method):
    """-> the steps that a mocked method of the run was called with."""
    return [call.args[0] for call in method.call_args_list]


def test_every_step_is_trained_and_what_is_due_is_done(dataset):
    """Also after the last step, whether or not it is due then."""
    run = Mock()
    stopped, training = trained(dataset, run, MAX_ITERS=7, PRINT_EVERY=2, VAL_EVERY=3, SAVE_EVERY=5, LR=0.5,
                                STEP_SIZE=4, DECAY_RATIO=0.5)
    records = [call for call in run.record.call_args_list if call.args[1] == "train"]
    assert stopped is None and training.step == 7
    assert [call.args[0] for call in records] == [2, 4, 6, 7]
    assert [call.kwargs["learning_rate"] for call in records] == [0.5, 0.5, 0.25, 0.25], "that of the step itself"
    assert steps_of(run.save_if_best) == steps_of(run.images) == [3, 6, 7]
    assert steps_of(run.save) == [5, 7, 7]
    images, reconstructions = run.images.call_args.args[1:]
    assert images.shape == (8, *toy.IMAGE_SHAPE) and reconstructions.shape == (8, 1, *toy.IMAGE_SHAPE)
    measured = [call.kwargs for call in run.record.call_args_list if call.args[1] == "val"]
    assert [call.args[1] for call in run.save_if_best.call_args_list] == measured


def test_a_signal_in_the_last_step_ends_it_before_the_test(dataset):
    """Who sends it does not want to wait for that."""
    run = Mock()
    with toy_runs.in_step(2, send(signal.SIGTERM)):
        stopped, training = trained(dataset, run, MAX_ITERS=2, SAVE_EVERY=100)
    assert stopped == signal.SIGTERM and training.step == 2 == steps_of(run.save)[-1]


def test_signals_are_remembered_and_only_a_second_sigint_interrupts():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals() as stop:
        assert stop.received is None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            send(number)()
            assert stop.received == signal.SIGTERM
    with StopSignals() as stop, pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)()
        send(signal.SIGTERM)()  # of train.sh: it remains a SIGINT
        assert stop.received == signal.SIGINT
        send(signal.SIGINT)()
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


# ---- --stop_at ----

FOUND = {1: 0.3, 2: 0.5, 3: 0.7, 4: 0.6, 5: 0.9, 6: 0.8, 7: 0.4, 8: 0.95}
FLAGS = ["--max_iters", 8, "--val_every", 1, "--save_every", 2, "--stop_at", 0.7]


@pytest.fixture
def accuracies(monkeypatch):
    """At each step validation finds what FOUND says, whatever the network; of an average 0.99."""
    validate, step = measuring.validate, [0]

    def noted(training):
        step[0] = training.step
        return validate(training)

    def measured(test_step, split, batch_size, title=None):
        accuracy = FOUND[step[0]] if title == "validation" else 0.99
        return {**evaluate(test_step, split, batch_size), "accuracy": accuracy}

    monkeypatch.setattr("training.session.validate", noted)
    monkeypatch.setattr(measuring, "evaluate", measured)


def test_training_ends_at_the_first_validation_that_reaches_the_goal_in_pieces_too(tmp_path, capsys, accuracies):
    """By the trained weights, not by their average. It then does no more, unless the goal is another."""
    straight, pieces = tmp_path / "straight", tmp_path / "pieces"
    assert start(straight, *FLAGS, "--ema", 0.5) == 0  # their average was better before
    assert checkpoints.steps(straight)[-1] == 3 and [line["step"] for line in metrics(straight, "val")] == [1, 2, 3]
    found = results(straight)["stopped"]
    assert (found["step"], found["reached_at_step"], found["accuracy_reached"]) == (3, 3, 0.7)
    assert "has reached STOP_AT 0.7" in found["why"] and results(straight)["last"]["step"] == 3
    assert "training ended at step 3: the accuracy on validation, 70.0000%" in capsys.readouterr().out
    with toy_runs.in_step(2, send(signal.SIGTERM)):
        assert start(pieces, *FLAGS, "--ema", 0.5) == 128 + signal.SIGTERM
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)
    for path in pieces.glob("ckpt-3.*"):  # its validation is done again, and counts again
        path.unlink()
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)
    assert run("--ckpt", pieces, "--stop_at", 0.97) == 0
    assert results(pieces)["stopped"] == {"step": 8, "why": "MAX_ITERS 8 before STOP_AT 0.97"}


def test_without_validation_no_best_is_kept_and_stop_at_is_refused(tmp_path, capsys, monkeypatch):
    load = data.load

    def without(cfg):
        dataset = load(cfg)
        return dataclasses.replace(dataset, val=dataset.val.take(slice(0, 0)))

    monkeypatch.setattr(data, "load", without)
    with pytest.raises(InputError, match="--stop_at 0.7: expected images that are held out for validation"):
        start(tmp_path / "run", *FLAGS)
    assert not (tmp_path / "run").exists()
    assert start(tmp_path / "run", "--ema", 0.7) == 0
    assert "no image is held out for validation" in capsys.readouterr().out
    assert "best" not in results(tmp_path / "run") and results(tmp_path / "run")["average"]["step"] == 6
    assert {line["split"] for line in metrics(tmp_path / "run")} == {"train"}


# ---- the settings ----

@pytest.mark.parametrize("flags, words", [
    (["--stop_at", "1.01"], "--stop_at: expected a number from 0 to 1"),
    (["--ckpt", "a", "--preset", "official"], "--preset: --ckpt continues a run with what it has"),
    (["--ckpt", "a", "--train_dir", "b"], "--train_dir: --ckpt continues"),
    (["--ckpt", "a", "--init_from", "b"], "--init_from: --ckpt continues"),
    (["--devices", "2"], "--devices: expected 1 or more, with --strategy mirrored"),
    (["--strategy", "mirrored", "--devices", "-1"], "--devices: expected 1 or more"), (["--strategy", "many"], "many"),
    (["--strategy", "multi_worker"], "expected the run's folder"), (["--train_dir", "x\udcff"], "a path in UTF-8")])
def test_flags_that_do_not_fit_are_refused_in_one_line(capsys, flags, words):
    with pytest.raises(SystemExit) as exit:
        run(*flags)
    error = capsys.readouterr().err
    assert exit.value.code == 2 and error.count("\n") == 1 and words in error


def test_flags_come_before_the_preset_and_that_before_the_datasets_own_defaults(tmp_path, monkeypatch):
    """A run of fewer steps than a warm-up that nobody asked for warms up all the time."""
    monkeypatch.setattr(glyphs, "DEFAULTS", {"STEP_SIZE": 77, "LR": 0.002, "SHIFT": 3, "WARMUP": 50}, raising=False)
    toy.pairs_of_glyphs(monkeypatch)  # few of them
    flags = toy.FLAGS[:toy.FLAGS.index("--shift")] + toy.FLAGS[toy.FLAGS.index("--shift") + 2:]
    flags = "--dataset", "glyphs", "--preset", "official", "--lr", 0.01, *flags
    assert run("--train_dir", tmp_path / "run", *flags) == 0
    cfg = load_config(tmp_path / "run").settings
    assert (cfg.STEP_SIZE, cfg.DECAY_RATIO, cfg.STAIRCASE, cfg.LR_FLOOR) == (2000, 0.96, False, 1e-6)
    assert (cfg.LR, cfg.BATCH_SIZE, cfg.SHIFT, cfg.WARMUP, cfg.MAX_ITERS) == (0.01, 10, 3, 50, 6)
    rates = [line["learning_rate"] for line in metrics(tmp_path / "run", "train")]
    assert rates == pytest.approx([0.01 * step / 50 for step in range(1, 7)], rel=1e-2)


@pytest.mark.slow
def test_two_classes_dark_on_light_are_learnt_with_the_defaults(tmp_path):
    digits, arrays = data.load(Config(TRAIN, {"DATASET": "glyphs"})), {}
    for name, split in (("train", digits.train), ("test", digits.val)):  # both of the same fonts
        some = split.take(np.flatnonzero(np.isin(split.labels[:, 0], (3, 8)))[:600])
        arrays |= {f"x_{name}": 255 - some.images, f"y_{name}": (some.labels == 8).astype(int)}
    np.savez(tmp_path / "dark.npz", **arrays)
    assert run("--dataset", tmp_path / "dark.npz", "--train_dir", tmp_path / "run", "--max_iters", 100,
               "--batch_size", 50) == 0
    assert results(tmp_path / "run")["last"]["accuracy"] > 0.95
