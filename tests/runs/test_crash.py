"""Training as a process that is killed: SIGKILL at seeded moments, and the run goes on bit for bit."""
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import toy
import toy_runs
from runs import claim
from settings import ROOT, InputError

TRAIN = ROOT / "code" / "train.py"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "TF_DETERMINISTIC_OPS"}
FLAGS = ["--jit", "on", "--save_every", "20", "--val_every", "15", "--lr", "0.01"]


def start(*flags):
    return subprocess.Popen([sys.executable, TRAIN, *map(str, flags)], text=True, env=ENVIRONMENT,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_until(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, f"ended before it could be killed:\n{process.communicate()[0]}"
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def size(path):
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_survives_being_killed(tmp_path, kills):
    """Every other time while a checkpoint is being written, else at any moment: in a step, a validation, a log line."""
    random = np.random.default_rng(kills)
    flags = ["--dataset", toy.npz(tmp_path / "bars.npz"), *toy.FLAGS, *FLAGS, "--max_iters", 100 * kills]
    assert toy_runs.run(*flags, "--train_dir", tmp_path / "straight") == 0

    folder = tmp_path / "pieces"
    metrics, writing = folder / "metrics.jsonl", folder / ".checkpoint.part"
    process = start(*flags, "--train_dir", folder)
    for kill in range(kills):
        # a continued run first cuts what it will do again, then says so; from then on its metrics grow
        wait_until(lambda: (folder / "log.txt").exists()
                   and (folder / "log.txt").read_text().count("run in ") == kill + 1, process)  # noqa: B023
        before = size(metrics)
        wait_until(lambda: size(metrics) > before, process)  # noqa: B023
        if kill == 0:
            process.send_signal(signal.SIGSTOP)  # it keeps its lock
            with pytest.raises(InputError, match="another process is training there"), claim.locked(folder):
                pass
            process.send_signal(signal.SIGCONT)
        if kill % 2 == 0:
            wait_until(writing.exists, process)
            time.sleep(random.uniform(0, 0.01))
        else:
            time.sleep(random.uniform(0, 0.4))
        process.kill()
        process.communicate()
        process = start("--ckpt", folder)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert toy_runs.same(folder, tmp_path / "straight")
