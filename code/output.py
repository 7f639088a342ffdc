"""What a command gives out: lines, progress bars, whole files. None is left half done."""
import contextlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from settings import InputError


class Forgiving:
    """Standard error for a progress bar: where it cannot be written to, nothing is written."""

    def __init__(self):
        self.stream = sys.stderr

    def write(self, text: str):
        # It may be full, closed, or not there at all.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.stream.write(text)

    def flush(self):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.stream.flush()

    def __getattr__(self, name):  # tqdm asks for the encoding and the size of the terminal
        return getattr(self.stream, name)

    def __eq__(self, other):  # by which tqdm knows which bars to clear before a line is printed
        return other is self.stream

    __hash__ = object.__hash__


def progress(items=None, title: str | None = None, total: int | None = None, **options) -> tqdm:
    """Returns a progress bar on standard error, over `items` or moved by hand. It never ends a run.

    title: None shows no bar. The other options are tqdm's. All bars take turns on one line.
    """
    stream = Forgiving()
    with contextlib.redirect_stderr(stream):  # which tqdm flushes when it makes a bar
        return tqdm(items, title, total, file=stream, disable=title is None,
                    **{"leave": False, "dynamic_ncols": True, "position": 0, **options})


def say(line: str, way: str = ""):
    """Prints a line above any progress bar. InputError, ending with `way`, if output is full."""
    if sys.stdout is None:
        raise InputError(f"cannot write to standard output: it is closed{way}")
    try:
        with tqdm.external_write_mode(file=sys.stdout):
            print(line, flush=True)  # at once: train.sh reads it through a pipe
    except OSError as error:
        # Python flushes standard output once more when it ends: that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise InputError(f"cannot write to standard output: {error.strerror}{way}") from None


def write_whole(path: Path, content: bytes):
    """Writes a file that appears complete or not at all, even after a power cut. OSError if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        wait_for_disk(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def wait_for_disk(path: Path):
    """Waits until the file's content is on the disk, and not only in the system's memory."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def check_writable(flag: str, path: Path):
    """InputError, naming the flag, if one sees that no file can be written at the absolute path."""
    parent = next(parent for parent in path.parents if os.path.exists(parent))
    if os.path.isdir(path) or not (os.path.isdir(parent) and os.access(parent, os.W_OK)):
        raise InputError(f"{flag}: expected a file in a folder to write in, received {path}")


@contextlib.contextmanager
def writing(path: str | Path, flag: str = "", advice: Callable[[str], str] | None = None):
    """Turns an error of the system or of TensorFlow into an InputError: cannot write to PATH.

    flag: the one that names the path. advice: makes the end of the line from the reason.
    """
    try:
        yield
    except Exception as error:
        # by the name of its module: TensorFlow need not be imported
        if not (isinstance(error, OSError) or type(error).__module__.startswith("tensorflow.")):
            raise
        reason = reason_of(error)
        line = f"cannot write to {path}: {reason}{advice(reason) if advice else ''}"
        raise InputError(f"{flag}: {line}" if flag else line) from None


def reason_of(error: Exception) -> str:
    """Returns why a file could not be written, in one line."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
    else:  # TensorFlow says "FILE; REASON [Op:NAME]"
        reason = re.sub(r".*; | \[Op:\w+]$", "", getattr(error, "message", str(error)))
    return reason.partition("\n")[0] or type(error).__name__


def first_line(error: Exception) -> str:
    """Returns the first line of what an error says, which may be nothing."""
    return str(error).strip().partition("\n")[0]
