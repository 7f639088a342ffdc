"""The report of one evaluation: a folder with figures and results.json, numbers on the screen.

All files are written at the end, each whole. An evaluation that is interrupted before that leaves
those of the one before. One that fails while it writes may leave new figures beside the old
results.json.
"""
import csv
import io
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from data.readers.files import from_json
from evaluation.figures import style
from output import check_writable, say, write_whole, writing
from runs.about import about
from settings import PATH, PATHS, Config

RESULTS = "results.json"
# Shown in per cent, as accuracies and rates are. Other names with "error" are no fractions.
FRACTIONS = ("error", "expected_calibration_error")

# A dict has the numbers of the network of that name.
Numbers = dict[str, float | dict[str, float]]


class Report:
    """The folder of one evaluation. InputError if it cannot be written."""

    def __init__(self, folder: Path, cfg: Config):
        """cfg: the settings, which results.json records."""
        self.folder, self.cfg = folder, cfg
        self.files = {}  # figures and tables by name, bytes
        check_writable("--fig_dir", folder.absolute() / RESULTS)

    def draw(self, name: str, figure: Figure):
        """Draws name.png, which `close` writes."""
        self.files[f"{name}.png"] = style.png(figure)

    def tabulate(self, name: str, columns: Sequence[str], rows: dict[str, list[dict]]):
        """Makes name.csv in UTF-8, which `close` writes. NaN is an empty cell.

        rows: of each network. If there are several, their names are the first column.
        """
        text, several = io.StringIO(newline=""), ["network"] if len(rows) > 1 else []
        writer = csv.DictWriter(text, [*several, *columns], extrasaction="ignore",
                                lineterminator="\n")
        writer.writeheader()
        for network, mine in rows.items():
            writer.writerows({"network": network, **row} for row in plain(mine))
        self.files[f"{name}.csv"] = text.getvalue().encode()

    def close(self, subject: dict[str, str], numbers: Numbers, details: dict):
        """Writes all files, and prints subject and numbers.

        subject: "checkpoint", "trained_on" and "evaluated_on"; numbers: to print; details: not. NaN
        (nothing was measured) and infinity (no attack succeeded) become null in results.json.
        """
        # the files, and nothing of the evaluation before
        settings = {name: value for name, value in self.cfg.items()
                    if self.cfg.__table__[name].rule not in (PATH, PATHS)}
        figures = [name for name in self.files if name.endswith(".png")]
        tables = [name for name in self.files if name.endswith(".csv")]
        results = {**subject, **numbers, **details, "settings": settings, "figures": figures,
                   "tables": tables, **about()}
        text = json.dumps(plain(results), indent=1, allow_nan=False) + "\n"
        with writing(self.folder, "--fig_dir"):
            stale = self.stale()
            for name, content in {**self.files, RESULTS: text.encode()}.items():
                write_whole(self.folder / name, content)
            for name in stale:
                (self.folder / name).unlink(missing_ok=True)

        # the screen
        say("{checkpoint}, trained on {trained_on}, evaluated on {evaluated_on}".format(**subject))
        for line in as_lines(numbers):
            say(line)
        say(f"{self.folder}: {1 + len(self.files)} files, {RESULTS} among them")

    def stale(self) -> set[str]:
        """Returns the figures and tables of the evaluation before that this one did not make."""
        try:
            before = from_json((self.folder / RESULTS).read_text())
            names = {*before["figures"], *before.get("tables", [])} - self.files.keys()
            # They will be deleted, so they are nothing but figures and tables of this folder.
            return {name for name in names if re.fullmatch(r"[\w-]+\.(png|csv)", name)}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):  # there was none
            return set()


def as_lines(numbers: Numbers) -> list[str]:
    """Returns a line for each number, then a table with a column for each network."""
    networks = {name: found for name, found in numbers.items() if isinstance(found, dict)}
    rows = [(name.replace("_", " "), readable(name, value)) for name, value in numbers.items()
            if name not in networks]
    if networks:
        rows.append(("", *networks))
    for name in dict.fromkeys(itertools.chain(*networks.values())):
        cells = [readable(name, found.get(name, "-")) for found in networks.values()]
        rows.append((name.replace("_", " "), *cells))
    columns = itertools.zip_longest(*rows, fillvalue="")
    widths = [max(map(len, column)) for column in columns]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def readable(name: str, value: float | str | bool | None) -> str:
    """Returns a number as people read it: fractions in per cent. Anything else stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return str(value)
    if name.endswith(("accuracy", "rate")) or name in FRACTIONS:
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int | np.integer) else f"{value:.5g}"


def plain(value: Any) -> Any:
    """Turns NumPy into what JSON has. NaN and infinity become None."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
