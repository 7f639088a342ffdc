"""config.json: what a run records of how it was begun, what of that it keeps to its end, and what may change."""
import json
import os
from pathlib import Path
from typing import NamedTuple

from config import ROOT, TRAIN, Config, InputError, write_whole
from data import MAX_CLASSES, MIN_SIDE


class RunConfig(NamedTuple):
    """What a run records in its config.json: its settings, what the network takes from the data, and which data."""
    settings: Config
    image_shape: tuple[int, int, int]  # (H, W, C)
    classes: int
    data: str                          # Dataset.digest

    def identity(self) -> dict:
        """What a run keeps from its first step to its last, and what thus tells its checkpoints from others."""
        kept = {name: value for name, value in self.settings.items() if not TRAIN[name].may_change}
        return {**kept, "image_shape": list(self.image_shape), "classes": self.classes, "data": self.data}


def save_config(folder: Path, run: RunConfig):
    """Writes folder/config.json."""
    text = json.dumps({**run._asdict(), "settings": dict(run.settings)}, indent=1)
    write_whole(Path(folder) / "config.json", f"{text}\n".encode())


def load_config(folder: Path) -> RunConfig:
    """Reads folder/config.json. InputError if it is missing or damaged.

    Its DATA_DIR becomes that of this machine: CAPSNET_DATA_DIR, else where the run had it, else the default.
    """
    path = Path(folder) / "config.json"
    try:
        saved = json.loads(path.read_text())
        height, width, channels = (int(side) for side in saved["image_shape"])
        run = RunConfig(Config(TRAIN, saved["settings"]), (height, width, channels), int(saved["classes"]),
                        str(saved["data"]))
        if not (min(height, width) >= MIN_SIDE and channels > 0 and 1 < run.classes <= MAX_CLASSES):
            raise ValueError(f"image_shape {height, width, channels}, classes {run.classes}")
        own = ROOT / run.settings.DATA_DIR
        there = own.is_dir() and not os.environ.get("CAPSNET_DATA_DIR")
        run.settings.DATA_DIR = str(own) if there else TRAIN["DATA_DIR"].default
        return run
    except FileNotFoundError:
        raise InputError(f"{path} is missing: expected a folder that train.py made, with its config.json") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} is not a config.json of train.py ({type(error).__name__}: {error})") from None


def settings_to_continue(folder: Path, given: dict) -> Config:
    """-> the settings of the run in `folder`, with those of `given` that may change. InputError for the others."""
    settings = load_config(folder).settings
    for name, value in given.items():
        if value != settings[name] and not TRAIN[name].may_change:
            raise InputError(f"--{name.lower()} {value}: the run in {folder} has {settings[name]}, and a continued run "
                             "keeps it; leave the flag out, or begin a new run")
    settings.update(given)
    return settings
