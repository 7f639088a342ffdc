"""--stop_at: training ends at the first validation that is accurate enough, in one piece or in several."""
import dataclasses
import json
import shutil
import signal

import pytest

import data
import toy_runs
from runs import checkpoints
from settings import InputError
from toy_runs import metrics, run, same, start
from training import loop
from training.evaluate import evaluate

FOUND = {1: 0.3, 2: 0.5, 3: 0.7, 4: 0.6, 5: 0.9, 6: 0.8, 7: 0.4, 8: 0.95}
FLAGS = ["--max_iters", 8, "--val_every", 1, "--save_every", 2, "--stop_at", 0.7]


@pytest.fixture(scope="module", autouse=True)
def accuracies():
    """At each step validation finds what FOUND says, whatever the network; of an average 0.99."""
    last, step_of = [0], loop.step_of

    def noted(optimizer):
        last[0] = step_of(optimizer)
        return last[0]

    def measured(test_step, split, batch_size, title):
        result = evaluate(test_step, split, batch_size)
        return {**result, "accuracy": FOUND[last[0]] if title == "validation" else 0.99}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "step_of", noted)
        patch.setattr(loop, "evaluate", measured)
        yield


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run that has stopped at step 3, for comparison."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    assert start(folder, *FLAGS) == 0
    return folder


@pytest.fixture
def folder(straight, tmp_path):
    """A copy of it, with its images beside it."""
    shutil.copy(straight.with_name("bars.npz"), tmp_path)
    return shutil.copytree(straight, tmp_path / "run")


def stopped(folder):
    return json.loads((folder / "results.json").read_text())["stopped"]


def test_training_ends_at_the_first_validation_of_the_trained_weights(tmp_path, capsys):
    """Though their average was better before."""
    folder = tmp_path / "run"
    assert start(folder, *FLAGS, "--ema", 0.5) == 0
    assert checkpoints.steps(folder)[-1] == 3 and [line["step"] for line in metrics(folder, "val")] == [1, 2, 3]
    found = stopped(folder)
    assert (found["step"], found["reached_at_step"], found["accuracy_reached"]) == (3, 3, 0.7)
    assert "has reached STOP_AT 0.7" in found["why"]
    assert "training ended at step 3: the accuracy on validation, 70.0000%" in capsys.readouterr().out
    assert json.loads((folder / "results.json").read_text())["last"]["step"] == 3


def test_a_run_in_pieces_stops_at_the_same_step(tmp_path, straight):
    pieces = tmp_path / "pieces"
    with toy_runs.in_step(2, toy_runs.send(signal.SIGTERM)):
        assert start(pieces, *FLAGS) == 128 + signal.SIGTERM
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight) and stopped(pieces) == stopped(straight)


def test_a_validation_that_is_done_again_counts_again(folder, straight):
    """Its record is later than the newest checkpoint, so it is dropped with its step."""
    for path in folder.glob("ckpt-3.*"):
        path.unlink()
    assert run("--ckpt", folder) == 0
    assert same(folder, straight) and stopped(folder) == stopped(straight)


def test_a_stopped_run_that_is_resumed_does_nothing_more(folder, straight):
    assert run("--ckpt", folder) == 0
    assert same(folder, straight) and stopped(folder) == stopped(straight)
    assert checkpoints.steps(folder) == checkpoints.steps(straight)


def test_a_stopped_run_goes_on_with_another_goal(folder):
    assert run("--ckpt", folder, "--stop_at", 0.85) == 0
    assert stopped(folder)["step"] == 5
    assert run("--ckpt", folder, "--stop_at", 0.97) == 0
    assert stopped(folder) == {"step": 8, "why": "MAX_ITERS 8 before STOP_AT 0.97"}


def test_a_history_that_cannot_be_read_is_refused(folder):
    (folder / "metrics.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(InputError, match="is not a metrics.jsonl of train.py, which --stop_at needs"):
        run("--ckpt", folder)


@pytest.mark.parametrize("value", ["1.01", "-0.1", "nan"])
def test_an_accuracy_out_of_0_to_1_is_refused(tmp_path, capsys, value):
    with pytest.raises(SystemExit) as exit:
        start(tmp_path / "run", "--stop_at", value)
    assert exit.value.code == 2 and not (tmp_path / "run").exists()
    assert "--stop_at: expected a number from 0 to 1" in capsys.readouterr().err


def test_without_validation_it_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    load = data.load

    def without(cfg):
        dataset = load(cfg)
        return dataclasses.replace(dataset, val=dataset.val.take(slice(0, 0)))

    monkeypatch.setattr(data, "load", without)
    with pytest.raises(InputError, match="--stop_at 0.7: expected images that are held out for validation"):
        start(tmp_path / "run", *FLAGS)
    assert not (tmp_path / "run").exists()
