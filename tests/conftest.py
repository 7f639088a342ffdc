"""Puts `code/` and the tests on the path, as running a script from it does, and makes TensorFlow quiet and exact."""
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "code"), str(HERE)]

import cli  # noqa: E402

os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")  # so that runs that are not compiled can be compared bit for bit
cli.set_environment()
