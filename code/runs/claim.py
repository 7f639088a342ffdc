"""A run's folder is made, locked, and found to be new: one process trains in it at a time."""
import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

import tensorflow as tf

from output import reason_of
from runs import checkpoints
from settings import ROOT, InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def writing(folder: Path):
    """Where the system cannot write, an InputError says why, and how to resume."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = reason_of(error)
        way = how_to_resume(folder, reason)
        raise InputError(f"cannot write to {folder}: {reason}{way}") from None


def how_to_resume(folder: Path, reason: str) -> str:
    """-> the end of the message about a folder that cannot be written to."""
    try:
        complete = checkpoints.steps(folder)
    except InputError:
        return ""
    words = f"; its checkpoint of step {complete[-1]} is complete" if complete else ""
    if complete or os.path.exists(folder / "config.json"):
        full = any(os.strerror(number) in reason for number in FULL)
        words += f"; {'make room' if full else 'mend that'}, then continue with --ckpt {folder}"
    return words


@contextlib.contextmanager
def locked(folder: str | Path, is_new: bool = False) -> Iterator[TextIO]:
    """Makes the folder if need be, and locks it for this process. -> its log.txt, the lock's file.

    The system releases the lock when the process ends, however it ends. A log that stayed empty is
    removed, and then the folder, too, if it is empty and was made here. is_new: it has just been
    made by `make_folder`. InputError if another process has the lock.
    """
    folder = Path(folder)
    is_new = is_new or not os.path.exists(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # closed below; any locale's text is written as UTF-8
        log = open(folder / "log.txt", "a", encoding="utf-8",  # noqa: SIM115
                   errors="backslashreplace")
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(log.fileno()), os.stat(log.name)):
                raise BlockingIOError  # its last owner has removed it, and the next has a new one
        except (BlockingIOError, FileNotFoundError):  # FileNotFoundError: removed, and no new one
            log.close()
            raise InputError(f"{folder}: another process is training there; wait until it ends, "
                             "or stop it") from None
    try:
        yield log
    finally:
        # OSError: of a full disk, which was reported before, or of a folder that is not empty
        with contextlib.suppress(OSError), log:
            if not os.path.getsize(log.name):  # refused before its first line
                os.unlink(log.name)
                if is_new:
                    folder.rmdir()


def check_new(folder: str | Path):
    """InputError unless the folder is empty.

    What a new run leaves that is killed at once does not count.
    """
    folder = Path(folder)
    checkpoints.check_path(folder)
    if (folder / "config.json").exists():
        raise InputError(f"{folder} already holds a run; continue it with --ckpt {folder}, or name "
                         "another --train_dir")
    with writing(folder):
        there = list(folder.iterdir())
    for path in there:
        empty_log = path.name == "log.txt" and not path.stat().st_size
        if not empty_log and not path.match(".config.json.*.part"):
            raise InputError(f"--train_dir: expected a new or empty folder, received {folder} "
                             f"with {path.name} in it")


def make_folder(dataset: str, parent: Path = ROOT / "output") -> Path:
    """-> a new folder for a run without --train_dir: parent/DATASET-DATE_TIME, as no other has."""
    stem = re.sub(r"[\[\\]", "_", Path(dataset).stem)  # TensorFlow cannot read them
    name = f"{stem}-{datetime.now():%Y-%m-%d_%H%M%S}"
    folder, number = parent / name, 1
    with writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                folder.mkdir()
                return folder
            except FileExistsError:  # another run began in the same second
                number += 1
                folder = parent / f"{name}-{number}"
