"""Weights to keep and to pass on: a network alone, in half the bytes."""
import re
import shutil
from pathlib import Path

from output import say
from settings import InputError
from training import checkpoints
from training.claim import writing
from training.run_config import load_config, save_config

COPIED = ("metrics.jsonl", "results.json")  # of the run, where it has them


def release(ckpt: str, folder: str) -> int:
    """Writes the network at `ckpt` as float16 to a new folder, with its settings and its history.

    -> exit status. eval.py takes the folder as it takes a run's. InputError if there is no such
    network, if the folder has files of another one, or if it cannot be written.
    """
    network, settings, prefix = checkpoints.load(ckpt)
    folder = Path(folder)
    checkpoints.check_path(folder)
    there = [path.name for path in folder.glob("*") if path.suffix != ".md"]
    if there:
        raise InputError(f"--to: expected a new folder, or one without files except *.md, received "
                         f"{folder} with {sorted(there)[0]} in it")

    # The settings and the history first: a checkpoint without its config.json cannot be read.
    run = load_config(prefix.parent)
    step = re.search(r"\d+$", prefix.name)
    if not step:
        raise InputError(f"--ckpt: expected a checkpoint that ends with its step, such as "
                         f"ckpt-500, received {prefix}")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        save_config(folder, run._replace(settings=settings.changed(DATA_DIR="data")))
        for name in COPIED:
            if (prefix.parent / name).is_file():
                shutil.copy(prefix.parent / name, folder)
        checkpoints.write(folder, "ckpt", int(step[0]), run.identity(), half=True, model=network)
    size = sum(path.stat().st_size for path in folder.iterdir())
    say(f"{prefix} as float16 in {folder}: {size / 1e6:.1f} MB")
    return 0
