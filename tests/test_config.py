"""One table of settings: names, flags, defaults, and refusal of everything else."""
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import config
from config import EVAL, TRAIN, Config, InputError, cfg


def parse(monkeypatch, *flags, table=TRAIN):
    monkeypatch.setattr("sys.argv", ["train.py", *flags])
    parser = config.Parser(prog="train.py")
    parser.add_settings("settings", table)
    return parser.parse(table)[0]


def refusal(monkeypatch, capsys, *flags, table=TRAIN):
    with pytest.raises(SystemExit) as stop:
        parse(monkeypatch, *flags, table=table)
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and out == "" and err.count("\n") == 1
    return err


def test_the_papers_defaults():
    assert (cfg.ROUTING_ITERS, cfg.M_POS, cfg.M_NEG, cfg.LAMBDA, cfg.RECONSTRUCT_W) == (3, 0.9, 0.1, 0.5, 0.0005)
    assert (cfg.CONV1_CHANNELS, cfg.PRIMARY_CAPS_CHANNELS, cfg.PRIMARY_DIM, cfg.DIGIT_DIM) == (256, 32, 8, 16)


def test_a_misspelt_name_is_an_error_read_or_written():
    settings = Config(TRAIN)
    with pytest.raises(InputError, match="ROUTING_ITER; did you mean ROUTING_ITERS"):
        settings.ROUTING_ITER = 5
    with pytest.raises(InputError, match="ROUTING_ITER"):
        settings["ROUTING_ITER"] = 5
    with pytest.raises(InputError, match="ROUTING_ITER"):
        settings.update(ROUTING_ITER=5)
    with pytest.raises(AttributeError):
        settings.ROUTING_ITER  # noqa: B018


@pytest.mark.parametrize("name, value", [
    ("ROUTING_ITERS", 0), ("ROUTING_ITERS", 2.5), ("ROUTING_ITERS", True), ("ROUTING_WAY", "loop"), ("LR", 0.0),
    ("LR", float("nan")), ("LR", float("inf")), ("M_POS", 1.5), ("PRIOR_TRAINING", 1), ("DATASET", "svhn"),
    ("LAMBDA", -1), ("BATCH_SIZE", "100"), ("DECAY_RATIO", 0)])
def test_an_unsuitable_value_is_an_error(name, value):
    with pytest.raises(InputError, match=f"{name}: expected .*, received"):
        Config(TRAIN, {name: value})


@pytest.mark.parametrize("table", [TRAIN, EVAL])
def test_every_setting_is_a_flag_and_has_a_suitable_default_and_a_source(monkeypatch, table):
    Config(table, dict(Config(table)))  # every default passes its own rule
    for name, setting in table.items():
        assert setting.help and setting.source
        flags = ["--" + name.lower()] + ([] if isinstance(setting.default, bool) else [str(setting.default)])
        assert parse(monkeypatch, *flags, table=table) == {name: setting.default or type(setting.default) is bool}


def test_flags_that_are_not_given_leave_no_trace(monkeypatch):
    given = parse(monkeypatch, "--lr", "0.01", "--no-prior_training", "--routing_iters", "2")
    assert given == {"LR": 0.01, "PRIOR_TRAINING": False, "ROUTING_ITERS": 2}


@pytest.mark.parametrize("flags, words", [
    (["--routing_iter", "2"], "did you mean --routing_iters"), (["--max_iters", "many"], "many"),
    (["--lr", "nan"], "--lr: expected a finite number above 0, received nan"),
    (["--batch_size", "0"], "from 1 to 2147483647, received 0"), (["--step_size", "1" + 400 * "0"], "from 1 to"),
    (["--dataset", "svhn"], "--dataset: expected mnist, glyphs or"), (["--batch_size"], "expected one argument"),
    (["extra"], "extra")])
def test_bad_flags_are_refused_in_one_line(monkeypatch, capsys, flags, words):
    assert words in refusal(monkeypatch, capsys, *flags)


def test_paths_that_the_user_types_are_relative_to_where_they_stand(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert parse(monkeypatch, "--data_dir", "mine")["DATA_DIR"] == str(tmp_path / "mine")
    assert parse(monkeypatch, "--dataset", "mine.npz")["DATASET"] == str(tmp_path / "mine.npz")


def test_run_turns_an_input_error_into_one_line(capsys):
    def main():
        raise InputError("expected this, received that")

    with pytest.raises(SystemExit) as stop:
        config.run(main)
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith("error: expected this, received that\n")


SAYS = "import config; config.run(lambda: config.say('line', '; a way'))"


@pytest.mark.parametrize("to, reason", [("/dev/full", "No space left on device"), (None, "Broken pipe")])
def test_an_output_that_takes_no_more_is_one_line(to, reason):
    """As in `python eval.py > file` on a full disk, and in `python eval.py | head -1`."""
    if to and not os.path.exists(to):
        pytest.skip(f"no {to} on this system")
    read, write = (None, os.open(to, os.O_WRONLY)) if to else os.pipe()
    if not to:
        os.close(read)
    ended = subprocess.run([sys.executable, "-c", SAYS],
                           text=True, cwd=config.ROOT / "code", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert ended.stderr == f"-c: error: cannot write to standard output: {reason}; a way\n"
    assert ended.returncode == 2


def test_no_output_at_all_is_one_line():
    """As in `python eval.py >&-`."""
    ended = subprocess.run(["bash", "-c", 'exec "$0" -c "$1" >&-', sys.executable, SAYS], text=True,
                           cwd=config.ROOT / "code", stderr=subprocess.PIPE)
    assert (ended.returncode, ended.stderr) == (2, "-c: error: cannot write to standard output: it is closed; a way\n")


@pytest.mark.parametrize("take, reason", [(lambda: np.zeros(2 ** 55), "Unable to allocate"),
                                          (lambda: tf.zeros(2 ** 40), "OOM when allocating")])
def test_too_little_memory_is_one_line(capsys, take, reason):
    with pytest.raises(SystemExit) as stop:
        config.run(take)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert f"not enough memory ({reason}" in error and error.count("\n") == 1


def test_the_environment_that_the_user_set_stays(monkeypatch):
    monkeypatch.setenv("TF_CPU_ALLOCATOR_USE_BFC", "0")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    config.set_environment()
    assert (os.environ["TF_CPU_ALLOCATOR_USE_BFC"], os.environ["TF_CPP_MIN_LOG_LEVEL"]) == ("0", "2")
