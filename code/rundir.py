"""The folder of one training run: config.json, log.txt, metrics.jsonl, tensorboard/, checkpoints and results.json."""
import contextlib
import fcntl
import json
import os
import platform
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

import checkpoints
from config import InputError, say, write_whole
from runconfig import load_config, save_config
from trainer import step_of


@contextlib.contextmanager
def writing(folder):
    """What the system says when it cannot write becomes an InputError that says how to go on."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = error.strerror if isinstance(error, OSError) else re.sub(r".*; | \[Op:\w+]$", "", error.message)
        complete = checkpoints.steps(folder)
        way = f"; its checkpoint of step {complete[-1]} is complete" if complete else ""
        if complete or (Path(folder) / "config.json").exists():
            way += f"; make room, then continue with --ckpt {folder}"
        raise InputError(f"cannot write to {folder}: {reason}{way}") from None


@contextlib.contextmanager
def locked(folder):
    """Makes the folder if need be and locks it for this process -> its log.txt, which carries the lock.

    The system releases the lock when the process ends, however it ends. A log that stayed empty is removed.
    InputError if another process has the lock.
    """
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        log = open(folder / "log.txt", "a")  # noqa: SIM115 - closed below
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(log.fileno()), os.stat(log.name)):  # removed by its last owner meanwhile
                raise BlockingIOError
        except BlockingIOError:
            raise InputError(f"{folder}: another process is training there; wait until it ends, or stop it") from None
    try:
        yield log
    finally:
        with contextlib.suppress(OSError):  # of a full disk, which was reported before
            if not os.path.getsize(log.name):  # refused before its first line
                os.unlink(log.name)
            log.close()


def check_new(folder):
    """InputError unless the folder is empty, but for what a new run that was killed at once may have left."""
    folder = Path(folder)
    checkpoints.check_path(folder)
    if (folder / "config.json").exists():
        raise InputError(f"{folder} already holds a run; continue it with --ckpt {folder}, or name another --train_dir")
    for path in folder.iterdir():
        if not (path.name == "log.txt" and not path.stat().st_size or path.match(".config.json.*.part")):
            raise InputError(f"--train_dir: expected a new or empty folder, received {folder} with {path.name} in it")


def check_same_images(folder, now, name):
    """InputError unless the images of `now` (a RunConfig), called `name`, are those the run in `folder` began with."""
    began = load_config(folder)
    if began[1:] != now[1:]:
        raise InputError("{} is a run on images of [H, W, C] {}, {} classes, SHA-256 {:.8}; {} now has {}, {}, {:.8}"
                         .format(folder, *began[1:], name, *now[1:]))


def about():
    """What a results.json says of how it was made: the command, the versions and the hardware."""
    return {"command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "versions": {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__},
            "hardware": f"{os.cpu_count()} CPU cores ({platform.machine()}), "
                        f"{len(tf.config.list_physical_devices('GPU'))} GPUs"}


class Run:
    """An open run folder: what the training loop writes to, and where a network and its optimizer are restored from.

    Methods that write raise InputError, saying how to go on, when the disk is full or the folder gone.
    """

    def __init__(self, folder, config, log, model, optimizer):
        """Restores the newest checkpoint that is whole into `model` and `optimizer`, or saves the first of a new run.

        `config`: the RunConfig, which is written to config.json. `log`: see `locked`. The optimizer must be built.
        InputError, before anything is changed, if there are checkpoints but none is whole.
        """
        self.folder, self.cfg, self.log = Path(folder), config.settings, log
        self.identity = config.identity()
        self.best = tf.Variable(-1.0, dtype=tf.float64)  # best validation accuracy so far
        self.objects = {"model": model, "optimizer": optimizer, "best": self.best}
        damaged = self._restore()
        step = step_of(optimizer)
        with writing(folder):
            save_config(folder, config)
            self._forget_after(step)
            self.writers = {split: tf.summary.create_file_writer(str(self.folder / "tensorboard" / split))
                            for split in ("train", "val")}
        for error in damaged:
            self.say(f"{error}: passed over")
        self.say(f"run in {self.folder}" + (f", continued from step {step}" if step else ""))
        self.save(step)  # of a new run: so that there is always one, and a full disk is known before the first step

    def _restore(self):
        """-> the errors of newer checkpoints, that are damaged."""
        damaged = []
        for step in reversed(checkpoints.steps(self.folder)):
            try:
                checkpoints.read(self.folder / f"ckpt-{step}", self.identity, **self.objects)
                return damaged
            except checkpoints.Damaged as error:
                damaged.append(error)
        if damaged:
            raise InputError(f"no checkpoint in {self.folder} is whole: {damaged[0]}")
        if checkpoints.steps(self.folder, "best"):  # a run of ours has its first ckpt-* before that
            raise InputError(f"{self.folder} has only networks alone (best-*), no ckpt-* to continue from")
        return []

    def _forget_after(self, step):
        """Drops what was kept of steps that will be done again, and what a killed run left half written.

        TensorBoard's files stay as they are: its curves show such steps twice.
        Checkpoints of later steps are damaged, or they would have been restored; they are only renamed.
        """
        for name in ("metrics.jsonl", "log.txt"):
            _cut_after(self.folder / name, step)
        for damaged in [of for of in checkpoints.steps(self.folder) if of > step]:
            for path in self.folder.glob(f"ckpt-{damaged}.*"):
                path.replace(path.with_name("damaged-" + path.name))
        checkpoints.remove(self.folder, "best", [of for of in checkpoints.steps(self.folder, "best") if of > step])
        for data in [*self.folder.glob("ckpt-*.data-*"), *self.folder.glob("best-*.data-*")]:
            if not data.with_name(data.name.split(".")[0] + ".index").exists():
                data.unlink()
        for partial in self.folder.glob(".*.part"):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()

    def say(self, line):
        """One line to the screen, above the progress bar, and to log.txt."""
        self._log(line)
        say(line, f"; continue with --ckpt {self.folder}")

    def _log(self, line):
        with writing(self.folder):
            print(line, file=self.log, flush=True)

    def record(self, step, split, **metrics):
        """One line of metrics to metrics.jsonl, TensorBoard and the log; those of validation to the screen as well."""
        with writing(self.folder):
            with open(self.folder / "metrics.jsonl", "a") as file:
                file.write(json.dumps({"step": step, "split": split, **metrics}) + "\n")
            with self.writers[split].as_default():
                for name, value in metrics.items():
                    tf.summary.scalar(name, value, step)
        line = f"step {step} {split}: " + ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        if split == "val":
            self.say(line)
        else:
            self._log(line)

    def images(self, step, images, reconstruction):
        """Inputs and reconstructions side by side to TensorBoard. Both [B, H, W, C] in [0, 1]"""
        pairs = np.clip(np.concatenate([images[: len(reconstruction)], reconstruction], axis=2), 0, 1)
        with writing(self.folder), self.writers["train"].as_default():
            tf.summary.image("input and reconstruction", pairs if pairs.shape[-1] == 3 else pairs[..., :1], step,
                             max_outputs=len(pairs))
            for writer in self.writers.values():
                writer.flush()

    def save(self, step):
        """Everything of this step, unless it is there already; then removes what is older than the newest KEEP."""
        if step in checkpoints.steps(self.folder):
            return
        with writing(self.folder):
            checkpoints.write(self.folder, "ckpt", step, self.identity, **self.objects)
            every = checkpoints.steps(self.folder)
            checkpoints.remove(self.folder, "ckpt", every[:-self.cfg.KEEP])
            oldest = every[-self.cfg.KEEP:][0]  # whose best network is kept as well
            best = [of for of in checkpoints.steps(self.folder, "best") if of <= oldest]
            checkpoints.remove(self.folder, "best", best[:-1])

    def save_if_best(self, step, accuracy):
        """The network alone, if its validation accuracy is better than all before."""
        if accuracy > float(self.best):
            with writing(self.folder):
                checkpoints.write(self.folder, "best", step, self.identity, model=self.objects["model"])
            self.best.assign(accuracy)

    def restore_best(self):
        """-> the step whose network was the best on validation, which the model now is; None without one."""
        found = checkpoints.steps(self.folder, "best")
        if not found:  # stopped and ended before the first validation
            return None
        step = found[-1]
        try:
            checkpoints.read(self.folder / f"best-{step}", self.identity, model=self.objects["model"])
            return step
        except checkpoints.Damaged as error:
            self.say(f"{error}: not tested")
            return None

    def save_results(self, results):
        """results.json: the given numbers, and what is needed to get them again."""
        text = json.dumps({**results, "seed": self.cfg.SEED, **about()}, indent=1) + "\n"
        with writing(self.folder):
            write_whole(self.folder / "results.json", text.encode())

    def close(self):
        for writer in self.writers.values():
            with contextlib.suppress(OSError, tf.errors.OpError):  # of a full disk, which was reported before
                writer.close()


class Follower:
    """Stands in for a Run on workers that are not the chief: they write nothing, and the chief tells them the rest."""

    def nothing(self, *values, **named):
        pass

    record = images = save = save_if_best = restore_best = save_results = close = nothing
    say = staticmethod(say)


def _cut_after(path, step):
    """Cuts the file before the first line about a later step, as Run.record writes it, or after its last whole line."""
    kept = 0
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
        about = re.match(rb'(?:\{"step": |step )(\d+)', line)
        if not line.endswith(b"\n") or (about and int(about[1]) > step):
            os.truncate(path, kept)
            return
        kept += len(line)
