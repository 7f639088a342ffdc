"""Things that are found by name: a dataset, a network or a mode is one file of that name.

    names("data.datasets")                  # ["fashion_mnist", "glyphs", "mnist"]
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
    """-> the SETTINGS of all files in `folder`, in one table. Imports them.

    ValueError if two files have a setting of the same name.
    """
    table = {}
    for name in names(folder):
        own = getattr(module(folder, name), "SETTINGS", {})
        if twice := sorted(table.keys() & own.keys()):
            raise ValueError(f"{folder}.{name}: another file has a setting {twice[0]}")
        table.update(own)
    return table
