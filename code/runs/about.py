"""How results were made."""
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from settings import ROOT


def about() -> dict[str, Any]:
    """Returns command, commit, versions and hardware, as every results.json has them."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": COMMIT,
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__,
                     "numpy": np.__version__},
        "hardware": f"{os.cpu_count()} CPU cores ({platform.machine()}), {gpus} GPUs",
    }


def commit(root: Path) -> str | None:
    """Returns the commit of the code, and whether code/ has changed since; None without git."""
    git = ["git", "--no-optional-locks", f"--git-dir={root / '.git'}", f"--work-tree={root}"]
    try:
        name, changed = (
            subprocess.check_output([*git, *words], cwd=root, stderr=subprocess.DEVNULL, text=True)
            for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "code"]))
    except (OSError, subprocess.CalledProcessError):  # no git, no clone, no commit yet
        return None
    return name.strip() + (", and changes since" if changed else "")


COMMIT = commit(ROOT)  # asked now, when the code is imported: a commit may follow during a run
