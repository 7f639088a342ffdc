"""A run's folder before its first step: create and lock it, and refuse one that is in use."""
import contextlib
import fcntl
import itertools
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

import output
from runs import checkpoints
from settings import ROOT, InputError


def writing(folder: Path) -> contextlib.AbstractContextManager:
    """Returns `output.writing` for a run's folder: its line ends with how to resume the run."""
    def how_to_resume(reason):
        if not os.path.exists(folder / "config.json"):
            return ""
        complete = checkpoints.steps(folder)
        words = f"; its checkpoint of step {complete[-1]} is complete" if complete else ""
        return f"{words}; make room or mend that, then continue with --ckpt {folder}"

    return output.writing(folder, advice=how_to_resume)


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[TextIO]:
    """Creates the folder if need be, and locks it for this process. Yields its log.txt, open.

    The system releases the lock when the process ends. A log that stayed empty is removed, and then
    an empty folder. InputError if another process has the lock.
    """
    folder = Path(folder)
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
                folder.rmdir()


def check_new(folder: str | Path):
    """InputError unless the folder is empty, or has only what a new run leaves that is killed."""
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
    """Creates a folder for a run without --train_dir, parent/DATASET-DATE_TIME, as no other has."""
    stem = re.sub(r"[\[\\]", "_", Path(dataset).stem)  # TensorFlow cannot read them
    name = f"{stem}-{datetime.now():%Y-%m-%d_%H%M%S}"
    with writing(parent):
        for again in itertools.count():  # more than once if another run began in the same second
            folder = parent / (f"{name}-{again + 1}" if again else name)
            with contextlib.suppress(FileExistsError):
                folder.mkdir(parents=True)
                return folder
