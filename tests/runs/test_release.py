"""Weights released in half the bytes: near the original, whole, verified, and not to be trained on."""
import shutil
import sys
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf

import cli
import release
import toy
import toy_runs
from runs import checkpoints, half
from runs.release import release as write_release
from settings import InputError


@pytest.fixture
def run():
    """A finished run of 6 steps with a moving average."""
    return toy_runs.finished("--ema", 0.7, "--lr", 0.01)


@pytest.fixture
def released(run, tmp_path):
    """The network of its average, released."""
    assert write_release(str(run / "average-6"), str(tmp_path / "released")) == 0
    return tmp_path / "released"


def test_the_released_network_is_the_original_to_the_precision_of_float16(run, released, capsys):
    original = checkpoints.load(run / "average-6").network
    network, trained, prefix = checkpoints.load(released)
    assert prefix == released / "ckpt-6" and trained.settings.EMA == 0.7
    assert len(network.variables) == len(original.variables)
    for variable, wanted in zip(network.variables, original.variables, strict=True):
        assert variable.dtype == "float32"
        np.testing.assert_array_equal(variable, np.asarray(wanted).astype(np.float16).astype(np.float32))
        np.testing.assert_allclose(variable, wanted, rtol=5e-4, atol=1e-7)
    images = np.random.default_rng(0).random((4, *toy.IMAGE_SHAPE), np.float32)
    np.testing.assert_allclose(network(images).scores, original(images).scores, rtol=1e-2)


def test_it_takes_half_the_bytes_and_has_no_optimizer(run, released):
    def size(prefix):
        return prefix.with_name(prefix.name + ".data-00000-of-00001").stat().st_size

    saved = tf.train.load_checkpoint(str(released / "ckpt-6"))
    assert not [name for name in saved.get_variable_to_shape_map() if "optimizer" in name]
    numbers = sum(variable.shape.num_elements() for variable in toy.network().variables)
    assert size(run / "average-6") - size(released / "ckpt-6") == pytest.approx(2 * numbers, abs=100)
    assert {path.name for path in released.iterdir()} == {
        "ckpt-6.index", "ckpt-6.data-00000-of-00001", "config.json", "metrics.jsonl", "results.json"}
    assert '"DATA_DIR": "data"' in (released / "config.json").read_text(), "no path of this machine"


def test_a_weight_that_float16_cannot_hold_is_refused(tmp_path):
    network = toy.network()
    network.conv1.bias.assign(1e5 * np.ones(4))
    with pytest.raises(InputError, match="expected weights up to 65,504"):
        checkpoints.write(tmp_path, "ckpt", 1, {}, half=True, model=network)
    assert list(tmp_path.iterdir()) == []


def test_texts_keep_their_last_bytes(tmp_path):
    """NumPy cuts zeros off the end of bytes, and the last byte of a checkpoint's graph may be one."""
    objects = {"text": tf.Variable(b"ends with *\x00\x00"), "weight": tf.Variable([0.5, 1.5])}
    tf.train.Checkpoint(**objects).write(str(tmp_path / "ckpt"))
    with half.widened(tmp_path / "ckpt") as whole:
        assert whole == str(tmp_path / "ckpt"), "float32 is read as it is"
    name = "text/.ATTRIBUTES/VARIABLE_VALUE"
    half.narrow(tmp_path / "ckpt")
    assert tf.train.load_variable(str(tmp_path / "ckpt"), name) == b"ends with *\x00\x00"
    with half.widened(tmp_path / "ckpt") as whole:
        assert whole != str(tmp_path / "ckpt")
        assert tf.train.load_variable(whole, name) == b"ends with *\x00\x00"


def test_where_it_cannot_be_written_nothing_is_left(run, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--to: cannot write to /proc/none/half: "):
        write_release(str(run), "/proc/none/half")

    monkeypatch.setattr(checkpoints, "write", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(InputError, match="No space left on device"):
        write_release(str(run), str(tmp_path / "half"))
    assert not list((tmp_path / "half").iterdir()) and len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_released_is_refused_and_notes_may_stay(run, released):
    with pytest.raises(InputError, match="--to: expected a new folder, .* with ckpt-6"):
        write_release(str(run), str(released))
    for path in released.glob("ckpt-6.*"):
        path.rename(path.with_name(path.name.replace("ckpt-6", "final")))
    with pytest.raises(InputError, match="ends with its step"):
        write_release(str(released / "final"), str(released / "new"))
    for path in released.iterdir():
        path.unlink()
    (released / "README.md").write_text("what it is")
    assert write_release(str(run), str(released)) == 0
    assert checkpoints.find(released).name == "ckpt-6"


def test_results_of_another_step_are_not_passed_on(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    of_run = (run / "results.json").read_text()
    for name, text, kept in (("own", of_run, True), ("other", of_run.replace('"step": 6,', '"step": 61,'), False)):
        (tmp_path / "run" / "results.json").write_text(text)
        assert write_release(str(tmp_path / "run"), str(tmp_path / name)) == 0
        assert (tmp_path / name / "results.json").exists() == kept and (tmp_path / name / "metrics.jsonl").exists()


def test_without_room_for_the_float32_copy_one_line_says_so(released, monkeypatch):
    monkeypatch.setattr(half, "_write", Mock(side_effect=OSError(28, "No space")))
    with pytest.raises(InputError, match="cannot write to a float32 copy of .*: No space; see TMPDIR"):
        checkpoints.load(released)


def test_the_command(run, tmp_path, monkeypatch, capsys):
    def call(*flags):
        monkeypatch.setattr(sys, "argv", ["release.py", *map(str, flags)])
        with pytest.raises(SystemExit) as exit:
            cli.run(release.main)
        return exit.value.code, *capsys.readouterr()

    status, out, _ = call("--ckpt", run, "--to", tmp_path / "new")
    assert status == 0 and out.startswith(f"{run}/ckpt-6 as float16 in {tmp_path}/new: ") and out.endswith(" MB\n")
    status, out, error = call("--ckpt", tmp_path / "nowhere", "--to", tmp_path / "other")
    assert status == 2 and out == "" and "no checkpoint at" in error and not (tmp_path / "other").exists()
    status, _, error = call("--ckpt", run)
    assert status == 2 and error.count("\n") == 1 and "--to" in error
