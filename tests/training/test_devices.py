"""Several replicas train the network that one trains: real processes on this machine, and logical devices."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

import toy
import toy_runs
from runs import checkpoints
from settings import ROOT, InputError
from training import cluster, devices

TRAIN = ROOT / "code" / "train.py"
FLAGS = [*toy.FLAGS, "--lr", "0.01", "--max_iters", "20", "--val_every", "10", "--save_every", "10"]


@pytest.fixture
def single():
    """A run of one process and one device, which begins with the weights of another one."""
    return toy_runs.finished(*FLAGS[len(toy.FLAGS):], "--init_from", toy_runs.finished())


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def started(flags_of_each, environments):
    """One training process for each; none of them outlives the block."""
    processes = [subprocess.Popen([sys.executable, TRAIN, *map(str, flags)], text=True, env={**os.environ, **more},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
                 for flags, more in zip(flags_of_each, environments, strict=True)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def workers(*flags_of_each):
    """A process for each, that are one cluster."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(len(flags_of_each))]}
    configs = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in range(len(flags_of_each))]
    return started([["--strategy", "multi_worker", *flags] for flags in flags_of_each],
                   [{"TF_CONFIG": json.dumps(config)} for config in configs])


def end(process, limit=120):
    output, _ = process.communicate(timeout=limit)
    return process.returncode, output


def assert_same_network(folder, single):
    """Weights and results of the runs are equal but for rounding; every test image counts once."""
    expected, received = toy_runs.variables(single), toy_runs.variables(folder)
    assert expected.keys() == received.keys()
    for name, value in expected.items():
        if "optimizer" not in name:
            assert np.max(np.abs(received[name] - value)) < 1e-5 * np.max(np.abs(value)), name
    for a, b in zip(toy_runs.metrics(folder), toy_runs.metrics(single), strict=True):
        assert a.pop("split") == b.pop("split")
        assert a == pytest.approx(b, rel=1e-4)
    assert toy_runs.results(folder)["last"] == pytest.approx(toy_runs.results(single)["last"], rel=1e-5)


def test_two_processes_train_the_network_of_one(tmp_path, single):
    """And only the chief writes, and reads the weights to begin with."""
    data = ["--dataset", single.with_name("bars.npz"), *FLAGS, "--jit", "on", "--init_from", toy_runs.finished()]
    with workers([*data, "--train_dir", tmp_path / "run"], [*data, "--train_dir", tmp_path / "other"]) as processes:
        for process in processes:
            status, output = end(process)
            assert status == 0, output
            assert "test, last checkpoint (step 20)" in output
    assert_same_network(tmp_path / "run", single)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_logical_devices_train_the_network_of_one(tmp_path, single):
    """Parts of 4, 3 and 3 images; the last batch of validation, of 7 images, is filled up to parts of 4."""
    flags = ["--dataset", single.with_name("bars.npz"), *FLAGS, "--train_dir", tmp_path / "run",
             "--init_from", toy_runs.finished()]
    with started([["--strategy", "mirrored", "--devices", 3, *flags]], [{}]) as (process,):
        status, output = end(process)
    assert status == 0, output
    assert_same_network(tmp_path / "run", single)


@pytest.mark.parametrize("victim", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_when_a_worker_dies_the_others_end_and_the_run_goes_on(tmp_path, victim):
    toy.npz(tmp_path / "bars.npz")
    flags = ["--dataset", tmp_path / "bars.npz", *toy.FLAGS, "--max_iters", 10 ** 6, "--save_every", 50,
             "--val_every", 10 ** 6, "--train_dir", tmp_path / "run"]
    with workers(flags, flags) as processes:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / "ckpt-50.index").exists():
            assert all(process.poll() is None for process in processes) and time.monotonic() < deadline
            time.sleep(0.1)
        processes[victim].send_signal(signal.SIGKILL)
        status, output = end(processes[1 - victim], limit=60)
    assert status == 1 and "a worker was lost" in output and "continue on any number of workers" in output, output
    assert "Traceback" not in output
    last, saved = toy_runs.metrics(tmp_path / "run")[-1]["step"], checkpoints.steps(tmp_path / "run")[-1]
    if victim == 1:
        assert saved == last, "the chief saves the last step that all have done"
    assert toy_runs.run("--ckpt", tmp_path / "run", "--max_iters", saved + 3) == 0
    assert [line["step"] for line in toy_runs.metrics(tmp_path / "run", "train")] == list(range(1, saved + 4))


@pytest.mark.slow
def test_workers_with_other_flags_are_refused(tmp_path):
    toy.npz(tmp_path / "bars.npz")
    flags = ["--dataset", tmp_path / "bars.npz", *toy.FLAGS, "--train_dir", tmp_path / "run"]
    with workers(flags, [*flags, "--lr", "0.5"]) as processes:
        (chief, of_chief), (other, of_other) = (end(process) for process in processes)
    assert other == 2 and "LR: the chief has 0.001, this worker 0.5" in of_other.splitlines()[-1]
    assert chief == 1 and "a worker was lost" in of_chief
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize("chiefs, own", [({}, {"LR": 1.0}), ({"LR": 1.0}, {}), ({"LR": 1.0}, {"LR": 0.5})])
def test_workers_with_other_settings_are_refused(monkeypatch, chiefs, own):
    """Or with another version of the code, which has other settings."""
    worker = devices.Workers.__new__(devices.Workers)
    monkeypatch.setattr(worker, "of_chief", lambda value: {"SEED": 0, **chiefs})
    worker.check_alike({"SEED": 0, **chiefs})
    with pytest.raises(InputError, match="LR: the chief has .*, this worker .*with the same code"):
        worker.check_alike({"SEED": 0, **own})


def test_ctrl_c_ends_a_chief_that_waits_for_the_others(tmp_path):
    toy.npz(tmp_path / "bars.npz")
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    config = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    flags = ["--strategy", "multi_worker", "--dataset", tmp_path / "bars.npz", "--train_dir", tmp_path / "run"]
    with started([flags], [{"TF_CONFIG": json.dumps(config)}]) as (process,):
        line = process.stdout.readline()
        assert line == "waiting until all of the 2 workers of TF_CONFIG are there; Ctrl-C ends the wait\n"
        time.sleep(1)  # until it really waits
        process.send_signal(signal.SIGINT)
        status, output = end(process, limit=10)
    assert status in (-signal.SIGINT, 130) and output.count("\n") <= 1 and "Traceback" not in output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("before", "meanwhile"), [
    (signal.default_int_handler, signal.SIG_DFL), (signal.SIG_IGN, signal.SIG_IGN)])
def test_a_wait_that_began_with_sigint_ignored_ignores_it(before, meanwhile, monkeypatch):
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: signal.getsignal(signal.SIGINT))
    monkeypatch.setattr(cluster, "count_workers", lambda text: 2)
    usual = signal.signal(signal.SIGINT, before)
    try:
        assert cluster.join() == meanwhile and signal.getsignal(signal.SIGINT) == before
    finally:
        signal.signal(signal.SIGINT, usual)


def test_a_workers_own_error_is_not_the_loss_of_another():
    """Such as a lack of memory, or an assertion of the network."""
    worker, error = devices.Workers.__new__(devices.Workers), tf.errors.ResourceExhaustedError
    with pytest.raises(error), worker.together():
        raise error(None, None, "OOM when allocating tensor")
    with pytest.raises(devices.WorkerLost), worker.together():
        raise error(None, None, "Collective ops is aborted by: OOM when allocating tensor")


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"cluster": {"worker": ["a:1"]}}',
    '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
    '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    '{"cluster": {"worker": [1]}, "task": {"type": "worker", "index": 0}}'])
def test_a_bad_tf_config_is_refused(text):
    with pytest.raises(InputError, match="TF_CONFIG: expected the workers and which one this is"):
        cluster.count_workers(text)


def test_gpus_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    with pytest.raises(InputError, match="--strategy mirrored: expected GPUs"):
        devices.devices_of("mirrored")
