"""Checkpoints: `ckpt-<step>` of a run holds all that is needed to resume it.

A checkpoint is several files, such as ckpt-500.index and ckpt-500.data-00000-of-00001. Its prefix
is the path up to "ckpt-500". `best-<step>` is the network alone, at its best validation,
`average-<step>` with the moving average of its weights. Each also holds what its run will never
change (RunConfig.identity), so that it cannot be taken for one of another run.
"""
import glob
import json
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

import model
from data.readers.files import content_of
from model.network import Network
from output import first_line, wait_for_disk
from runs import half as halves
from runs.config import RunConfig, load_config
from settings import InputError

IDENTITY = "identity/.ATTRIBUTES/VARIABLE_VALUE"  # where TensorFlow keeps the variable `identity`


class Damaged(InputError):
    """The files of a checkpoint are not, or no longer, those that were written."""


# ---- which there are ----

def steps(folder: str | Path, name: str = "ckpt") -> list[int]:
    """Returns the steps of the checkpoints called `name`, in order. InputError if unreadable."""
    try:
        files = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from None
    matches = [re.fullmatch(rf"{name}-(\d+)\.index", file) for file in files]
    return sorted(int(match[1]) for match in matches if match)


def find(path: str | Path) -> Path:
    """Returns the prefix of the checkpoint at `path`, itself a prefix or a folder.

    Of a folder it is the newest ckpt-*, or else the newest best-*. InputError if there is neither.
    """
    path = Path(path)
    if os.path.isfile(f"{path}.index"):
        return path
    for name in ("ckpt", "best"):
        if found := steps(path, name):
            return path / f"{name}-{found[-1]}"
    raise InputError(
        f"no checkpoint at {path}: expected a run folder, a folder of checkpoints or a prefix like "
        "output/RUN/ckpt-500; `python train.py` makes one")


# ---- writing ----

def write(folder: str | Path, name: str, step: int, identity: dict, half: bool = False, **objects):
    """Writes the trackable objects as `folder/name-step`, whole or not at all.

    TensorFlow writes into a temporary folder. When its files are on the disk, they are moved out,
    the index last. half: in float16, see half.py. OSError or OpError if it cannot be
    written, InputError if a weight is too large for float16.
    """
    partial = Path(folder) / ".checkpoint.part"
    try:
        saved = tf.train.Checkpoint(identity=tf.Variable(json.dumps(identity)), **objects)
        prefix = str(partial / f"{name}-{step}")
        saved.write(prefix)
        if half:
            halves.narrow(prefix)
        for path in index_last(partial):
            wait_for_disk(path)
            os.replace(path, Path(folder) / path.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def index_last(folder: str | Path, files: str = "*") -> list[Path]:
    """Returns the files in `folder` in the order to move them: without an index none counts."""
    return sorted(Path(folder).glob(files), key=lambda path: path.suffix == ".index")


def remove(folder: str | Path, name: str, which: list[int]):
    """Removes the checkpoints called `name` of the steps `which`, the index of each first."""
    for step in which:
        for path in reversed(index_last(folder, f"{name}-{step}.*")):
            path.unlink()


# ---- reading ----

def check_path(path: str | Path):
    """InputError if the path has [ or \\: TensorFlow takes it for a pattern, and finds nothing."""
    if found := set(str(path)) & set("[\\"):
        raise InputError(f"{path}: expected a path without {' and '.join(sorted(found))}, "
                         "which TensorFlow cannot read")


def read(prefix: str | Path, identity: dict, **objects):
    """Restores all variables of the given objects from the checkpoint at `prefix`.

    Damaged if anything in it is. InputError if it is of another run than `identity` says, does not
    have these objects, or cannot be read, as without permission.
    """
    check_path(prefix)
    tensors, theirs = _read_all(prefix)

    # is it this run's? An older one may lack newer settings.
    for name in sorted(theirs.keys() & identity.keys()):
        if theirs[name] != identity[name]:
            raise InputError(
                f"{prefix} is of another run: it has {name} {theirs[name]}, expected "
                f"{identity[name]} as in {Path(prefix).parent / 'config.json'}")

    # does it have everything?
    present = {tensor.split("/")[0] for tensor in tensors}
    absent = [name for name in objects if name not in present]
    if absent:
        raise InputError(f"{prefix} has no {', no '.join(absent)}: a network alone can be "
                         "evaluated, not resumed")
    try:
        with halves.widened(prefix) as whole:
            status = tf.train.Checkpoint(**objects).read(whole)
            status.expect_partial().assert_existing_objects_matched()  # a ckpt-* may hold more
    except (ValueError, AssertionError) as error:
        raise InputError(f"{prefix} does not hold {', '.join(objects)} as they are here "
                         f"({type(error).__name__}: {first_line(error)})") from None


def _read_all(prefix: str | Path) -> tuple[list[str], dict]:
    """Returns the names of all tensors, whose checksums TensorFlow compares, and the identity."""
    # TensorFlow's errors would not tell a file without permission from a damaged one.
    for path in Path(prefix).parent.glob(f"{glob.escape(Path(prefix).name)}.*"):
        content_of(path)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        tensors = list(reader.get_variable_to_shape_map())
        for name in tensors:
            reader.get_tensor(name)
        return tensors, json.loads(reader.get_tensor(IDENTITY)) if IDENTITY in tensors else {}
    except tf.errors.ResourceExhaustedError:
        raise
    except (tf.errors.OpError, ValueError, IndexError) as error:  # IndexError: truncated
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise Damaged(f"{prefix} is damaged ({reason})") from None


class Loaded(NamedTuple):
    """A trained network, and where it is from."""
    network: Network
    run: RunConfig
    prefix: Path    # of the checkpoint

    @property
    def name(self) -> str:
        """Such as "mnist/ckpt-13200", for figures and results."""
        return f"{self.prefix.parent.name}/{self.prefix.name}"


def load(path: str | Path) -> Loaded:
    """Returns the network at `path`, see `find`. Its config.json says which architecture it has.

    InputError if they do not fit.
    """
    prefix = find(path)
    run = load_config(prefix.parent)
    network = model.build(run.settings, run.image_shape, run.classes)
    read(prefix, run.identity(), model=network)
    return Loaded(network, run, prefix)
