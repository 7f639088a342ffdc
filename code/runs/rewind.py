"""Takes a run's folder back to the step of its checkpoint: later records are dropped."""
import os
import re
import shutil
from pathlib import Path

from runs import checkpoints


def rewind(folder: str | Path, step: int):
    """Drops the records of steps that will be done again, and all that is half written.

    TensorBoard's files stay as they are, results.json until the run ends again. Any ckpt-* of a
    later step is damaged, because the newest whole one was restored; it is only renamed.
    """
    folder = Path(folder)

    def later(name):
        return [number for number in checkpoints.steps(folder, name) if number > step]

    # lines and checkpoints of later steps
    for name in ("metrics.jsonl", "log.txt"):
        cut_after(folder / name, step)
    for name in ("best", "average"):
        checkpoints.remove(folder, name, later(name))
    for number in later("ckpt"):
        for path in folder.glob(f"ckpt-{number}.*"):
            path.replace(path.with_name("damaged-" + path.name))

    # data without an index, and temporary files
    for data in folder.glob("*-*.data-*"):
        if not data.with_name(data.name.split(".")[0] + ".index").exists():
            data.unlink()
    shutil.rmtree(folder / ".checkpoint.part", ignore_errors=True)
    for partial in folder.glob(".*.part"):
        partial.unlink()


def cut_after(path: Path, step: int):
    """Cuts the file before its first line about a later step, or after its last whole line."""
    if not path.exists():
        return
    with open(path, "rb") as file:
        lines = list(file)
    kept = 0
    for line in lines:
        # {"step": 12, ... of metrics.jsonl, step 12 ... of log.txt; other lines have no step
        found = re.match(rb'(?:\{"step": |step )(\d+)', line)
        if not line.endswith(b"\n") or (found and int(found[1]) > step):
            os.truncate(path, kept)
            return
        kept += len(line)
