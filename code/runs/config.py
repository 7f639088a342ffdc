"""config.json: how a run was begun, what of that it keeps to its end, and what may change."""
import json
import os
from pathlib import Path
from typing import NamedTuple

from config import TRAIN, settings_of_others
from data.dataset import MAX_CLASSES, MIN_SIDE
from data.readers.files import from_json
from output import write_whole
from settings import ROOT, Config, InputError

# Settings that came later: what a run did that does not record them.
BEFORE = {"INIT": "keras", "WARMUP": 0, "SPLIT": "random"}


class RunConfig(NamedTuple):
    """What a run records: its settings, what the network takes from the data, and which data."""
    settings: Config
    image_shape: tuple[int, int, int]  # (H, W, C)
    classes: int
    data: str                          # Dataset.digest
    class_names: tuple[str, ...]       # J; for people alone
    init_from: dict[str, str] | None = None  # of --init_from: "path" and "sha256" of the weights

    def recorded(self) -> dict:
        """Returns the settings for config.json, without those that the run has no use for.

        Another dataset's or network's setting stays if it has no default value: the run may use it.
        """
        others = settings_of_others(self.settings)
        return {name: value for name, value in self.settings.items()
                if name not in others or value != TRAIN[name].default}

    def identity(self) -> dict:
        """Returns what a run keeps from its first step to its last, and its checkpoints hold."""
        kept = {name: value for name, value in self.recorded().items()
                if not TRAIN[name].may_change}
        images = {"image_shape": list(self.image_shape), "classes": self.classes, "data": self.data}
        return {**kept, **images}

    def resumed(self, folder: str | Path, given: dict) -> Config:
        """Returns the run's settings with the given ones. InputError if one may not change."""
        for name, value in given.items():
            if value != self.settings[name] and not TRAIN[name].may_change:
                raise InputError(
                    f"--{name.lower()} {value}: the run in {folder} has {self.settings[name]}, and "
                    "a resumed run keeps it; leave the flag out, or begin a new run")
        return self.settings.changed(**given)

    def changes(self, before: "RunConfig") -> str:
        """Returns " with MAX_ITERS 20000 (was 8000)": the settings that differ from `before`."""
        changed = [f"{name} {value} (was {before.settings[name]})"
                   for name, value in self.settings.items() if value != before.settings[name]]
        return f" with {', '.join(changed)}" if changed else ""


def save_config(folder: str | Path, run: RunConfig):
    """Writes folder/config.json. OSError if it cannot be written."""
    content = {**run._asdict(), "settings": run.recorded()}
    if not run.init_from:
        del content["init_from"]
    write_whole(Path(folder) / "config.json", f"{json.dumps(content, indent=1)}\n".encode())


def load_config(folder: str | Path) -> RunConfig:
    """Reads folder/config.json. InputError if it is missing or damaged.

    A setting that is newer than the run takes its value of BEFORE, or its default. DATA_DIR becomes
    that of this machine: CAPSNET_DATA_DIR, or where the run had it, or the default.
    """
    path = Path(folder) / "config.json"
    try:
        saved = from_json(path.read_text(encoding="utf-8"))
        height, width, channels = (int(side) for side in saved["image_shape"])
        settings = Config(TRAIN, saved["settings"])
        unused = settings_of_others(settings)  # which no run records, older or not
        before = {name: value for name, value in BEFORE.items() if name not in unused}
        settings = Config(TRAIN, {**before, **saved["settings"]})
        classes = int(saved["classes"])
        if min(height, width) < MIN_SIDE or channels < 1 or not 1 < classes <= MAX_CLASSES:
            raise ValueError(f"image_shape {height, width, channels}, classes {classes}")
        names = tuple(map(str, saved.get("class_names", range(classes))))  # older runs have none
        if len(names) != classes:
            raise ValueError(f"class_names {names!s:.100}, classes {classes}")
        run = RunConfig(settings, (height, width, channels), classes, str(saved["data"]), names,
                        saved.get("init_from"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: expected a folder that train.py made, "
                         "with its config.json") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} is not a config.json of train.py "
                         f"({type(error).__name__}: {error})") from None

    # the images may have moved
    recorded = ROOT / settings.DATA_DIR
    keep = os.path.isdir(recorded) and not os.environ.get("CAPSNET_DATA_DIR")
    settings.DATA_DIR = str(recorded) if keep else TRAIN["DATA_DIR"].default
    return run
