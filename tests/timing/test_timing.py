"""The benchmark's bookkeeping, and that nothing is left behind. No test asserts a time."""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

import benchmark
import toy
from benchmark import Row
from config import TRAIN, Config
from registry import CODE
from settings import InputError
from timing import stopwatch

SMALL = {**toy.SETTINGS, "BATCH_SIZE": 4}


def test_the_rows_have_settings_that_exist_and_are_chosen_by_a_pattern():
    table = benchmark.rows()
    for row in table.values():
        Config(TRAIN, row.settings)
    assert table["naive"].settings == {"ROUTING_WAY": "plain", "CONV_WAY": "direct", "JIT": "off"}
    assert [name for name, row in table.items() if row.environment] == ["naive"]
    assert list(benchmark.rows(quick=True)) == ["default", "direct", "naive"]
    assert list(benchmark.rows(pattern="?6 x 36 pixels")) == ["36 x 36 pixels"]


def test_the_median_is_of_half_a_second_and_of_three_calls(monkeypatch):
    for times, expected in [([100, 300, 90, 95, 7], 97.5), ([600, 20, 30, 7], 30)]:
        left = iter(times)
        monkeypatch.setattr(stopwatch, "ms_of", lambda call, left=left: next(left))
        assert stopwatch.median_ms(None) == expected


def test_the_stopwatch_answers_every_question(monkeypatch):
    monkeypatch.setattr(stopwatch, "median_ms", stopwatch.ms_of)
    answers = stopwatch.answers(SMALL, 20, labels=2)
    assert answers["train ms"]() > 0 and answers["predict ms"]() > 0
    assert 100 < answers["peak MiB"]() < 100_000 and abs(answers["compile s"]()) < 1000
    parts = answers["parts"]()
    assert parts.keys() == {"conv1", "PrimaryCaps", "votes and routing", "decoder", "Adam"}
    assert all(ms > 0 for ms in parts.values())


def test_a_worker_answers_until_it_is_closed_or_fails(tmp_path, monkeypatch, capfd):
    """It imports no module of the folder that the user stands in, and prints nothing into the table."""
    (tmp_path / "config.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(benchmark.Worker(Row({"ROUTING_WAY": "plain"}, 20), SMALL)) as one:
        assert one.ask("train ms") > 0
    assert one.process.exitcode == -signal.SIGKILL and capfd.readouterr().out == ""
    with pytest.raises(InputError, match="was to measure train ms ended by itself with status 1"), \
            contextlib.closing(benchmark.Worker(Row({"ROUTING_ITER": 3}), SMALL)) as one:
        one.ask("train ms")
    assert "did you mean ROUTING_ITERS" in capfd.readouterr().err


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_a_signal_leaves_no_process_and_no_traceback(number, status):
    restore = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    start = "import sys, cli, benchmark; sys.argv = ['benchmark.py', '--batch_size', '1']; cli.run(benchmark.main)"
    process = subprocess.Popen([sys.executable, "-c", restore + start],
                               env={**os.environ, "PYTHONPATH": str(CODE)},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "train" in process.stdout.readline()
    # both rows, once they have TensorFlow: one whose parent is gone before it knows its task has a traceback
    children = wait_for(lambda: len(rows := children_of(process.pid, mib=100)) == 2 and rows)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == status
    assert "Traceback" not in errors and errors.count("\n") <= 1
    wait_for(lambda: not any(map(is_alive, children)))


def wait_for(condition, seconds=60):
    """Returns what the condition returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)
    return found


def children_of(pid, mib):
    """Returns the ids of the processes that pid began and that take so much memory or more."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True)
    processes = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    return [child for child, parent, kib in processes if parent == pid and kib >= 1024 * mib]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---- the table ----

class Quick:
    """A worker that answers at once: 2 ms for the default step, 10 for any other."""
    open = 0

    def __init__(self, row, settings):
        self.ms, self.settings = 10.0 if row.settings else 2.0, {**settings, **row.settings}
        Quick.open += 1

    def ask(self, question):
        if question == "train ms" and "ROUTING_WAY" in self.settings and self.settings["ROUTING_WAY"] == "fails":
            raise InputError("the process ended by itself")
        return {"train ms": self.ms, "parts": {"conv1": 1.5}, "peak MiB": 500.0}.get(question, 1.0)

    def close(self):
        Quick.open -= 1


@pytest.fixture
def run(monkeypatch, tmp_path):
    """run(flags) -> what is in all.json, with workers that answer at once"""
    def run(*flags):
        monkeypatch.setattr(sys, "argv", ["benchmark.py", "--json", str(tmp_path / "all.json"), *flags])
        assert benchmark.main() == 0
        return json.loads((tmp_path / "all.json").read_text())

    monkeypatch.setattr(benchmark, "Worker", Quick)
    yield run
    assert Quick.open == 0


def test_the_table_and_the_json(run, capsys):
    found = run("--batch_size", "50")
    assert found["settings"] == {**found["settings"], "MODEL": "capsnet", "CNN_LAYERS": "mnist", "BATCH_SIZE": 50}
    assert found["rows"].keys() == benchmark.rows().keys()
    naive, small = found["rows"]["naive"], found["rows"]["batch 8"]
    assert (naive["train ms"], naive["of default"], naive["images/s"], small["images/s"]) == (10.0, 5.0, 5000, 800)
    lines = capsys.readouterr().out.splitlines()
    line = next(line for line in lines if line.startswith("batch 8 "))
    assert line.split()[2:] == ["10.00", "5.00", "1.00", "800.00", "500.00", "1.00"]
    assert lines[-2].startswith("parts of a step (default)") and lines[-1].split() == ["conv1", "1.50"]


def test_a_pattern_times_some_rows_slow_ones_get_fewer_turns_and_timed_ones_are_not_lost(run, monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, "SLOW", 25)
    asked, ask = [], Quick.ask
    monkeypatch.setattr(Quick, "ask", lambda self, question: asked.append(question) or ask(self, question))
    assert run("--rows", "batch 8*").keys() and asked.count("predict ms") == 3 * 3
    assert asked.count("train ms") == 2 * asked.count("predict ms")
    monkeypatch.setattr(benchmark, "rows", lambda *_: {"a": Row(), "b": Row({"ROUTING_WAY": "fails"})})
    with pytest.raises(InputError, match="ended by itself"):
        run()
    assert json.loads((tmp_path / "all.json").read_text())["rows"].keys() == {"a"}


@pytest.mark.parametrize("flags, words", [
    (["--batch_size", "0"], "a whole number from 1"),
    (["--repeats", "0"], "expected 1 or more"),
    (["--quik"], "did you mean --quick"),
    (["--rows", "nothing"], "default, direct, naive"),
    (["--json", f"{__file__}/all.json"], "--json: expected a file in a folder to write in"),
    (["--rows", "naive", "--json", "a" * 300], "--json: cannot write to .*File name too long"),
    (["--model", "capsnett"], "--model: expected")])
def test_bad_flags_are_refused_in_one_line(run, capsys, flags, words):
    with pytest.raises((SystemExit, InputError)) as stop:
        run(*flags)
    error = capsys.readouterr().err or f"{stop.value}\n"
    assert error.count("\n") == 1
    assert re.search(words, error)
