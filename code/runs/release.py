"""Weights to keep and to pass on: a network alone, in half the bytes."""
import re
import shutil
import tempfile
from pathlib import Path

from output import say, writing
from runs import checkpoints
from runs.config import save_config
from settings import InputError


def release(ckpt: str, folder: str) -> int:
    """Writes the network at `ckpt` as float16 to a new folder, with its settings and its history.

    Returns the exit status. InputError if one of the two paths is not suitable.
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

    # no path of this machine
    run = run._replace(settings=run.settings.changed(DATA_DIR="data"))
    if run.init_from:
        name = Path(run.init_from["path"]).name
        run = run._replace(init_from={**run.init_from, "path": name})

    # Written into a folder of its own, and moved out of it when all of it is written.
    metrics, results = prefix.parent / "metrics.jsonl", prefix.parent / "results.json"
    with writing(folder, "--to"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".release", dir=folder) as partial:
            save_config(partial, run)
            if metrics.is_file():
                shutil.copy(metrics, partial)
            # results without numbers of this step are of another network
            if results.is_file() and f'"step": {step[0]},' in results.read_text(errors="replace"):
                shutil.copy(results, partial)
            checkpoints.write(partial, "ckpt", int(step[0]), run.identity(), half=True,
                              model=network)
            for path in checkpoints.index_last(partial):
                shutil.move(path, folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    say(f"{prefix} as float16 in {folder}: {size / 1e6:.1f} MB")
    return 0
