"""Puts `code/` on the path, as running a script from it does, and keeps TensorFlow quiet."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "code"))

import config  # noqa: E402

config.set_environment()
