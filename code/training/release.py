"""Weights to keep and to pass on: a network alone, in half the bytes."""
import re
import shutil
import tempfile
from pathlib import Path

import tensorflow as tf

from output import reason_of, say
from settings import InputError
from training import checkpoints
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

    run = load_config(prefix.parent)
    step = re.search(r"\d+$", prefix.name)
    if not step:
        raise InputError("--ckpt: expected a checkpoint that ends with its step, such as ckpt-500, "
                         f"received {prefix}")

    # Written beside its place, and moved there when all of it is written.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".release", dir=folder.parent) as partial:
            save_config(partial, run._replace(settings=settings.changed(DATA_DIR="data")))
            for name in COPIED:
                if (prefix.parent / name).is_file():
                    shutil.copy(prefix.parent / name, partial)
            checkpoints.write(partial, "ckpt", int(step[0]), run.identity(), half=True,
                              model=network)
            for path in Path(partial).iterdir():
                shutil.move(path, folder)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"--to: expected a folder to write in, received {folder} "
                         f"({reason_of(error)})") from None
    size = sum(path.stat().st_size for path in folder.iterdir())
    say(f"{prefix} as float16 in {folder}: {size / 1e6:.1f} MB")
    return 0
