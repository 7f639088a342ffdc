"""Every setting once: its default, what it means and where it comes from.

`TRAIN` is what `train.py` takes and what a run records (runconfig.py); `EVAL` is what `eval.py` takes. Each
setting is a flag of that script, `--routing_iters` for ROUTING_ITERS. In code:

    from config import cfg
    cfg.ROUTING_ITERS        # 3
    cfg.ROUTING_ITER = 5     # InputError: a misspelt name is never silently a new setting
"""
import argparse
import difflib
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from easydict import EasyDict
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent  # defaults are relative to the repository, not to where the user stands


LARGEST = 2 ** 31 - 1  # whole number: TensorFlow counts many things in 32 bits


class InputError(ValueError):
    """Something the user gave is wrong. The scripts print it in one line and exit with status 2."""


class Rule(NamedTuple):
    """What a setting accepts: in words, as a test, and how a flag's text becomes a value (None: its default's type)."""
    words: str
    holds: Callable[[Any], bool]
    convert: Callable[[str], Any] | None = None


def at_least(low: int) -> Rule:
    return Rule(f"a whole number from {low} to {LARGEST}", lambda value: low <= value <= LARGEST)


def one_of(*choices: str) -> Rule:
    return Rule("one of " + ", ".join(choices), lambda value: value in choices)


def _dataset_path(text: str) -> str:
    return text if text in ("mnist", "glyphs") else os.path.abspath(text)


POSITIVE = Rule("a finite number above 0", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Rule("a finite number, 0 or more", lambda value: 0 <= value < math.inf)
UP_TO_ONE = Rule("a number above 0, at most 1", lambda value: 0 < value <= 1)
FRACTION = Rule("a number from 0 to 1", lambda value: 0 <= value <= 1)
SWITCH = Rule("true or false", lambda value: True)
PATH = Rule("a path", lambda value: True, os.path.abspath)
DATASET = Rule("mnist, glyphs or the path of a .npz file",
               lambda value: value in ("mnist", "glyphs") or value.endswith(".npz"), _dataset_path)


class Setting(NamedTuple):
    """One row of the table. `may_change`: a run continued with --ckpt accepts another value than it began with."""
    default: Any
    help: str
    source: str
    rule: Rule
    may_change: bool = False


MODEL = {
    "CONV1_CHANNELS": Setting(256, "channels of the first convolution", "paper, sec. 4", at_least(1)),
    "PRIMARY_CAPS_CHANNELS": Setting(32, "types of primary capsules", "paper, sec. 4", at_least(1)),
    "PRIMARY_DIM": Setting(8, "D, dimensions of a primary capsule", "paper, sec. 4", at_least(1)),
    "DIGIT_DIM": Setting(16, "E, dimensions of a class capsule", "paper, sec. 4", at_least(1)),
    "ROUTING_ITERS": Setting(3, "routing iterations r", "paper, sec. 4", at_least(1)),
    "ROUTING_WAY": Setting("dynamic", "routing loop: dynamic (tf.while_loop) or static (unrolled)", "original",
                           one_of("dynamic", "static"), may_change=True),
    "CONV_WAY": Setting("auto", "convolutions: direct, fourier (exact, PrimaryCaps with fewer products) or auto, the "
                        "fastest", "ours", one_of("auto", "direct", "fourier"), may_change=True),
    "PRIOR_TRAINING": Setting(False, "learn the initial routing logits b [I, J]", "original; paper, sec. 2", SWITCH),
    "DECODER_UNITS": Setting(512, "units of the decoder's first layer; the second has twice as many", "paper, fig. 2",
                             at_least(1)),
}
LOSS = {
    "M_POS": Setting(0.9, "m+, the length wanted of a class that is present", "paper, eq. 4", FRACTION),
    "M_NEG": Setting(0.1, "m-, the length allowed to a class that is absent", "paper, eq. 4", FRACTION),
    "LAMBDA": Setting(0.5, "weight of the absent classes", "paper, eq. 4", NOT_NEGATIVE),
    "RECONSTRUCT_W": Setting(0.0005, "weight of the squared error summed over pixels", "paper, sec. 4.1",
                             NOT_NEGATIVE),
}
SEED = Setting(0, "seed of all that is random: weights, batch order, shifts, glyphs, splits", "ours",
               Rule("a whole number from 0 to 4294967295", lambda value: 0 <= value < 2 ** 32))
DATA = {
    "DATASET": Setting("mnist", "mnist, glyphs (drawn from fonts, needs no download) or your own file.npz", "ours",
                       DATASET, may_change=True),
    "DATA_DIR": Setting(os.path.abspath(os.environ.get("CAPSNET_DATA_DIR") or ROOT / "data" / "mnist"),
                        "folder of the four MNIST files; missing ones are downloaded", "original", PATH,
                        may_change=True),
    "SEED": SEED,
}
TRAINING = {
    "MAX_ITERS": Setting(5000, "training steps in all", "original", at_least(1), may_change=True),
    "BATCH_SIZE": Setting(100, "images per step", "original", at_least(1)),
    "SHIFT": Setting(2, "largest random shift of a training image, in pixels", "paper, sec. 5", at_least(0)),
    "LR": Setting(0.001, "Adam's learning rate at the start", "original; TensorFlow's default, as the paper's",
                  POSITIVE, may_change=True),
    "STEP_SIZE": Setting(1000, "steps between two decays of the learning rate", "original", at_least(1),
                         may_change=True),
    "DECAY_RATIO": Setting(0.5, "factor of each decay", "ours; the original has 0.7", UP_TO_ONE, may_change=True),
    "PRINT_EVERY": Setting(10, "steps between two lines of the log", "original", at_least(1), may_change=True),
    "VAL_EVERY": Setting(500, "steps between two passes over the whole validation split", "ours", at_least(1),
                         may_change=True),
    "SAVE_EVERY": Setting(500, "steps between two checkpoints", "original", at_least(1), may_change=True),
    "JIT": Setting("auto", "compile the steps with XLA: on, off (a run then repeats bit for bit only with "
                   "TF_DETERMINISTIC_OPS=1 in the environment) or auto (off only where XLA's convolution is slow)",
                   "ours", one_of("auto", "on", "off"), may_change=True),
    "KEEP": Setting(3, "checkpoints kept, besides the best one", "ours", at_least(1), may_change=True),
}
TRAIN = {**MODEL, **LOSS, **DATA, **TRAINING}
EVAL = {
    "MODE": Setting("test", "what to do: test, reconstruct, cap_tweak or adversarial", "original",
                    one_of("test", "reconstruct", "cap_tweak", "adversarial")),
    "CKPT": Setting(str(ROOT / "checkpoints" / "mnist"), "the network: a run's folder, a folder of checkpoints or a "
                    "checkpoint's prefix", "original", PATH),
    **DATA,
    "DATASET": DATA["DATASET"]._replace(help="mnist, glyphs or your own file.npz; not given: what the network was "
                                        "trained on"),
    "SEED": SEED._replace(help="seed of the samples and of the attacks"),
    "FIG_DIR": Setting(str(ROOT / "figs"), "where figures and results.json go, in a folder per mode", "original", PATH),
    "BATCH_SIZE": Setting(100, "images per batch; reconstruct: also per figure, at most 100", "original", at_least(1)),
    "MAX_ITERS": Setting(100, "reconstruct: most figures; adversarial: most gradient steps per image", "original",
                         at_least(1)),
    "NUM_IMAGES": Setting(1000, "cap_tweak, adversarial: test images measured, spread evenly over the classes", "ours",
                          at_least(1)),
    "SHOW": Setting("errors", "reconstruct: draw errors, with the reconstructions from the label's and from the "
                    "predicted capsule, or all images", "ours; the original draws batches with errors",
                    one_of("errors", "all")),
    "MASK": Setting("predicted", "reconstruct --show all: the capsule to draw, predicted or label",
                    "ours; the original takes the label's", one_of("predicted", "label")),
    "TWEAK_TARGET": Setting(-1, "cap_tweak: the one class to tweak; -1 takes every class", "original", at_least(-1)),
    "TWEAK_RANGE": Setting(0.25, "cap_tweak: the most that is added to or taken from a dimension",
                           "original; paper, sec. 5.1", POSITIVE),
    "TWEAK_STRIDE": Setting(0.05, "cap_tweak: between two values", "original; paper, sec. 5.1", POSITIVE),
    "ATTACK": Setting("original", "adversarial: original, fgsm, bim or pgd", "original; see attacks.py",
                      one_of("original", "fgsm", "bim", "pgd")),
    "TARGETED": Setting(True, "adversarial: towards a given class, or only away from the true one", "original", SWITCH),
    "LR": Setting(1.0, "adversarial, original attack: L2 length of one step, pixels in [0, 1]", "original", POSITIVE),
    "EPSILON": Setting(0.3, "adversarial, other attacks: largest change of a pixel (L-infinity), pixels in [0, 1]",
                       "Madry 2018", UP_TO_ONE),
}


class Config(EasyDict):
    """The settings of one table by name, EasyDict style. An unknown name or an unsuitable value is an InputError."""

    def __init__(self, table: dict[str, Setting], values: dict | None = None):
        object.__setattr__(self, "__table__", table)
        super().__init__({name: setting.default for name, setting in table.items()})
        self.update(values or {})

    def __setattr__(self, name, value):
        if name not in self.__table__:
            near = difflib.get_close_matches(name, self.__table__, n=1)
            raise InputError(f"unknown setting {name}" + (f"; did you mean {near[0]}?" if near else ""))
        default, rule = self.__table__[name].default, self.__table__[name].rule
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if type(value) is not type(default) or not rule.holds(value):
            raise InputError(f"{name}: expected {rule.words}, received {value!r}")
        super().__setattr__(name, value)

    __setitem__ = __setattr__


cfg = Config(TRAIN)


class Parser(argparse.ArgumentParser):
    """argparse, with flags made from the tables, no abbreviations and errors in one line."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, **options)

    def add_settings(self, title: str, table: dict[str, Setting]):
        """One flag per setting. Flags that are not given leave no trace in the parsed values."""
        group = self.add_argument_group(title)
        for name, (default, text, source, rule, _) in table.items():
            text = f"{text} (default {default}; {source})".replace("%", "%%")
            if isinstance(default, bool):
                how = {"action": argparse.BooleanOptionalAction}
            else:
                kind = type(default)
                how = {"type": rule.convert or kind, "metavar": {int: "N", float: "X", str: "WORD"}[kind]}
            group.add_argument("--" + name.lower(), default=argparse.SUPPRESS, help=text, **how)

    def parse(self, table: dict[str, Setting]) -> tuple[dict, argparse.Namespace]:
        """-> the settings of `table` that were given as flags, checked, and the other arguments."""
        args, unknown = self.parse_known_args()
        if unknown:
            known = [flag for action in self._actions for flag in action.option_strings]
            near = difflib.get_close_matches(unknown[0].split("=")[0], known, n=1)
            self.error(f"unknown argument {unknown[0]}" + (f"; did you mean {near[0]}?" if near else "; see --help"))
        given = {name: vars(args).pop(name.lower()) for name in table if name.lower() in args}
        for name, value in given.items():
            try:
                Config(table, {name: value})
            except InputError as error:
                self.error(str(error).replace(name, "--" + name.lower(), 1))
        return given, args

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}\n")


def set_environment():
    """Environment that TensorFlow reads while it is imported; call it before. What the user has set stays."""
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # keeps freed memory: giving it back costs time in each step
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(memory // 2 ** 20))  # what is kept so is else 64 GB at most
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no notes about optional instructions and missing GPUs


def run(main: Callable[[], int]):
    """Runs a script's main; InputError and lack of memory become one line on stderr and exit status 2.

    Ctrl-C becomes one line and status 130. Anything else is a bug, and keeps its traceback.
    """
    name = Path(sys.argv[0]).name
    try:
        sys.exit(main())
    except InputError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":  # TensorFlow's
            raise
        reason = str(error).partition("\n")[0].rpartition("}} ")[2]  # without TensorFlow's {{node ...}}
        print(f"{name}: error: not enough memory ({reason}); a smaller --batch_size takes less", file=sys.stderr)
        sys.exit(2)


def say(line: str, way: str = ""):
    """One line to standard output, above any progress bar. InputError, ending with `way`, if it takes no more."""
    if sys.stdout is None:
        raise InputError(f"cannot write to standard output: it is closed{way}")
    try:
        tqdm.write(line)
        sys.stdout.flush()  # train.sh reads it through a pipe
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end
        raise InputError(f"cannot write to standard output: {error.strerror}{way}") from None


def write_whole(path: Path, content: bytes):
    """The file appears under its name at once and complete, or not at all. OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
