"""Whole runs: what they leave, how they go on exactly, and what they survive. Killed processes: test_crash.py."""
import contextlib
import os
import re
import resource
import shutil
import signal
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf

import data
import toy
import toy_runs
from runs import about, checkpoints, claim
from runs import folder as run_folder
from runs.config import RunConfig, load_config
from runs.rewind import cut_after
from settings import InputError
from toy_runs import contents, metrics, results, run, same, send, start, variables
from training import evaluate as measuring
from training import session
from training.devices import Devices
from training.evaluate import evaluate
from training.optimizer import make_optimizer
from training.step import make_test_step


@pytest.fixture
def straight():
    """A finished run of 6 steps, for comparison."""
    return toy_runs.finished()


@pytest.fixture
def folder(straight, tmp_path):
    """A copy of it, with its images beside it."""
    shutil.copy(straight.with_name("bars.npz"), tmp_path)
    return shutil.copytree(straight, tmp_path / "run")


# ---- what a run leaves ----

@pytest.mark.parametrize("best_by, kept", [("accuracy", [1, 2]), ("loss", [1, 3])])
def test_the_best_network_is_the_one_with_the_highest_accuracy_or_the_lowest_loss(best_by, kept):
    run = Mock(cfg=toy.settings(BEST_BY=best_by), best=tf.Variable(-np.inf))
    for step, (accuracy, loss) in enumerate([(0.5, 2.0), (0.75, 3.0), (0.625, 0.5), (0.75, 0.5)], 1):
        run_folder.Run.save_if_best(run, step, {"accuracy": accuracy, "loss": loss})
    assert [call.args for call in run.save_network.call_args_list] == [("best", step) for step in kept]


def test_a_run_leaves_everything_in_its_folder(straight):
    config = load_config(straight)
    assert config.class_names == tuple("012"), "an .npz has no names"
    assert (config.settings.DIGIT_DIM, config.image_shape, config.classes) == (4, toy.IMAGE_SHAPE, toy.CLASSES)
    dataset = data.load(toy.settings(DATASET=str(straight.with_name("bars.npz"))))
    assert config.data == dataset.digest and config.init_from is None
    assert [line["step"] for line in metrics(straight, "train")] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in metrics(straight, "val")] == [2, 4, 6]
    assert metrics(straight)[0].keys() == {"step", "split", "loss", "margin", "reconstruction", "accuracy",
                                           "gradient_norm", "learning_rate"}
    best = max(metrics(straight, "val"), key=lambda line: line["accuracy"])
    found = results(straight)
    assert found["last"]["step"] == 6 and found["best"]["step"] == best["step"]
    assert best["step"] == checkpoints.steps(straight, "best")[-1]
    assert found["command"].startswith("train.py --dataset") and found["seed"] == 0
    assert "step 6 val:" in (straight / "log.txt").read_text()
    for split in ("train", "val", "health"):
        assert list((straight / "tensorboard" / split).glob("events*"))

    # the results are those of the checkpoints
    for name, prefix in (("last", straight), ("best", straight / f"best-{best['step']}")):
        loaded = checkpoints.load(prefix)
        again = evaluate(make_test_step(loaded.network, loaded.run.settings, Devices()), dataset.test, 10)
        for key, value in again.items():
            np.testing.assert_allclose(found[name][key], value, rtol=1e-5)


def test_the_newest_checkpoints_are_kept_and_the_best_network_of_each(tmp_path):
    """Since a run may have to go back to its oldest checkpoint."""
    network, optimizer = toy.network(), make_optimizer(toy.settings())
    optimizer.build(network.trainable_variables)
    config = RunConfig(toy.settings(KEEP=3), toy.IMAGE_SHAPE, toy.CLASSES, "0123", tuple("abc"))
    with claim.locked(tmp_path) as log:
        opened = run_folder.Run(tmp_path, config, log, network, optimizer)
        for step, accuracy in enumerate([0.5, 0.6, 0.5, 0.7, 0.5], start=1):
            network.conv1.bias.assign(tf.fill([4], float(step)))
            opened.save_if_best(step, {"accuracy": accuracy})
            opened.save(step)
        assert opened.restore_best() == 4 and np.all(network.conv1.bias == 4), "the newest, which is the best"
    assert checkpoints.steps(tmp_path) == [3, 4, 5]
    assert checkpoints.steps(tmp_path, "best") == [2, 4]


# ---- going on ----

def test_a_run_in_pieces_is_the_run_in_one_piece(tmp_path, straight, capsys):
    """Ctrl-C in a terminal reaches train.sh too, which then sends SIGTERM: it remains a SIGINT."""
    pieces, handlers = tmp_path / "pieces", [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with toy_runs.in_step(3, lambda: (send(signal.SIGINT)(), send(signal.SIGTERM)())):
        assert start(pieces) == 128 + signal.SIGINT
    assert checkpoints.steps(pieces)[-1] == 3 and not (pieces / "results.json").exists()
    assert f"--ckpt {pieces}" in capsys.readouterr().out
    with toy_runs.in_step(4, send(signal.SIGTERM)):
        assert run("--ckpt", pieces) == 128 + signal.SIGTERM
    assert handlers == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)


class Killed(BaseException):
    """Nothing in the code handles it, as nothing handles SIGKILL."""


@contextlib.contextmanager
def killed_at_change(number):
    """Ends the run just before the number-th time that it renames, cuts or removes a file or writes metrics."""
    changes = []

    def counted(function):
        def call(*args, **options):
            changes.append(function)
            if len(changes) == number:
                raise Killed
            return function(*args, **options)
        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in [(os, "replace"), (os, "truncate"), (Path, "unlink"), (run_folder.Run, "record")]:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield changes


@pytest.mark.parametrize("most", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_a_run_killed_between_changes_of_its_folder_goes_on_exactly(tmp_path, straight, most):
    """Among them: between the two files of a best network, of a checkpoint, and of an old one that is removed."""
    with killed_at_change(0) as changes:
        start(tmp_path / "counted")
    assert 20 < len(changes) < 100
    numbers = np.random.default_rng(0).permutation(np.arange(2, len(changes) + 1))[:most]
    for number in numbers:
        pieces = tmp_path / f"killed-{number}"
        with killed_at_change(number), pytest.raises(Killed):
            start(pieces)
        if most > 3:  # and once more
            with killed_at_change(number), contextlib.suppress(Killed):
                run("--ckpt", pieces)
        assert run("--ckpt", pieces) == 0
        assert same(pieces, straight)


def test_a_run_goes_on_from_its_checkpoint_with_what_was_changed(folder):
    """What was recorded after it is written anew. A later run without flags keeps the changes."""
    whole = metrics(folder)
    (folder / "metrics.jsonl").open("a").write('{"step": 7, "split": "train", "loss": 1.0}\n{"step": 8, "spl')
    (folder / "log.txt").open("a").write("step 7 train: loss 1\nstep 8 tr")
    for path in folder.glob("best-*"):  # of a validation after the checkpoint
        shutil.copy(path, path.with_name("best-7" + path.name[6:]))
    moved = (folder.parent / "bars.npz").rename(folder.parent / "moved.npz")
    with toy_runs.in_step(8, send(signal.SIGINT)):
        flags = "--max_iters", 9, "--lr", 0.01, "--digit_dim", 4, "--dataset", moved
        assert run("--ckpt", folder, *flags) == 128 + signal.SIGINT
    assert 7 not in checkpoints.steps(folder, "best") and checkpoints.steps(folder)[-1] == 8
    assert run("--ckpt", folder) == 0
    assert metrics(folder)[: len(whole)] == whole
    assert [line["step"] for line in metrics(folder, "train")] == list(range(1, 10))
    lines = (folder / "log.txt").read_text().splitlines()
    assert sum("step 7 train" in line for line in lines) == 1
    resumed = [number for number, line in enumerate(lines) if line.startswith(f"run in {folder}, continued from step")]
    assert "step 6 with" in lines[resumed[0]] and "MAX_ITERS 9 (was 6), LR 0.01 (was 0.001)" in lines[resumed[0]]
    assert lines[resumed[0] + 1] == f"commit of the code: {about.COMMIT}"
    assert lines[resumed[1]].endswith("from step 8"), "nothing was changed"


def test_a_log_is_cut_at_whole_lines_only(tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"run in a\rb\nstep 2 train: loss 1\nstep 3 train: loss 1\nstep 4 tr")
    cut_after(path, 2)
    assert path.read_bytes() == b"run in a\rb\nstep 2 train: loss 1\n"


# ---- what is refused, and changes nothing ----

def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(*patterns):
    return lambda folder: [path.unlink() for pattern in patterns for path in folder.glob(pattern)]


def larger_images(folder):
    pixels, labels = toy.images(image_shape=(20, 20, 1))
    np.savez(folder.with_name("bars.npz"), x_train=pixels, y_train=labels)


def one_pixel(folder):
    arrays = dict(np.load(folder.with_name("bars.npz")))
    arrays["x_test"][0, 0, 0] ^= 1
    np.savez(folder.with_name("bars.npz"), **arrays)


def no_whole_checkpoint(folder):
    for path in folder.glob("ckpt-*.data*"):
        flip(path)


def network_alone(folder):
    """As it is released."""
    remove("ckpt-*", "log.txt")(folder)
    for path in folder.glob("best-*"):
        path.rename(path.with_name(path.name.replace("best-", "ckpt-")))


def brought(folder):
    """A checkpoint of another run."""
    for path in toy_runs.finished("--routing_iters", 1).glob("ckpt-6.*"):
        shutil.copy(path, folder / path.name.replace("6", "7", 1))


def unreadable(folder):
    """ckpt-6 as on a failing disk: reading /proc/self/mem from its start is an input/output error."""
    (path,) = folder.glob("ckpt-6.data*")
    path.unlink()
    path.symlink_to("/proc/self/mem")


@pytest.mark.parametrize("change, flags, words", [
    (None, ["--digit_dim", 5], "--digit_dim 5: the run in .* has 4"),
    (None, ["--max_iters", 5], "--max_iters: expected 6 or more, the step that .* has reached, received 5"),
    (larger_images, [], r"\(18, 17, 1\), 3 classes, .*; bars now has .*\(20, 20, 1\), 3 "),
    (one_pixel, [], "SHA-256 [0-9a-f]{8}; bars now has .*SHA-256 [0-9a-f]{8}$"),
    (remove("ckpt-*", "metrics.jsonl"), [], r"expected a ckpt-\* to continue from, received only"),
    (remove("ckpt-*", "best-*"), [], r"expected a ckpt-\* to continue from, received only"),
    (no_whole_checkpoint, ["--max_iters", 99], "no checkpoint in .* is whole: .*ckpt-6 is damaged"),
    (network_alone, [], "has no optimizer, no best: a network alone can be evaluated, not resumed"),
    (brought, [], "ckpt-7 is of another run: it has ROUTING_ITERS 1, expected 3 as in"),
    (unreadable, ["--max_iters", 8], "ckpt-6.data.* cannot be read: Input/output error"),
    (remove("config.json"), [], "config.json is missing: expected a folder that train.py made"),
    (lambda folder: (folder / "config.json").write_text('{"settings": {'), [], "config.json is not a config.json")])
def test_what_cannot_go_on_is_refused_and_left_as_it_is(folder, change, flags, words):
    if change:
        change(folder)
    names = sorted(folder.rglob("*"))
    before = {path: path.read_bytes() for path in names if path.is_file() and not path.is_symlink()}
    with pytest.raises(InputError, match=words) as refusal:
        run("--ckpt", folder, "--dataset", folder.with_name("bars.npz"), *flags)
    assert not isinstance(refusal.value, checkpoints.Damaged)
    assert sorted(folder.rglob("*")) == names, "not even an empty log.txt"
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("owner, name, error, refusal", [
    (tf.train, "load_checkpoint", tf.errors.ResourceExhaustedError(None, None, "no memory"),
     tf.errors.ResourceExhaustedError),
    (os, "listdir", PermissionError(13, "Permission denied"), InputError)], ids=["no memory", "no permission"])
def test_what_cannot_be_read_now_is_neither_damaged_nor_a_new_run(folder, monkeypatch, owner, name, error, refusal):
    before = contents(folder)
    with monkeypatch.context() as patch, pytest.raises(refusal, match="no memory|cannot be read: Permission denied"):
        patch.setattr(owner, name, Mock(side_effect=error))
        run("--ckpt", folder)
    assert contents(folder) == before


@pytest.mark.parametrize("name, flags, words", [
    ("run", ["--shift", 18], "--shift: expected less than"),
    ("run", ["--max_iters", 9, "--cooldown", 10], "--cooldown: expected at most --max_iters, 9"),
    ("run", ["--max_iters", 9, "--warmup", 10], "--warmup: expected at most --max_iters, 9"),
    ("run", ["--lr_floor", 0.01], "--lr_floor: expected at most --lr, 0.001, received 0.01"),
    ("run[1]", [], r"expected a path without \[")])
def test_settings_that_do_not_fit_leave_nothing_behind(tmp_path, name, flags, words):
    """So that the corrected command works."""
    with pytest.raises(InputError, match=words):
        start(tmp_path / name, *flags)
    assert [path.name for path in tmp_path.iterdir()] == ["bars.npz"]


def test_a_new_run_needs_a_new_folder(folder):
    before = contents(folder)
    with pytest.raises(InputError, match="already holds a run; continue it with --ckpt"):
        start(folder)
    assert contents(folder) == before
    for name in ("metrics.jsonl", ".movie.part", "log.txt"):
        mine = folder.with_name(f"mine {name}")
        mine.mkdir()
        (mine / name).write_text("step 3 is mine")
        with pytest.raises(InputError, match=f"expected a new or empty folder, received .* with {name}"):
            start(mine)
        assert [path.read_text() for path in mine.iterdir()] == ["step 3 is mine"]


# ---- damage ----

def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(folder, straight, capsys):
    flip(*folder.glob("ckpt-6.data*"))
    with pytest.raises(InputError, match="ckpt-6 is damaged"):
        checkpoints.load(folder)
    assert run("--ckpt", folder) == 0
    output = capsys.readouterr().out
    assert f"{folder}/ckpt-6 is damaged" in output and "continued from step 4" in output
    assert list(folder.glob("damaged-ckpt-6.*")), "nobody's to delete"
    assert same(folder, straight)

    # a damaged best one costs only its own results
    for path in folder.glob("best-*.data*"):
        flip(path)
    assert run("--ckpt", folder) == 0
    assert "is damaged" in capsys.readouterr().out and list(results(folder))[:2] == ["last", "seed"]


# ---- outputs and disks that take no more, numbers gone bad ----

def test_when_standard_output_fails_the_step_is_saved_first(tmp_path, straight, monkeypatch):
    """A standard error that takes nothing never ends a run."""
    pieces, full = tmp_path / "pieces", os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")
    fails = pytest.raises(InputError, match="standard output: No space left.*; continue with --ckpt")
    monkeypatch.setattr(sys, "stderr", open("/dev/full", "w"))  # noqa: SIM115
    with fails, toy_runs.in_step(3, lambda: monkeypatch.setattr(sys, "stdout", full)):
        start(pieces, "--save_every", 100)
    assert checkpoints.steps(pieces) == [0, 4] and metrics(pieces)[-1]["step"] == 4
    monkeypatch.undo()
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)


@contextlib.contextmanager
def full(size):
    """As a full disk: the system refuses to write beyond this size of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_the_run_goes_on_where_there_is_room(tmp_path, straight, capsys):
    """(capsys: what is printed goes to memory.)"""
    pieces, limit = tmp_path / "pieces", contextlib.ExitStack()
    with limit, pytest.raises(InputError) as refusal, toy_runs.in_step(3, lambda: limit.enter_context(full(500))):
        start(pieces, "--save_every", 1)
    assert re.search(f"cannot write to {pieces}: .*File too large.*; its checkpoint of step 2 is complete; "
                     "make room or mend that, then continue with --ckpt", str(refusal.value))
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)


def test_a_disk_that_is_full_from_the_start(tmp_path):
    toy.npz(tmp_path / "bars.npz")
    with full(10_000), pytest.raises(InputError, match="cannot write to .*; make room or mend that, then continue"):
        start(tmp_path / "run")
    assert run("--ckpt", tmp_path / "run", "--max_iters", 1) == 0


def test_a_loss_that_is_not_finite_stops_the_run_before_anything_of_it_is_kept(tmp_path, straight, capsys, monkeypatch):
    """It goes on from the last checkpoint. The weights just before the end would make the same step fail again."""
    training_batch, pieces = session.training_batch, tmp_path / "pieces"

    def poison_step_4(dataset, seed, step, batch_size):
        batch = training_batch(dataset, seed, step, batch_size)
        return batch._replace(images=batch.images * np.nan) if step == 3 else batch

    monkeypatch.setattr(session, "training_batch", poison_step_4)
    assert start(pieces) == 1
    assert re.search(r"not finite: step 4: loss nan.* a smaller learning rate: .* --lr 0\.0001; if that ends",
                     capsys.readouterr().out)
    assert checkpoints.steps(pieces) == [0, 2] and all(np.isfinite(value).all() for value in variables(pieces).values())
    monkeypatch.undo()
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)


def test_ctrl_c_before_anything_is_there_promises_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(session, "make_optimizer", Mock(side_effect=KeyboardInterrupt))
    assert start(tmp_path / "run") == 130
    assert capsys.readouterr().out == "stopped at once; nothing was trained yet\n"
    assert not (tmp_path / "run").exists(), "as good as new"


def test_a_second_sigint_stops_at_once(tmp_path, straight, capsys, monkeypatch):
    """In the middle of validation, whose rest is not waited for: done anew when the run goes on."""
    pieces, calls = tmp_path / "pieces", []

    def interrupted(*given):
        calls.append(given[3:] == ("validation",))
        if sum(calls) < 2:
            return evaluate(*given)
        send(signal.SIGINT)()
        send(signal.SIGTERM)()  # from train.sh
        send(signal.SIGINT)()
        pytest.fail("not interrupted")

    monkeypatch.setattr(measuring, "evaluate", interrupted)
    assert start(pieces, "--save_every", 3) == 130
    assert "stopped at once; continue from the last checkpoint with" in capsys.readouterr().out
    assert checkpoints.steps(pieces) == [0, 3] and metrics(pieces)[-1]["step"] == 4
    monkeypatch.undo()
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)
