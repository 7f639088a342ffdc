"""Puts `code/` and the tests on the path, as running a script from it does, and keeps TensorFlow quiet."""
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "code"), str(HERE)]

import config  # noqa: E402

config.set_environment()
