"""Weights to keep and to pass on: a network alone, in half the bytes."""
import re
import shutil
import tempfile
from pathlib import Path

import tensorflow as tf

from data.readers.files import from_json
from output import reason_of, say
from runs import checkpoints
from runs.config import save_config
from settings import InputError


def release(ckpt: str, folder: str) -> int:
    """Writes the network at `ckpt` as float16 to a new folder, with its settings and its history.

    -> exit status. eval.py takes the folder as it takes a run's. InputError if there is no such
    network, if the folder has files of another one, or if it cannot be written.
    """
    network, run, prefix = checkpoints.load(ckpt)
    folder = Path(folder)
    checkpoints.check_path(folder)
    there = [path.name for path in folder.glob("*") if path.suffix != ".md"]
    if there:
        raise InputError(f"--to: expected a new folder, or one without files except *.md, received "
                         f"{folder} with {sorted(there)[0]} in it")

    step = re.search(r"\d+$", prefix.name)
    if not step:
        raise InputError("--ckpt: expected a checkpoint that ends with its step, such as ckpt-500, "
                         f"received {prefix}")

    # Written into a folder of its own, and moved out of it when all of it is written.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".release", dir=folder) as partial:
            save_config(partial, run._replace(settings=run.settings.changed(DATA_DIR="data")))
            for path in history(prefix.parent, int(step[0])):
                shutil.copy(path, partial)
            checkpoints.write(partial, "ckpt", int(step[0]), run.identity(), half=True,
                              model=network)
            for path in checkpoints.index_last(partial):
                shutil.move(path, folder)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"--to: expected a folder to write in, received {folder} "
                         f"({reason_of(error)})") from None
    size = sum(path.stat().st_size for path in folder.iterdir())
    say(f"{prefix} as float16 in {folder}: {size / 1e6:.1f} MB")
    return 0


def history(run: Path, step: int) -> list[Path]:
    """-> the files of the run that tell the network's history, as far as they are there.

    A results.json without numbers of `step` is not among them: it is of another network.
    """
    metrics, results = run / "metrics.jsonl", run / "results.json"
    found = [metrics] if metrics.is_file() else []
    try:
        numbers = from_json(results.read_text(encoding="utf-8")).values()
    except (OSError, ValueError, AttributeError):
        return found  # there is none, or it is not one of train.py
    if any(isinstance(one, dict) and one.get("step") == step for one in numbers):
        found.append(results)
    return found
