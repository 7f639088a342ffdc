"""Checkpoints of a run: `ckpt-<step>` holds everything needed to go on, `best-<step>` the network alone."""
import re
from pathlib import Path

import tensorflow as tf

from capsnet import CapsNet
from config import InputError, load_config


def steps(folder, name="ckpt"):
    """-> the steps of the checkpoints called `name` in `folder`, oldest first."""
    found = (re.fullmatch(rf"{name}-(\d+)\.index", path.name) for path in Path(folder).glob(f"{name}-*.index"))
    return sorted(int(match[1]) for match in found if match)


def write(folder, name, step, keep, **objects):
    """Writes the trackable objects as `folder/name-step`, then removes all but the newest `keep` of that name."""
    tf.train.Checkpoint(**objects).write(str(Path(folder) / f"{name}-{step}"))
    for old in steps(folder, name)[:-keep]:
        remove(folder, name, old)


def remove(folder, name, step):
    for path in Path(folder).glob(f"{name}-{step}.*"):
        path.unlink()


def read(prefix, **objects):
    """Restores the given objects, all of their variables or InputError."""
    try:
        status = tf.train.Checkpoint(**objects).read(str(prefix)).expect_partial()  # a ckpt-* may hold more
        status.assert_existing_objects_matched()
    except (tf.errors.OpError, ValueError, AssertionError, IndexError) as error:  # IndexError: truncated
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{prefix} does not hold this network ({type(error).__name__}: {reason})") from None


def find(path):
    """-> the checkpoint meant by `path`: a prefix as it is; of a folder the newest ckpt-*, else its best-*.

    InputError if there is none.
    """
    path = Path(path)
    if path.with_name(path.name + ".index").is_file():
        return path
    for name in ("ckpt", "best"):
        if found := steps(path, name):
            return path / f"{name}-{found[-1]}"
    raise InputError(f"no checkpoint at {path}: expected a run folder, a folder of checkpoints or a prefix like "
                     "output/RUN/ckpt-500; `python train.py` makes one")


def load(path):
    """-> the network at `path` (see `find`), its settings and the checkpoint's prefix.

    The architecture comes from the config.json beside the checkpoint, never from flags. InputError if they do not fit.
    """
    prefix = find(path)
    cfg, image_shape, classes = load_config(prefix.parent)
    model = CapsNet(cfg, image_shape, classes)
    read(prefix, model=model)
    return model, cfg, prefix
