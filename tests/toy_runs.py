"""Whole runs at toy size, in this process."""
import contextlib
import functools
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import toy
import train
from runs import checkpoints
from training import session


def run(*flags) -> int:
    """train.py with these flags -> its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", *map(str, flags)])
        return train.main()


def start(folder: Path, *flags) -> int:
    """A new run in `folder`, on bars.npz beside it -> exit status."""
    bars = folder.with_name("bars.npz")
    images = bars if bars.exists() else toy.npz(bars)
    return run("--dataset", images, "--train_dir", folder, *toy.FLAGS, *flags)


KEPT = tempfile.TemporaryDirectory()  # until Python ends


@functools.cache
def finished(*flags) -> Path:
    """The folder of a finished run of 6 steps, which is made once for these flags. It is not to be changed."""
    folder = Path(tempfile.mkdtemp(dir=KEPT.name)) / "run"
    assert start(folder, *flags) == 0
    return folder


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def metrics(folder: Path, split: str | None = None) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if split in (None, line["split"])]


def variables(prefix: Path) -> dict[str, np.ndarray]:
    """-> all variables of the checkpoint, except what is about the checkpoint itself."""
    prefix = str(checkpoints.find(prefix))
    names = {name for name, _ in tf.train.list_variables(prefix)}
    names -= {"_CHECKPOINTABLE_OBJECT_GRAPH", checkpoints.IDENTITY}
    return {name: tf.train.load_variable(prefix, name) for name in names}


def contents(folder: Path) -> dict[Path, bytes]:
    """-> all files in `folder`."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(folder: Path, straight: Path) -> bool:
    """Whether two runs are bit for bit the same in weights, optimizer, best network and records."""
    def lines(folder):
        every = (folder / "log.txt").read_text().splitlines()
        return [line for line in every if line.startswith("step ")]

    # checkpoints
    best = checkpoints.steps(folder, "best")[-1]
    assert best == checkpoints.steps(straight, "best")[-1]
    for prefix in (f"ckpt-{checkpoints.steps(straight)[-1]}", f"best-{best}"):
        expected, received = variables(straight / prefix), variables(folder / prefix)
        assert expected.keys() == received.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(received[name], value, err_msg=name)

    # records and results
    assert (folder / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()
    assert lines(folder) == lines(straight)
    mine, theirs = results(folder), results(straight)
    assert all(mine.get(name) == theirs.get(name) for name in ("last", "average", "best", "stopped"))

    # nothing half written
    assert not list(folder.glob(".*"))
    data = {path.name.split(".")[0] for path in folder.glob("[bc]*.data-*")}
    whole = {path.stem for path in folder.glob("[bc]*.index")}
    assert data == whole, "half a checkpoint takes room for nothing"
    return True


@contextlib.contextmanager
def in_step(number: int, action):
    """Calls `action` while that step is trained, before anything of it is done."""
    training_batch = session.training_batch

    def batch_and_action(dataset, seed, step, batch_size):
        if step == number - 1:
            action()
        return training_batch(dataset, seed, step, batch_size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "training_batch", batch_and_action)
        yield


def send(signal_number: int):
    return lambda: os.kill(os.getpid(), signal_number)
