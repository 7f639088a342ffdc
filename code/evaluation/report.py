"""The report of one evaluation: a folder with figures and results.json, numbers on the screen.

All files are written at the end, each whole. An evaluation that is interrupted before that leaves
those of the one before. One that fails while it writes may leave new figures beside the old
results.json.
"""
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from data.readers.files import from_json
from evaluation.figures import style
from output import is_writable, reason_of, say, write_whole
from runs.about import about
from settings import PATH, PATHS, Config, InputError

RESULTS = "results.json"
# Shown in per cent, as accuracies and rates are. Other names that end with "error" are no shares.
SHARES = ("error", "expected_calibration_error")


class Report:
    """The folder of one evaluation. InputError if it cannot be written."""

    def __init__(self, folder: Path, cfg: Config):
        """cfg: the settings, which results.json records."""
        self.folder, self.cfg = folder, cfg
        self.figures = {}  # PNG files by name
        if not is_writable(folder.absolute() / RESULTS):
            raise InputError(f"--fig_dir: expected a folder to write in, received {folder}")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Errors of the system become an InputError."""
        try:
            yield
        except OSError as error:
            raise InputError(f"--fig_dir: expected a folder to write in, received {self.folder} "
                             f"({reason_of(error)})") from None

    def draw(self, name: str, figure: Figure):
        """Draws name.png, which `close` writes."""
        self.figures[f"{name}.png"] = style.png(figure)

    def close(self, subject: dict[str, str], numbers: dict, details: dict):
        """Writes the figures and results.json, and prints subject and numbers.

        subject: "checkpoint", "trained_on" and "evaluated_on"; numbers: to print; details: not. NaN
        (nothing was measured) and infinity (no attack succeeded) become null in results.json.
        """
        # the files, and nothing of the evaluation before
        settings = {name: value for name, value in self.cfg.items()
                    if self.cfg.__table__[name].rule not in (PATH, PATHS)}
        results = {**subject, **numbers, **details, "settings": settings,
                   "figures": list(self.figures), **about()}
        text = json.dumps(plain(results), indent=1, allow_nan=False) + "\n"
        with self.writing():
            stale = self.stale()
            for name, content in self.figures.items():
                write_whole(self.folder / name, content)
            write_whole(self.folder / RESULTS, text.encode())
            for name in stale:
                (self.folder / name).unlink(missing_ok=True)

        # the screen
        say("{checkpoint}, trained on {trained_on}, evaluated on {evaluated_on}".format(**subject))
        width = max(map(len, numbers), default=0)
        for name, value in numbers.items():
            say(f"{in_words(name):<{width}}  {readable(name, value)}")
        count = len(self.figures)
        count = f" and {count} figure{'s' if count > 1 else ''}" if count else ""
        say(f"{self.folder}: {RESULTS}{count}")

    def stale(self) -> set[str]:
        """-> figures that the evaluation before drew in this folder, and this one did not"""
        try:
            before = from_json((self.folder / RESULTS).read_text())["figures"]
            # they will be deleted, so nothing else than figures of this folder
            drawn = {name for name in before if re.fullmatch(r"[\w-]+\.png", name)}
            return drawn - self.figures.keys()
        except (OSError, ValueError, LookupError, TypeError):  # there was none
            return set()


def in_words(name: str) -> str:
    """The name of a number with spaces: "my_net:_success_rate" becomes "my_net: success rate"."""
    network, colon, number = name.rpartition(":_")
    return network + colon.replace("_", " ") + number.replace("_", " ")


def readable(name: str, value: float | str | bool | None) -> str:
    """A number as people read it: shares in per cent. Anything else stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return str(value)
    number = name.rpartition(":_")[2]
    if number.endswith(("accuracy", "rate")) or number in SHARES:
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int | np.integer) else f"{value:.5g}"


def plain(value: Any) -> Any:
    """NumPy -> what JSON has. NaN and infinity become None."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
