"""The benchmark's bookkeeping, and that nothing is left behind. No test asserts a time."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import benchmark
import toy
from config import TRAIN, Config
from model import fourier
from registry import CODE
from settings import InputError
from timing import clock, compare, machine, rows, stopwatch, worker
from timing.rows import Row

SMALL = {**toy.SETTINGS, "BATCH_SIZE": 4}


# ---- the rows ----

def test_every_row_has_settings_that_exist():
    for row in rows.rows().values():
        Config(TRAIN, row.settings)


def test_the_naive_row_is_naive_by_its_settings_alone():
    naive = rows.rows()["naive"]
    assert naive.settings == {"ROUTING_WAY": "plain", "CONV_WAY": "direct", "JIT": "off"}
    assert naive.environment == {"TF_CPU_ALLOCATOR_USE_BFC": "0"}
    others = {name: row.environment for name, row in rows.rows().items() if name != "naive"}
    assert not any(others.values())


def test_growing_batches_are_timed_both_ways():
    table = rows.rows(pattern="batch *")
    for size in (1, 4, 8, 16, 32, 100, 256, 512):
        assert table[f"batch {size}"].settings == {"BATCH_SIZE": size}
        assert table[f"batch {size}, direct"].settings == {"BATCH_SIZE": size, "CONV_WAY": "direct"}


def test_rows_are_chosen_by_a_pattern():
    assert list(rows.rows(quick=True)) == ["default", "direct", "naive"]
    assert list(rows.rows(quick=True, pattern="d*")) == ["default", "direct"]
    assert list(rows.rows(pattern="?8 x 28 pixels")) == ["28 x 28 pixels"]
    assert rows.rows(pattern="nothing") == {}


def test_the_direct_bound_counts_the_products_of_a_step():
    convolution = fourier.costs((20, 20, 256), (9, 9, 256, 256), 2).direct
    assert compare.direct_gflop(100) == 100 * compare.direct_gflop(1)
    rest = compare.direct_gflop(1) - 2e-9 * 3 * convolution
    decoder = 160 * 512 + 512 * 1024 + 1024 * 784
    by_hand = 2e-9 * (2 * 400 * 81 * 256 + 3 * 1152 * 8 * 160 + 3 * decoder)
    np.testing.assert_allclose(rest, by_hand, rtol=1e-6)


# ---- the machine ----

def test_speeds_are_in_billions_a_second(monkeypatch):
    monkeypatch.setattr(machine, "median_ms", lambda call: 2.0)
    monkeypatch.setattr(machine, "SHAPES", [(200, 100, 50), (10, 10, 10)])
    speed = machine.speed()
    assert speed["matmul_peak_gflops"] == pytest.approx(2 * 200 * 100 * 50 / 0.002 / 1e9)
    assert speed["memory_gb_per_s"] == pytest.approx(2 * 128 * 2 ** 20 / 0.002 / 1e9)


def test_the_median_is_of_half_a_second_and_of_three_calls_unless_they_are_slow(monkeypatch):
    for times, expected in [([100, 300, 90, 95, 7], 97.5), ([600, 20, 30, 7], 30), ([4000, 7], 4000)]:
        left = iter(times)
        monkeypatch.setattr(clock, "timed", lambda call, left=left: next(left))
        assert clock.median_ms(None) == expected


# ---- a row's process ----

@pytest.mark.parametrize("labels", [1, 2])
def test_the_stopwatch_answers_every_question(labels):
    answers = stopwatch.answers(Row(SMALL, side=20, labels=labels))
    assert answers["compile"]() >= 0
    assert answers["train"]() > 0 and answers["infer"]() > 0
    assert 100 < answers["memory"]()["peak_mib"] < 100_000
    parts = answers["parts"]()
    assert {"conv1", "PrimaryCaps", "votes and routing", "decoder", "Adam"} < parts.keys()
    assert all(0 < low <= median <= high for median, low, high in parts.values())


def test_a_batch_of_a_single_pair_has_parts():
    answers = stopwatch.answers(Row({**SMALL, "BATCH_SIZE": 1}, side=20, labels=2))
    assert "input: gather, shift, scale" in answers["parts"]()


def test_the_multimnist_row_has_a_label_and_a_source_for_each_digit():
    row = rows.rows()["multimnist"]
    batch = stopwatch.random_batch(4, row)
    assert batch.images.shape == (4, 36, 36, 1) and batch.labels.shape == (4, 2)
    assert batch.sources.shape == (4, 2, 36, 36, 1)


def test_a_worker_answers_until_it_is_closed(tmp_path, monkeypatch):
    """It imports no module of the folder that the user stands in."""
    (tmp_path / "config.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    one = worker.Worker(Row({"ROUTING_WAY": "plain"}, side=20, environment={"LOOK": "here"}), SMALL)
    environment = Path(f"/proc/{one.process.pid}/environ")
    try:
        if environment.exists():
            assert "LOOK=here" in environment.read_text().split("\0")
        assert one.ask("train") > 0
        assert os.getsid(one.process.pid) != os.getsid(0), "Ctrl-C reaches this process only"
    finally:
        one.close()
    assert one.process.returncode == -signal.SIGKILL


def test_a_worker_that_fails_is_an_error(capfd):
    with pytest.raises(InputError, match="was to measure 'compile' ended by itself with status 1; if it said why"):
        worker.Worker(Row({"ROUTING_ITER": 3}), SMALL)
    assert "did you mean ROUTING_ITERS" in capfd.readouterr().err


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_no_process_and_no_traceback(number, status):
    restore = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    start = "import sys, cli, benchmark; sys.argv = ['benchmark.py']; cli.run(benchmark.main)"
    process = subprocess.Popen([sys.executable, "-c", restore + start],
                               env={**os.environ, "PYTHONPATH": str(CODE)},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "train" in process.stdout.readline()
    children = wait_for(lambda: children_of(process.pid))
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in errors and errors.count("\n") <= 1
    wait_for(lambda: not any(is_alive(child) for child in children))


def wait_for(condition, seconds=30):
    """-> what the condition returns once it is true"""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)
    return found


def children_of(pid):
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True,
                            check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    return [child for child, parent in pairs if parent == pid]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---- the table ----

class Quick:
    """A worker that answers at once: 2 ms for the default step, 10 for any other."""
    compile_s = 1.0
    open = 0

    def __init__(self, row, settings):
        self.ms = 10.0 if row.settings else 2.0
        Quick.open += 1

    def ask(self, question):
        machine = {"matmul_peak_gflops": 100.0, "memory_gb_per_s": 10.0, "tensorflow": "2"}
        return {"train": self.ms, "infer": 1.0, "memory": {"peak_mib": 500.0},
                "parts": {"conv1": [1.0, 0.5, 2.0]}, "machine": machine}[question]

    def close(self):
        Quick.open -= 1


def run(monkeypatch, *flags):
    monkeypatch.setattr(compare, "Worker", Quick)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *flags])
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert benchmark.main() == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert Quick.open == 0


def test_the_table_and_the_json(monkeypatch, tmp_path, capsys):
    """The whole of main(), with workers that answer at once."""
    run(monkeypatch, "--json", str(tmp_path / "all.json"), "--batch_size", "50")
    found = json.loads((tmp_path / "all.json").read_text())
    assert found["settings"] == {"MODEL": "capsnet", "CNN_LAYERS": "mnist", "BATCH_SIZE": 50}
    assert found["default_step_ms"] == 2.0
    naive, small = found["rows"]["naive"], found["rows"]["batch 8"]
    assert (naive["train_ms"], naive["of_default"]) == (10.0, 5.0)
    assert (naive["batch_size"], small["batch_size"]) == (50, 8)
    assert found["direct_bound_ms"] == pytest.approx(compare.direct_gflop(50) / 100 * 1000)
    assert found["rows"].keys() == rows.rows().keys()
    out = capsys.readouterr().out
    assert "naive step / default step: 5.00" in out
    assert all(name in out for name in found["rows"])
    line = next(line for line in out.splitlines() if line.startswith("batch 8 "))
    assert line.split()[2:] == ["10.0", "10-10", "5.00", "1.0", "800", "8000", "500", "1.0"]


def test_a_pattern_times_only_some_rows(monkeypatch, capsys):
    run(monkeypatch, "--rows", "batch 8*", "--repeats", "1")
    out = capsys.readouterr().out
    assert "batch 8, direct" in out and "naive" not in out and "batch 16" not in out
    assert "parts of a step (batch 8), forward and backward" in out


def test_a_json_that_cannot_be_written_is_refused_before_anything_is_timed(monkeypatch, tmp_path):
    monkeypatch.setattr(compare, "Worker", lambda *_: pytest.fail("too late"))
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--json", str(tmp_path / "file" / "all.json")])
    with pytest.raises(InputError, match="--json: expected a file in a folder to write in"):
        benchmark.main()


def test_a_json_that_cannot_be_written_costs_one_line(monkeypatch, tmp_path, capsys):
    with pytest.raises(InputError, match="--json: cannot write .*File name too long"):
        run(monkeypatch, "--rows", "naive", "--json", str(tmp_path / ("a" * 300)))
    assert "naive" in capsys.readouterr().out, "what was measured is in the table"


def test_rows_that_were_timed_are_not_lost_with_a_later_one(monkeypatch, tmp_path):
    def ask(worker, question, as_before=Quick.ask):
        if worker.ms == 10.0:  # not the default row
            raise InputError("the process ended by itself")
        return as_before(worker, question)

    monkeypatch.setattr(Quick, "ask", ask)
    with pytest.raises(InputError, match="ended by itself"):
        run(monkeypatch, "--quick", "--json", str(tmp_path / "all.json"))
    assert json.loads((tmp_path / "all.json").read_text())["rows"].keys() == {"default"}


def test_what_a_networks_file_prints_is_no_answer(monkeypatch, capfd):
    """The process that times a row, with a network that prints while it is built."""
    script = ("import model; build = model.build\n"
              "def noisy(*given):\n    print('building')\n    return build(*given)\n"
              "model.build = noisy\n")
    start = worker.START.replace("stopwatch.main()", f"exec({script!r}); stopwatch.main()")
    monkeypatch.setattr(worker, "START", start)
    with contextlib.closing(worker.Worker(Row(SMALL), {})) as one:
        assert one.ask("train") > 0
    assert "building" in capfd.readouterr().err


def test_slow_rows_get_fewer_turns(monkeypatch):
    monkeypatch.setattr(compare, "Worker", Quick)
    slow, reference = Row({"JIT": "off"}), []
    monkeypatch.setattr(compare, "SLOW", 25)
    compare.compare(Quick(Row(), {}), slow, SMALL, 5, reference)
    Quick.open = 0
    assert len(reference) == 3


@pytest.mark.parametrize("flags, words", [
    (["--batch_size", "0"], "a whole number from 1"),
    (["--repeats", "0"], "expected 1 or more"),
    (["--quik"], "did you mean --quick"),
    (["--rows", "nothing"], "default, direct, naive"),
    (["--model", "capsnett"], "--model: expected")])
def test_bad_flags_are_refused_in_one_line(monkeypatch, capsys, flags, words):
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *flags])
    with pytest.raises(SystemExit) as stop:
        benchmark.main()
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.count("\n") == 1 and words in error
