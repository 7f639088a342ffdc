"""The command line: flags from the tables of settings, errors in one line, a quiet start."""
import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from settings import PATH, Config, InputError, Setting, suggestion


class Parser(argparse.ArgumentParser):
    """argparse, with flags made from the tables, no abbreviations and errors in one line."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, **options)

    def add_settings(self, title: str, table: dict[str, Setting]):
        """Adds a flag for each setting. The parsed values have only those that are given."""
        group = self.add_argument_group(title)
        for name, setting in table.items():
            kind = type(setting.default)
            text = f"{setting.help} (default {setting.default}; {setting.source})"
            if kind is bool:
                how = {"action": argparse.BooleanOptionalAction}
            else:
                metavar = {int: "N", float: "X", str: "WORD"}[kind]
                how = {"type": setting.rule.convert or kind, "metavar": metavar}
            group.add_argument(f"--{name.lower()}", default=argparse.SUPPRESS,
                               help=text.replace("%", "%%"), **how)

    def parse(self, table: dict[str, Setting]) -> tuple[dict, argparse.Namespace]:
        """Returns the given settings of `table`, checked, and the other arguments."""
        args, unknown = self.parse_known_args()
        if unknown:
            known = [word for action in self._actions for word in action.option_strings]
            word = unknown[0].split("=")[0]
            way_out = suggestion(word, known) or "; see --help"
            self.error(f"unknown argument {unknown[0]}{way_out}")

        # Defaults are checked too: one may come from the environment.
        given = {name: vars(args).pop(name.lower()) for name in table if name.lower() in args}
        checked = Config(table)
        for name, value in {**checked, **given}.items():
            try:
                checked[name] = value
            except InputError as error:
                self.error(str(error).replace(name, f"--{name.lower()}", 1))
        return given, args

    def error(self, message: str):
        self.exit(2, f"{self.prog}: error: {in_one_line(message)}\n")


def path(text: str) -> str:
    """Returns the path that a flag's text means where the user stands. For `add_argument`."""
    absolute = PATH.convert(text)
    if not PATH.holds(absolute):
        raise argparse.ArgumentTypeError(f"expected {PATH.words}, received {text!r}")
    return absolute


def run(main: Callable[[], int]):
    """Runs a command's main function and exits with its status.

    An InputError or a lack of memory becomes one line on standard error and status 2. Ctrl-C
    becomes one line and status 130. Anything else is a bug, and keeps its traceback.
    """
    name = Path(sys.argv[0]).name
    make_output_safe()
    try:
        sys.exit(main())
    except InputError as error:
        complain(f"{name}: error: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        complain(f"{name}: interrupted")
        sys.exit(130)
    except Exception as error:
        # NumPy raises MemoryError. TensorFlow, which need not be imported, has its own error.
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        # the first line, without TensorFlow's {{node ...}}
        reason = str(error).partition("\n")[0].rpartition("}} ")[2]
        complain(f"{name}: error: not enough memory ({reason}); fewer or smaller images "
                 "(--image_size), a smaller --batch_size or a smaller network would take less")
        sys.exit(2)


def complain(line: str):
    """Prints one line to standard error, if it takes any."""
    with contextlib.suppress(OSError, ValueError):
        print(in_one_line(line), file=sys.stderr, flush=True)


def in_one_line(text: str) -> str:
    """Returns the text with its line breaks, which a path may have, as \\n and \\r."""
    return text.replace("\n", "\\n").replace("\r", "\\r")


def make_output_safe():
    """Prints characters that the encoding lacks as \\x.., and reserves the numbers 0 to 2.

    Else a file opened while standard error is closed would get the notes of TensorFlow.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stderr is None:  # print(file=None) would print to standard output
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115


def set_environment():
    """Sets variables that TensorFlow reads while it is imported, unless the user has set them."""
    # Keep freed memory, because to give it back costs time. The limit is all memory of the machine;
    # TensorFlow's own limit is 64 GB.
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
    os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(memory // 2 ** 20))
    # Print no notes about optional instructions and missing GPUs.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def start_tensorflow():
    """Imports TensorFlow without the lines about missing GPUs that no setting silences.

    It takes seconds, so a command calls this when its flags are known to be right, and imports what
    needs TensorFlow after it.
    """
    set_environment()
    with held_back():
        import tensorflow as tf
        tf.config.list_physical_devices()


@contextlib.contextmanager
def held_back():
    """Sends standard error, also that of C++ code, to a file. Prints it only if the block fails.

    Where there is no room for the file, nothing is held back.
    """
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115, closed below
    except OSError:
        yield
        return
    with file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(before, 2)
            file.seek(0)
            for line in file.read().decode(errors="replace").strip().splitlines():
                complain(line)
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
