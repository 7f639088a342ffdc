"""Whole runs: what they leave, how they go on exactly, and what they survive. Killed processes: test_crash.py."""
import contextlib
import json
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
from runs.config import load_config
from runs.rewind import cut_after
from settings import InputError
from toy_runs import contents, metrics, run, same, send, start, variables
from training import loop, session
from training.devices import Devices
from training.evaluate import evaluate
from training.step import make_test_step


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A finished run of 6 steps, for comparison."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    assert start(folder) == 0
    return folder


@pytest.fixture
def folder(straight, tmp_path):
    """A copy of it, with its images beside it."""
    shutil.copy(straight.with_name("bars.npz"), tmp_path)
    return shutil.copytree(straight, tmp_path / "run")


# ---- what a run leaves ----

def test_a_run_leaves_everything_in_its_folder(tmp_path):
    folder = tmp_path / "run"
    assert start(folder, "--keep", 2, "--lr", 0.003) == 0
    cfg, image_shape, classes, digest, names = load_config(folder)
    assert names == tuple("012"), "an .npz has no names"
    assert (cfg.LR, cfg.KEEP, image_shape, classes) == (0.003, 2, toy.IMAGE_SHAPE, toy.CLASSES)
    assert digest == data.load(toy.settings(DATASET=str(tmp_path / "bars.npz"))).digest
    assert checkpoints.steps(folder) == [4, 6]
    assert [line["step"] for line in metrics(folder, "train")] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in metrics(folder, "val")] == [2, 4, 6]
    assert metrics(folder)[0].keys() == {"step", "split", "loss", "margin", "reconstruction", "accuracy",
                                         "gradient_norm", "learning_rate"}
    results = json.loads((folder / "results.json").read_text())
    assert results["last"]["step"] == 6 and results["best"]["step"] == checkpoints.steps(folder, "best")[-1]
    assert results["command"].startswith("train.py --dataset") and results["seed"] == 0
    best = max(metrics(folder, "val"), key=lambda line: line["accuracy"])
    assert results["best"]["step"] == best["step"]
    assert "step 6 val:" in (folder / "log.txt").read_text()
    for split in ("train", "val"):
        assert list((folder / "tensorboard" / split).glob("events*"))


@pytest.mark.parametrize("flags, tested", [([], "last"), (["--ema", 0.7], "average")])
def test_the_last_network_is_not_tested_twice_where_it_is_the_best(tmp_path, monkeypatch, flags, tested):
    titles = []
    monkeypatch.setattr(session, "evaluate", lambda *given: titles.append(given[-1]) or evaluate(*given))
    assert start(tmp_path / "run", "--val_every", 100, *flags) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["best"] == results[tested] and results["best"]["step"] == 6
    assert titles == ["test, last", "test, average"][:1 + len(flags) // 2]


def test_the_results_are_those_of_the_checkpoints(tmp_path):
    folder = tmp_path / "run"
    start(folder, "--lr", 0.01)
    dataset = data.load(toy.settings(DATASET=str(tmp_path / "bars.npz")))
    results = json.loads((folder / "results.json").read_text())
    for name, prefix in (("last", folder), ("best", folder / f"best-{results['best']['step']}")):
        model, trained, _ = checkpoints.load(prefix)
        cfg = trained.settings
        again = evaluate(make_test_step(model, cfg, Devices()), dataset.test, 10)
        for key, value in again.items():
            np.testing.assert_allclose(results[name][key], value, rtol=1e-5)


def test_the_best_network_of_every_checkpoint_is_kept(tmp_path, monkeypatch):
    """Since a run may have to go back to its oldest checkpoint."""
    accuracies = iter([0.5, 0.6, 0.5, 0.7, 0.5, 0.5, 0.5])
    monkeypatch.setattr(loop, "evaluate", lambda *a: {**evaluate(*a), "accuracy": next(accuracies)})
    start(tmp_path / "run", "--max_iters", 5, "--val_every", 1, "--save_every", 1, "--keep", 3)
    assert checkpoints.steps(tmp_path / "run") == [3, 4, 5]
    assert checkpoints.steps(tmp_path / "run", "best") == [2, 4]


# ---- going on ----

@pytest.mark.parametrize("number, then", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)])
def test_a_run_in_pieces_is_the_run_in_one_piece(tmp_path, straight, capsys, number, then):
    """Ctrl-C in a terminal reaches train.sh too, which then sends SIGTERM: it remains a SIGINT."""
    pieces, handler = tmp_path / "pieces", signal.getsignal(number)
    with toy_runs.in_step(3, lambda: (send(number)(), send(then)())):
        assert start(pieces) == 128 + number
    assert checkpoints.steps(pieces)[-1] == 3 and not (pieces / "results.json").exists()
    assert f"--ckpt {pieces}" in capsys.readouterr().out
    assert signal.getsignal(number) == handler
    with toy_runs.in_step(4, send(number)):
        assert run("--ckpt", pieces) == 128 + number
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


def test_a_run_killed_between_changes_of_its_folder_goes_on_exactly(tmp_path, straight):
    with killed_at_change(0) as changes:
        start(tmp_path / "counted", "--max_iters", 6)
    assert len(changes) > 20
    # among them: between the two files of a best network, of a checkpoint, and of an old one that is removed
    for number in range(2, len(changes), 7):
        pieces = tmp_path / f"killed-{number}"
        with killed_at_change(number), pytest.raises(Killed):
            start(pieces)
        with killed_at_change(number), contextlib.suppress(Killed):  # and once more
            run("--ckpt", pieces)
        assert run("--ckpt", pieces) == 0
        assert same(pieces, straight)


def test_metrics_past_the_last_checkpoint_are_written_anew(folder):
    whole = metrics(folder)
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"step": 7, "split": "train", "loss": 1.0}\n{"step": 8, "spl')
    with open(folder / "log.txt", "a") as file:
        file.write("step 7 train: loss 1\nstep 8 tr")
    run("--ckpt", folder, "--max_iters", 8)
    assert metrics(folder)[: len(whole)] == whole
    assert [line["step"] for line in metrics(folder, "train")] == list(range(1, 9))
    assert (folder / "log.txt").read_text().count("step 7 train") == 1


def test_a_log_is_cut_at_whole_lines_only(tmp_path):
    """A path with a carriage return in it does not end a line."""
    path = tmp_path / "log.txt"
    path.write_bytes(b"run in a\rb\nstep 2 train: loss 1\nstep 3 train: loss 1\nstep 4 tr")
    cut_after(path, 2)
    assert path.read_bytes() == b"run in a\rb\nstep 2 train: loss 1\n"


def test_a_best_checkpoint_of_steps_to_be_done_again_is_forgotten(folder):
    """Of a run killed at step 7, between validation and the next checkpoint; it continues to a step before that."""
    for path in folder.glob("best-*"):
        shutil.copy(path, path.with_name(f"best-7{path.suffix if 'index' in path.name else '.data-00000-of-00001'}"))
    before = checkpoints.steps(folder, "best")[:-1]
    assert run("--ckpt", folder) == 0
    assert checkpoints.steps(folder, "best") == before


def test_the_log_says_what_was_changed_and_which_code_went_on(folder):
    def lines():
        return (folder / "log.txt").read_text().splitlines()

    assert f"run in {folder.parent}" not in lines()[0], "of the run that was copied"
    assert lines()[1] == f"commit of the code: {about.COMMIT}"
    assert run("--ckpt", folder, "--max_iters", 7, "--lr", 0.01) == 0
    resumed = next(n for n, line in enumerate(lines()) if line.startswith(f"run in {folder}, continued"))
    assert lines()[resumed].endswith(" from step 6 with MAX_ITERS 7 (was 6), LR 0.01 (was 0.001)")
    assert lines()[resumed + 1].startswith("commit of the code: ")
    assert run("--ckpt", folder) == 0
    assert f"run in {folder}, continued from step 7" in lines()


def test_a_continued_run_keeps_its_settings(folder):
    with pytest.raises(InputError, match="--digit_dim 5: the run in .* has 4"):
        run("--ckpt", folder, "--digit_dim", 5)
    assert run("--ckpt", folder, "--digit_dim", 4, "--max_iters", 8) == 0
    assert checkpoints.steps(folder)[-1] == 8


def test_a_run_cannot_be_made_shorter_than_it_is(folder):
    before = contents(folder)
    with pytest.raises(InputError, match="--max_iters: expected 6 or more, the step that .* has reached, received 5"):
        run("--ckpt", folder, "--max_iters", 5)
    assert contents(folder) == before


def test_what_changes_on_continuing_is_remembered(folder):
    with toy_runs.in_step(8, send(signal.SIGINT)):
        assert run("--ckpt", folder, "--max_iters", 12) == 128 + signal.SIGINT
    assert run("--ckpt", folder) == 0
    assert checkpoints.steps(folder)[-1] == 12


def test_a_run_that_died_before_its_first_checkpoint_begins_again(folder):
    whole = metrics(folder)
    for path in [*folder.glob("ckpt-*"), *folder.glob("best-*"), folder / "results.json", folder / "metrics.jsonl"]:
        path.unlink()
    assert run("--ckpt", folder) == 0
    assert metrics(folder) == whole


def test_a_run_whose_checkpoints_were_removed_is_left_as_it_is(folder):
    for path in folder.glob("ckpt-*"):
        path.unlink()
    before = contents(folder)
    with pytest.raises(InputError, match=r"expected a ckpt-\* to continue .*received only best-\* and metrics.jsonl"):
        run("--ckpt", folder)
    assert contents(folder) == before
    for path in folder.glob("best-*"):
        path.rename(path.with_name(path.name.replace("best", "average")))
    with pytest.raises(InputError, match=r"received only average-\* and metrics.jsonl, which a new run would replace"):
        run("--ckpt", folder)
    for path in folder.glob("average-*"):
        path.unlink()
    with pytest.raises(InputError, match="received only metrics.jsonl"):
        run("--ckpt", folder)


# ---- what is refused ----

def test_a_folder_that_holds_a_run_is_refused(folder):
    before = contents(folder)
    with pytest.raises(InputError, match="already holds a run; continue it with --ckpt"):
        start(folder)
    assert contents(folder) == before


def test_a_run_goes_on_only_with_the_images_it_began_with(folder, tmp_path):
    pixels, labels = toy.images(image_shape=(20, 20, 1))
    np.savez(tmp_path / "larger.npz", x_train=pixels, y_train=labels)
    with pytest.raises(InputError, match=r"\(18, 17, 1\), 3 classes, .*; larger now has .*\(20, 20, 1\), 3 "):
        run("--ckpt", folder, "--dataset", tmp_path / "larger.npz")
    arrays = dict(np.load(tmp_path / "bars.npz"))
    np.savez(tmp_path / "moved.npz", **arrays)
    assert run("--ckpt", folder, "--dataset", tmp_path / "moved.npz", "--max_iters", 7) == 0
    arrays["x_test"][0, 0, 0] ^= 1
    np.savez(tmp_path / "moved.npz", **arrays)
    with pytest.raises(InputError, match="SHA-256 [0-9a-f]{8}; moved now has .*SHA-256 [0-9a-f]{8}$"):
        run("--ckpt", folder)


def test_what_is_refused_leaves_nothing_behind(tmp_path, folder):
    """So that the corrected command works. A continued run's config.json is not changed either."""
    with pytest.raises(InputError, match="--shift: expected less than"):
        start(tmp_path / "new", "--shift", 18)
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match="--cooldown: expected at most --max_iters, 9, received 10"):
        start(tmp_path / "new", "--max_iters", 9, "--cooldown", 10)
    with pytest.raises(InputError, match="--warmup: expected at most --max_iters, 9, received 10"):
        start(tmp_path / "new", "--max_iters", 9, "--warmup", 10)
    with pytest.raises(InputError, match="--lr_floor: expected at most --lr, 0.001, received 0.01"):
        start(tmp_path / "new", "--lr_floor", 0.01)
    assert not (tmp_path / "new").exists()
    before = (folder / "config.json").read_bytes()
    for path in folder.glob("ckpt-*.data*"):
        flip(path)
    with pytest.raises(InputError, match="is whole"):
        run("--ckpt", folder, "--max_iters", 99)
    assert (folder / "config.json").read_bytes() == before
    with pytest.raises(InputError, match="already holds a run"):
        start(folder)
    (folder / "config.json").unlink()
    before = contents(folder)
    with pytest.raises(InputError, match="--train_dir: expected a new or empty folder, received .* with .* in it"):
        start(folder)
    assert contents(folder) == before


def test_a_folder_with_other_files_is_not_taken_for_a_run(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, text in (("metrics.jsonl", "mine"), (".movie.part", "half"), ("log.txt", "step 3 is mine")):
        (mine / name).write_text(text)
        with pytest.raises(InputError, match=f"expected a new or empty folder, received .* with {name}"):
            start(mine)
        assert (mine / name).read_text() == text
        (mine / name).unlink()
        assert [path.name for path in mine.iterdir()] == []


def test_a_path_that_tensorflow_cannot_read_is_refused_before_the_first_step(tmp_path):
    with pytest.raises(InputError, match=r"expected a path without \["):
        start(tmp_path / "run[1]")
    assert not (tmp_path / "run[1]").exists()


def test_the_lock_of_a_log_that_was_removed_meanwhile_is_none(folder, monkeypatch):
    """As when its owner was refused and removed its empty log between our opening and locking it."""
    monkeypatch.setattr(claim.fcntl, "flock", lambda log, how: (os.unlink(log.name), open(log.name, "a").close()))
    with pytest.raises(InputError, match="another process is training there"):
        run("--ckpt", folder)


def test_a_run_that_ends_before_its_first_validation_is_tested(tmp_path):
    with toy_runs.in_step(1, send(signal.SIGINT)):
        start(tmp_path / "run")
    assert run("--ckpt", tmp_path / "run", "--max_iters", 1) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["last"]["step"] == 1 and "best" not in results


@pytest.mark.parametrize("where", ["nowhere", "."])
def test_nothing_to_continue_is_refused(tmp_path, where):
    with pytest.raises(InputError, match="config.json is missing: expected a folder that train.py made"):
        run("--ckpt", tmp_path / where)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_brought_from_another_run_is_refused(folder, tmp_path):
    start(tmp_path / "other", "--routing_iters", 1, "--max_iters", 7)
    for path in (tmp_path / "other").glob("ckpt-7.*"):
        path.rename(folder / path.name)
    with pytest.raises(InputError, match="ckpt-7 is of another run: it has ROUTING_ITERS 1, expected 3 as in"):
        run("--ckpt", folder)
    assert (folder / "ckpt-7.index").exists() and checkpoints.steps(folder)[:-1] == [2, 4, 6]


def test_two_runs_in_one_folder(folder):
    with claim.locked(folder), pytest.raises(InputError, match="another process is training there"):
        run("--ckpt", folder)
    assert run("--ckpt", folder) == 0, "the lock ends with its owner"


# ---- damage ----

def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage, suffix", [(truncate, "data"), (flip, "data"), (Path.unlink, "data"),
                                            (truncate, "index"), (flip, "index")])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(folder, straight, capsys, damage, suffix):
    damage(*folder.glob(f"ckpt-6.{suffix}*"))
    with pytest.raises(InputError, match="ckpt-6 is damaged"):
        checkpoints.load(folder)
    assert run("--ckpt", folder) == 0
    output = capsys.readouterr().out
    assert f"{folder}/ckpt-6 is damaged" in output and "continued from step 4" in output
    assert list(folder.glob("damaged-ckpt-6.*")), "nobody's to delete"
    assert same(folder, straight)


def test_a_run_without_a_whole_checkpoint_is_refused_and_left_alone(folder):
    for path in folder.glob("ckpt-*.data*"):
        flip(path)
    before = contents(folder)
    with pytest.raises(InputError, match="no checkpoint in .* is whole: .*ckpt-6 is damaged"):
        run("--ckpt", folder)
    assert contents(folder) == before


def test_a_network_alone_cannot_be_continued_and_is_left_alone(folder):
    for path in [*folder.glob("ckpt-*"), folder / "log.txt"]:
        path.unlink()
    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match="expected a ckpt-. to continue from, received only best"):
        run("--ckpt", folder)
    for path in before:  # as it is released
        if path.name.startswith("best-"):
            path.rename(path.with_name(path.name.replace("best-", "ckpt-")))
    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match="has no optimizer, no best: a network alone can be evaluated, not resumed"):
        run("--ckpt", folder)
    assert sorted(folder.iterdir()) == before, "not even an empty log.txt"


@pytest.mark.parametrize("name", ["config.json", "config.json damaged"])
def test_a_run_without_its_config_is_refused(folder, name):
    (folder / "config.json").unlink()
    if "damaged" in name:
        (folder / "config.json").write_text('{"settings": {')
    for use in (checkpoints.load, lambda folder: run("--ckpt", folder)):
        with pytest.raises(InputError, match="config.json is"):
            use(folder)


def test_a_damaged_best_checkpoint_costs_only_its_own_results(folder, capsys):
    for path in folder.glob("best-*.data*"):
        flip(path)
    assert run("--ckpt", folder) == 0
    assert "is damaged" in capsys.readouterr().out
    assert list(json.loads((folder / "results.json").read_text()))[:2] == ["last", "seed"]


# ---- what cannot be read is not damaged ----

def unreadable(folder):
    """ckpt-6 as on a failing disk: reading /proc/self/mem from its start is an input/output error."""
    (path,) = folder.glob("ckpt-6.data*")
    path.unlink()
    path.symlink_to("/proc/self/mem")


def test_a_checkpoint_that_cannot_be_read_stops_the_run_and_nothing_is_touched(folder):
    unreadable(folder)
    names = sorted(folder.rglob("*"))
    records = [(folder / name).read_bytes() for name in ("metrics.jsonl", "log.txt", "config.json")]
    with pytest.raises(InputError, match="ckpt-6.data.* cannot be read: Input/output error") as refusal:
        run("--ckpt", folder, "--max_iters", 8)
    assert not isinstance(refusal.value, checkpoints.Damaged)
    assert sorted(folder.rglob("*")) == names
    assert records == [(folder / name).read_bytes() for name in ("metrics.jsonl", "log.txt", "config.json")]


@pytest.mark.parametrize("error, refusal", [
    (tf.errors.DataLossError(None, None, "Unable to open table file: x; Input/output error"), InputError),
    (tf.errors.ResourceExhaustedError(None, None, "no memory"), tf.errors.ResourceExhaustedError),
    (MemoryError(), MemoryError)])
def test_a_passing_error_of_the_machine_is_not_damage(folder, monkeypatch, error, refusal):
    before = contents(folder)
    monkeypatch.setattr(tf.train, "load_checkpoint", Mock(side_effect=error))
    with pytest.raises(refusal) as raised:
        run("--ckpt", folder)
    assert not isinstance(raised.value, checkpoints.Damaged)
    assert contents(folder) == before


def test_a_folder_that_cannot_be_listed_is_not_taken_for_a_new_run(folder, monkeypatch):
    before = contents(folder)
    with monkeypatch.context() as patch, pytest.raises(InputError, match="cannot be read: Permission denied"):
        patch.setattr(os, "listdir", Mock(side_effect=PermissionError(13, "Permission denied")))
        run("--ckpt", folder)
    assert contents(folder) == before


# ---- outputs that take no more ----

@contextlib.contextmanager
def without_reader(mode):
    """The stream of a pipe whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with contextlib.suppress(BrokenPipeError), open(writer, mode) as stream:
        yield stream


@pytest.mark.parametrize("broken", [
    Path("/dev/full").open, lambda mode: contextlib.nullcontext(None), without_reader])
def test_a_standard_error_that_takes_nothing_never_ends_a_run(tmp_path, straight, broken):
    with contextlib.suppress(OSError), broken("w") as stream, contextlib.redirect_stderr(stream):
        status = start(tmp_path / "run")
    assert status == 0 and same(tmp_path / "run", straight)


def test_when_standard_output_fails_the_step_is_saved_first(tmp_path, straight, monkeypatch):
    pieces, full = tmp_path / "pieces", os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")
    fails = pytest.raises(InputError, match="standard output: No space left.*; continue with --ckpt")
    with fails, toy_runs.in_step(3, lambda: monkeypatch.setattr(sys, "stdout", full)):
        start(pieces, "--save_every", 100)
    assert checkpoints.steps(pieces) == [0, 4] and metrics(pieces)[-1]["step"] == 4
    monkeypatch.undo()
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)


# ---- full disks, numbers gone bad ----

@contextlib.contextmanager
def full(size):
    """As a full disk: the system refuses to write beyond this size of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("step, size", [(1, 10_000), (3, 500), (5, 10_000)])
def test_a_full_disk_is_one_line_and_the_run_goes_on_where_there_is_room(tmp_path, straight, capsys, step, size):
    """Too full for a checkpoint, or for a line of the log. (capsys: what is printed goes to memory.)"""
    pieces, limit = tmp_path / "pieces", contextlib.ExitStack()
    with limit, pytest.raises(InputError) as refusal, toy_runs.in_step(step, lambda: limit.enter_context(full(size))):
        start(pieces, "--save_every", 1)
    assert re.search(f"cannot write to {pieces}: .*File too large.*; its checkpoint of step {step - 1} is complete; "
                     "make room, then continue with --ckpt", str(refusal.value))
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)


def test_a_disk_that_is_full_from_the_start(tmp_path):
    toy.npz(tmp_path / "bars.npz")
    with full(10_000), pytest.raises(InputError, match="cannot write to .*; make room, then continue with --ckpt"):
        start(tmp_path / "run")
    assert run("--ckpt", tmp_path / "run") == 0


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to .*Not a directory"), claim.locked(tmp_path / "file" / "run"):
        pass


def test_a_loss_that_is_not_finite_stops_the_run_before_anything_of_it_is_kept(tmp_path, straight, capsys, monkeypatch):
    training_batch, pieces = loop.training_batch, tmp_path / "pieces"

    def poison_step_4(dataset, seed, step, batch_size):
        batch = training_batch(dataset, seed, step, batch_size)
        return batch._replace(images=batch.images * np.nan) if step == 3 else batch

    monkeypatch.setattr(loop, "training_batch", poison_step_4)
    assert start(pieces) == 1
    assert "not finite: step 4: loss nan" in capsys.readouterr().out
    assert all(np.isfinite(value).all() for value in variables(pieces).values())
    monkeypatch.undo()
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)


def test_a_run_that_diverged_goes_on_as_it_advises(tmp_path, capsys):
    """From the last checkpoint: the weights just before the end would make the same step fail again."""
    assert start(tmp_path / "run", "--lr", 1e30, "--save_every", 500) == 1
    advice = re.search(r"not finite: step (\d+): .* a smaller learning rate: .* --lr 1e\+29; if that ends",
                       capsys.readouterr().out)
    assert int(advice[1]) > 1, "a step that diverges goes before"
    assert run("--ckpt", tmp_path / "run", "--lr", 1e-4) == 0


def test_ctrl_c_before_anything_is_there_promises_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(session, "make_optimizer", Mock(side_effect=KeyboardInterrupt))
    assert start(tmp_path / "run") == 130
    assert capsys.readouterr().out == "stopped at once; nothing was trained yet\n"
    monkeypatch.undo()
    assert start(tmp_path / "run") == 0, "the folder is as good as new"


def test_a_second_sigint_stops_at_once(tmp_path, straight, capsys, monkeypatch):
    """In the middle of validation, whose rest is not waited for: done anew when the run goes on."""
    pieces, calls = tmp_path / "pieces", []

    def interrupted(*args):
        calls.append(args)
        if len(calls) < 2:
            return evaluate(*args)
        send(signal.SIGINT)()
        send(signal.SIGTERM)()  # from train.sh
        send(signal.SIGINT)()
        pytest.fail("not interrupted")

    monkeypatch.setattr(loop, "evaluate", interrupted)
    assert start(pieces, "--save_every", 3) == 130
    assert "stopped at once; continue from the last checkpoint with" in capsys.readouterr().out
    assert checkpoints.steps(pieces) == [0, 3] and metrics(pieces)[-1]["step"] == 4
    monkeypatch.undo()
    assert run("--ckpt", pieces) == 0
    assert same(pieces, straight)
