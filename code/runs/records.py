"""What a training has written to metrics.jsonl."""
from pathlib import Path
from typing import Any

from data.readers.files import from_json
from settings import InputError

SPLITS = ("train", "val", "val_average", "health")


def read(folder: str | Path) -> dict[str, list[dict[str, Any]]]:
    """Returns the records of each of SPLITS, in order; none without a file.

    All have "step", and except for "health" also "loss" and "accuracy". Half a line is no record.
    """
    path, records = Path(folder) / "metrics.jsonl", {split: [] for split in SPLITS}
    try:
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            if not line.endswith("}"):
                continue
            record = from_json(line)
            split = record["split"]
            needed = {"step"} if split == "health" else {"step", "loss", "accuracy"}
            if split in SPLITS and not needed <= record.keys():
                raise ValueError(f"expected {', '.join(sorted(needed))} in each line of {split}")
            records.setdefault(split, []).append(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a metrics.jsonl of train.py "
                         f"({type(error).__name__}: {error})") from None
    return records
