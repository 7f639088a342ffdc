"""What a training has written to metrics.jsonl."""
import json
from pathlib import Path
from typing import Any

from settings import InputError


def read(folder: str | Path, split: str) -> list[dict[str, Any]]:
    """Returns the records of a split: "train", "val", "val_average" or "health", in order.

    Without a file there are none, and half a line at the end is none. InputError if the file is no
    metrics.jsonl.
    """
    path = Path(folder) / "metrics.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        records = [json.loads(line) for line in lines if line.endswith("}")]
        return [record for record in records if record["split"] == split]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a metrics.jsonl of train.py "
                         f"({type(error).__name__}: {error})") from None
