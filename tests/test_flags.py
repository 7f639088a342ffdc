"""The command line: flags, refusals in one line, and a start of TensorFlow that nobody sees."""
import os
import subprocess
import sys
from unittest.mock import Mock

import pytest
import tensorflow as tf

import cli
from config import DATASETS, TRAIN
from settings import ROOT, InputError


def parse(monkeypatch, *flags):
    monkeypatch.setattr("sys.argv", ["train.py", *flags])
    parser = cli.Parser(prog="train.py")
    parser.add_settings("settings", TRAIN)
    given, _ = parser.parse(TRAIN)
    return given


def test_flags_that_are_not_given_leave_no_trace(monkeypatch):
    given = parse(monkeypatch, "--lr", "0.01", "--no-prior_training", "--routing_iters", "2")
    assert given == {"LR": 0.01, "PRIOR_TRAINING": False, "ROUTING_ITERS": 2}


@pytest.mark.parametrize("flags, words", [
    (["--routing_iter", "2"], "did you mean --routing_iters"), (["--max_iters", "many"], "many"),
    (["--lr", "nan"], "--lr: expected a finite number above 0, received nan"),
    (["--batch_size", "0"], "from 1 to 2147483647, received 0"), (["--step_size", "1" + 400 * "0"], "from 1 to"),
    (["--dataset", "emnist"], f"--dataset: expected one of {', '.join(DATASETS)}, a .npz file"),
    (["--data_dir", "\udcff"], "--data_dir: expected a path in UTF-8"),
    (["--data_dir", ""], "--data_dir: expected a path in UTF-8, received ''"),
    (["--model", "capsnets"], "--model: expected"), (["--batch_size"], "expected one argument"), (["extra"], "extra"),
    (["--a\nb"], "unknown argument --a\\nb")])
def test_bad_flags_are_refused_in_one_line(monkeypatch, capsys, flags, words):
    with pytest.raises(SystemExit) as stop:
        parse(monkeypatch, *flags)
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and out == "" and err.count("\n") == 1
    assert words in err


def ends(capsys, main):
    """-> the status with which a command with this main function ends, and its line of error."""
    with pytest.raises(SystemExit) as stop:
        cli.run(main)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return stop.value.code, error


@pytest.mark.parametrize("error, status, words", [
    (InputError("expected this, received that"), 2, "error: expected this, received that\n"),
    (InputError("runs/a\nb\r: expected a run"), 2, "error: runs/a\\nb\\r: expected a run\n"),
    (KeyboardInterrupt(), 130, "interrupted\n"),
    (MemoryError("Unable to allocate 9 GiB"), 2, "not enough memory (Unable to allocate"),
    (tf.errors.ResourceExhaustedError(None, None, "{{node a}} OOM when allocating"), 2, "not enough memory (OOM when")])
def test_an_error_is_one_line(capsys, error, status, words):
    ended, line = ends(capsys, Mock(side_effect=error))
    assert ended == status and words in line


def test_ctrl_c_while_tensorflow_starts_is_one_line(capfd):
    def main():
        with cli.held_back():
            os.write(2, b"a note of C++\n")
            raise KeyboardInterrupt

    status, error = ends(capfd, main)
    assert status == 130 and error.endswith("interrupted\n")


def test_without_room_for_a_file_nothing_is_held_back(monkeypatch, capfd):
    monkeypatch.setattr("tempfile.TemporaryFile", Mock(side_effect=FileNotFoundError("no room")))
    with cli.held_back():
        os.write(2, b"a note of C++\n")
    assert capfd.readouterr().err == "a note of C++\n"


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(lambda: 1 / 0)


def test_the_environment_that_the_user_set_stays(monkeypatch):
    monkeypatch.setenv("TF_CPU_ALLOCATOR_USE_BFC", "0")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    cli.set_environment()
    assert (os.environ["TF_CPU_ALLOCATOR_USE_BFC"], os.environ["TF_CPP_MIN_LOG_LEVEL"]) == ("0", "2")


def test_tensorflow_starts_in_silence():
    """Also with the variables unset that conftest.py sets."""
    program = "import cli; cli.start_tensorflow(); import tensorflow as tf; print(float(tf.ones([])))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "code", env=environment, text=True,
                           capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1.0\n", "")


def test_what_was_held_back_is_shown_if_the_start_fails():
    program = """
import os, cli
try:
    with cli.held_back():
        os.write(2, b"a note of C++\\n")
        raise ImportError("no such library")
except ImportError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "code", text=True, capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "no such library\n", "a note of C++\n")
