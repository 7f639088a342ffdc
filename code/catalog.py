"""Things that are found by name: a dataset, a network or a mode is one file of that name.

    names("data.datasets")                  # ["affnist", "fashion_mnist", "glyphs", ...]
    module("data.datasets", "mnist").load   # imported only now
"""
import importlib
from pathlib import Path
from types import ModuleType

from settings import InputError, Setting, suggestion

CODE = Path(__file__).resolve().parent


def names(folder: str) -> list[str]:
    """-> the names of all files in `folder`, written with dots; sorted."""
    files = CODE.joinpath(*folder.split(".")).glob("*.py")
    return sorted(path.stem for path in files if not path.stem.startswith("_"))


def module(folder: str, name: str) -> ModuleType:
    """Imports the file of that name. InputError, with a suggestion, if there is none."""
    known = names(folder)
    if name not in known:
        raise InputError(
            f"expected one of {', '.join(known)}, received {name}{suggestion(name, known)}")
    return importlib.import_module(f"{folder}.{name}")


def settings(folder: str) -> dict[str, Setting]:
    """-> the SETTINGS of all files in `folder`, in one table. Imports them."""
    return merged(*(getattr(module(folder, name), "SETTINGS", {}) for name in names(folder)))


def merged(*tables: dict[str, Setting]) -> dict[str, Setting]:
    """-> the tables as one. ValueError if two of them have a setting of the same name."""
    table = {}
    for one in tables:
        if twice := sorted(table.keys() & one.keys()):
            raise ValueError(f"the setting {twice[0]} is in two tables; give one another name")
        table.update(one)
    return table
