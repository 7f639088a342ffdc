"""How results were made."""
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def about() -> dict[str, Any]:
    """-> the command, the versions and the hardware, as every results.json has them."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__,
                     "numpy": np.__version__},
        "hardware": f"{os.cpu_count()} CPU cores ({platform.machine()}), {gpus} GPUs",
    }
