"""Whole runs at toy size, in this process."""
import contextlib
import json
import os
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

import checkpoints
import data
import toy
import train
import trainer


def run(*flags):
    """train.py with these flags -> its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", *map(str, flags)])
        return train.main()


def start(folder, *flags):
    """A new run in `folder`, on bars.npz beside it -> exit status."""
    bars = folder.with_name("bars.npz")
    return run("--dataset", bars if bars.exists() else toy.npz(bars), "--train_dir", folder, *toy.FLAGS, *flags)


def metrics(folder, split=None):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if split in (None, line["split"])]


def variables(prefix):
    prefix = str(checkpoints.find(prefix))
    return {name: tf.train.load_variable(prefix, name) for name, _ in tf.train.list_variables(prefix)
            if name not in ("_CHECKPOINTABLE_OBJECT_GRAPH", checkpoints.IDENTITY)}


def same(folder, straight):
    """Whether two runs have bit for bit the same weights, optimizer, best checkpoint, metrics and lines of the log."""
    def lines(folder):
        return [line for line in (folder / "log.txt").read_text().splitlines() if line.startswith("step ")]

    best = checkpoints.steps(folder, "best")[-1]
    assert best == checkpoints.steps(straight, "best")[-1]
    for prefix in (f"ckpt-{checkpoints.steps(straight)[-1]}", f"best-{best}"):
        expected, received = variables(straight / prefix), variables(folder / prefix)
        assert expected.keys() == received.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(received[name], value, err_msg=name)
    assert (folder / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()
    assert lines(folder) == lines(straight)
    results = [json.loads((one / "results.json").read_text()) for one in (folder, straight)]
    assert results[0]["last"] == results[1]["last"] and results[0]["best"] == results[1]["best"]
    assert not list(folder.glob(".*"))
    data = {path.name.split(".")[0] for path in folder.glob("[bc]*.data-*")}
    assert data == {path.stem for path in folder.glob("[bc]*.index")}, "half a checkpoint takes room for nothing"
    return True


@contextlib.contextmanager
def in_step(number, action):
    """Calls `action` while that step is trained, before anything of it is done."""
    with pytest.MonkeyPatch.context() as patch:
        def batch_and_action(split, seed, step, *more):
            if step == number - 1:
                action()
            return data.batch(split, seed, step, *more)

        patch.setattr(trainer, "data", types.SimpleNamespace(**{**vars(data), "batch": batch_and_action}))
        yield


def send(signal_number):
    return lambda: os.kill(os.getpid(), signal_number)
