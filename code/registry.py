"""Things that are found by name: datasets, formats of images, networks, routings, modes, attacks.

Each is one file of that name.

    names("data.datasets")                  # ["affnist", "cifar10", "fashion_mnist", ...]
    module("data.datasets", "mnist").load   # imported only now
"""
import ast
import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import settings as rules
from settings import InputError, Setting

CODE = Path(__file__).resolve().parent


def names(folder: str) -> list[str]:
    """Returns the names of all files in `folder`, written with dots; sorted."""
    files = CODE.joinpath(*folder.split(".")).glob("*.py")
    # A name that begins with a dot is of an editor or of macOS.
    return sorted(path.stem for path in files if not path.stem.startswith(("_", ".")))


def module(folder: str, name: str) -> ModuleType:
    """Returns the file of that name as a module, imported now."""
    return importlib.import_module(f"{folder}.{name}")


def settings(folder: str) -> dict[str, Setting]:
    """Returns the SETTINGS of all files in `folder`, in one table."""
    return merged(*(settings_of(folder, name) for name in names(folder)))


def settings_of(folder: str, name: str) -> dict[str, Setting]:
    """Returns the SETTINGS of one file, none if it has none.

    They are read from the file's text: to import it may import TensorFlow, which takes seconds, and
    `--help` should be quick. So SETTINGS is one statement that uses only what settings.py has, and
    `names`. NameError if it uses more.
    """
    path = CODE.joinpath(*folder.split("."), f"{name}.py")
    for statement in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "SETTINGS":
            table = compile(ast.Expression(statement.value), str(path), "eval")
            return eval(table, {**vars(rules), "names": names})
    return {}


def check_owned(given: Iterable[str], folder: str, flag: str, chosen: str):
    """InputError for a setting among `given` that only other files of `folder` have than `chosen`.

    flag: the one that chooses the file
    """
    tables = {name: settings_of(folder, name) for name in names(folder)}
    for setting in given:
        having = [name for name, table in tables.items() if setting in table]
        if having and chosen not in having:
            raise InputError(f"--{setting.lower()}: expected {flag} {' or '.join(having)}, which "
                             f"has this setting, received {flag} {chosen}")


def merged(*tables: dict[str, Setting]) -> dict[str, Setting]:
    """Returns the tables as one. ValueError if two of them have a setting of the same name."""
    table = {}
    for one in tables:
        if twice := sorted(table.keys() & one.keys()):
            raise ValueError(f"the setting {twice[0]} is in two tables; give one another name")
        table.update(one)
    return table
