"""Checkpoints of a run: `ckpt-<step>` holds everything needed to go on, `best-<step>` the network alone.

Each also holds what its run will never change (RunConfig.identity), so that it cannot be taken for one of another run.
"""
import contextlib
import json
import os
import re
import shutil
from pathlib import Path

import tensorflow as tf

from capsnet import CapsNet
from config import InputError
from runconfig import load_config

IDENTITY = "identity/.ATTRIBUTES/VARIABLE_VALUE"  # where tf.train.Checkpoint keeps the variable `identity`


class Damaged(InputError):
    """The files of a checkpoint are not, or no longer, what was written."""


def steps(folder, name="ckpt"):
    """-> the steps of the checkpoints called `name` in `folder`, oldest first."""
    found = (re.fullmatch(rf"{name}-(\d+)\.index", path.name) for path in Path(folder).glob(f"{name}-*.index"))
    return sorted(int(match[1]) for match in found if match)


def check_path(path):
    """InputError if TensorFlow, which takes the path of a checkpoint it reads for a pattern, would not find it."""
    if found := set(str(path)) & set("[\\"):
        raise InputError(f"{path}: expected a path without {' and '.join(sorted(found))}, which TensorFlow cannot read")


def write(folder, name, step, identity, **objects):
    """The trackable objects as `folder/name-step`: there at once and complete, or not at all.

    TensorFlow writes into a folder of its own first; a checkpoint counts from when its index, the last, is out of it.
    """
    partial = Path(folder) / ".checkpoint.part"
    try:
        saved = tf.train.Checkpoint(identity=tf.Variable(json.dumps(identity)), **objects)
        saved.write(str(partial / f"{name}-{step}"))
        for path in sorted(partial.iterdir(), key=lambda path: path.suffix == ".index"):
            os.replace(path, Path(folder) / path.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove(folder, name, which):
    """Removes the checkpoints called `name` of the steps `which`, each its index first: no part may look whole."""
    for step in which:
        for path in sorted(Path(folder).glob(f"{name}-{step}.*"), key=lambda path: path.suffix != ".index"):
            path.unlink()


def read(prefix, identity, **objects):
    """Restores all variables of the given objects.

    Damaged if anything in the checkpoint is: all of it is read once, because TensorFlow has a checksum for every
    tensor, and compares it when the tensor is read. InputError if it is of another run than `identity` says.
    """
    check_path(prefix)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        tensors = reader.get_variable_to_shape_map()
        for name in tensors:
            reader.get_tensor(name)
        theirs = json.loads(reader.get_tensor(IDENTITY)) if IDENTITY in tensors else {}
    except (tf.errors.OpError, ValueError, IndexError) as error:  # IndexError: truncated
        raise Damaged(f"{prefix} is damaged ({_reason(error)})") from None
    for name in sorted(theirs.keys() & identity.keys()):
        if theirs[name] != identity[name]:
            raise InputError(f"{prefix} is of another run: it has {name} {theirs[name]}, expected {identity[name]} as "
                             f"in {Path(prefix).parent / 'config.json'}")
    if absent := [name for name in objects if not any(tensor.startswith(f"{name}/") for tensor in tensors)]:
        raise InputError(f"{prefix} has no {', no '.join(absent)}: a network alone can be evaluated, not continued")
    try:
        status = tf.train.Checkpoint(**objects).read(str(prefix)).expect_partial()  # a ckpt-* may hold more
        status.assert_existing_objects_matched()
    except (ValueError, AssertionError) as error:
        raise InputError(f"{prefix} does not hold {', '.join(objects)} as they are here ({_reason(error)})") from None


def _reason(error):
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"


def find(path):
    """-> the checkpoint meant by `path`: a prefix as it is; of a folder the newest ckpt-*, else its best-*.

    InputError if there is none.
    """
    path = Path(path)
    if os.path.isfile(f"{path}.index"):
        return path
    for name in ("ckpt", "best"):
        with contextlib.suppress(OSError):  # a folder that cannot be read, or a name longer than names can be
            if found := steps(path, name):
                return path / f"{name}-{found[-1]}"
    raise InputError(f"no checkpoint at {path}: expected a run folder, a folder of checkpoints or a prefix like "
                     "output/RUN/ckpt-500; `python train.py` makes one")


def load(path):
    """-> the network at `path` (see `find`), its settings and the checkpoint's prefix.

    The architecture comes from the config.json beside the checkpoint, never from flags. InputError if they do not fit.
    """
    prefix = find(path)
    run = load_config(prefix.parent)
    model = CapsNet(run.settings, run.image_shape, run.classes)
    read(prefix, run.identity(), model=model)
    return model, run.settings, prefix
