"""What a setting is: a default, a meaning, a source and a rule. config.py has the table of them."""
import difflib
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from easydict import EasyDict

ROOT = Path(__file__).resolve().parent.parent  # defaults are relative to the repository
LARGEST = 2 ** 31 - 1  # TensorFlow counts many things in 32 bits


class InputError(ValueError):
    """Something the user gave is wrong. A command prints it in one line, and its status is 2."""


class Rule(NamedTuple):
    """What a setting accepts."""
    words: str                                   # for people
    holds: Callable[[Any], bool]                 # for programs
    convert: Callable[[str], Any] | None = None  # from a flag's text; None: the default's type


class Setting(NamedTuple):
    """One row of a table. `may_change`: a resumed run accepts another value than it began with."""
    default: Any
    help: str
    source: str
    rule: Rule
    may_change: bool = False


def between(low: int, high: int) -> Rule:
    return Rule(f"a whole number from {low} to {high}", lambda value: low <= value <= high)


def at_least(low: int) -> Rule:
    return between(low, LARGEST)


def one_of(choices: Iterable[str]) -> Rule:
    choices = list(choices)
    return Rule(f"one of {', '.join(choices)}", lambda value: value in choices)


def is_text_everywhere(path: str) -> bool:
    """Returns whether it is the same file for Python and for TensorFlow, whose paths are UTF-8."""
    try:
        return os.fsencode(path) == path.encode()
    except UnicodeEncodeError:
        return False


def absolute_path(text: str) -> str:
    """Returns the path as an absolute one, an empty string unchanged."""
    return os.path.abspath(text) if text else text


def absolute_paths(text: str) -> str:
    """Returns paths separated by commas as absolute ones, see `split_paths`."""
    return ",".join(map(absolute_path, split_paths(text)))


def split_paths(text: str) -> list[str]:
    """Returns the paths in a text with commas. One that exists as it stands is one path."""
    if os.path.exists(text) or os.path.exists(f"{text}.index"):
        return [text]
    return text.split(",")


POSITIVE = Rule("a finite number above 0", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Rule("a finite number, 0 or more", lambda value: 0 <= value < math.inf)
UP_TO_ONE = Rule("a number above 0, at most 1", lambda value: 0 < value <= 1)
FRACTION = Rule("a number from 0 to 1", lambda value: 0 <= value <= 1)
SWITCH = Rule("true or false", lambda value: True)
PATH = Rule("a path in UTF-8", lambda value: value != "" and is_text_everywhere(value),
            absolute_path)
PATHS = Rule("a path in UTF-8, or several, separated by commas",
             lambda value: is_text_everywhere(value) and all(split_paths(value)), absolute_paths)
SEED = Rule("a whole number from 0 to 4294967295", lambda value: 0 <= value < 2 ** 32)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Returns "; did you mean ...?", or nothing if no known word is similar."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


class Config(EasyDict):
    """The settings of one table by name, EasyDict style.

    A name that is not in the table, or a given value against its rule, is an InputError.
    """

    def __init__(self, table: dict[str, Setting], values: dict | None = None):
        object.__setattr__(self, "__table__", table)
        # Not EasyDict's own constructor: it takes the methods of a subclass for entries, too.
        for name, setting in table.items():
            super().__setattr__(name, setting.default)
        self.update(values or {})

    def __setattr__(self, name, value):
        table = self.__table__
        if name not in table:
            raise InputError(f"unknown setting {name}{suggestion(name, table)}")
        default, rule = table[name].default, table[name].rule
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if type(value) is not type(default) or not rule.holds(value):
            raise InputError(f"{name}: expected {rule.words}, received {value!r}")
        super().__setattr__(name, value)

    __setitem__ = __setattr__

    def changed(self, **values) -> "Config":
        """Returns a copy with these values."""
        return Config(self.__table__, {**self, **values})
