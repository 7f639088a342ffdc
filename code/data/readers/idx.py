"""IDX, the format of MNIST and its relatives: four files, verified, downloaded if missing."""
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.augment import random_shift
from data.dataset import Dataset, Split
from data.readers import files
from data.splits import hold_out

MAX_BYTES = 2 ** 26    # of one file; the largest of MNIST has 47,040,016


class Source(NamedTuple):
    """Where a dataset's files come from, and how they are known.

    The files are training images, training labels, test images and test labels, in this order.
    """
    name: str                      # of the dataset, and of its folder in --data_dir
    title: str                     # for people
    class_names: tuple[str, ...]
    mirrors: tuple[str, ...]       # addresses of folders that have the .gz files
    digests: dict[str, str]        # {name of the file without .gz: its digest}
    algorithm: str                 # of the digests, as hashlib calls it
    packed: bool                   # of the .gz file? Otherwise of the content, raw or unpacked


def load(source: Source, cfg) -> Dataset:
    """Returns the dataset of the four files, downloaded if neither folder of --data_dir has them.

    The last cfg.VALIDATION training images are the validation split. InputError if a file is
    missing and cannot be downloaded, or is not what it should be.
    """
    arrays = [read_or_download(source, name, Path(cfg.DATA_DIR)) for name in source.digests]
    train, test = (Split(images[..., None], labels[:, None].astype(np.int32))
                   for images, labels in (arrays[:2], arrays[2:]))
    return Dataset(
        name=source.name,
        **hold_out(train, cfg.VALIDATION),
        test=test,
        class_names=source.class_names,
        augment=random_shift(cfg.SHIFT, train.images.shape[1:]),
    )


# ---- finding ----

def read_or_download(source: Source, name: str, data_dir: Path) -> np.ndarray:
    """Returns the array in the file of that name, from data_dir or its folder for this dataset.

    The file is a .gz, or raw if it can be verified. A missing one is downloaded into
    data_dir/<name of the dataset>.
    """
    folder, endings = data_dir / source.name, (".gz",) if source.packed else (".gz", "")
    paths = [place / f"{name}{ending}" for place in (folder, data_dir) for ending in endings]
    urls = [f"{mirror}{name}.gz" for mirror in source.mirrors]
    kind = "as .gz" if source.packed else "raw or as .gz"
    wanted = f"the files {', '.join(source.digests)}, each {kind},"
    return files.read_or_download(paths, urls, partial(parse_verified, source, name), MAX_BYTES,
                                  source.title, wanted)


# ---- the format ----

def parse_verified(source: Source, name: str, content: bytes, where: Any) -> np.ndarray:
    """Returns the array in the file's content, uint8: labels [N] or images [N, H, W].

    InputError unless the digest is the file's. So what is read needs no other check.
    """
    if source.packed:
        files.verify(where, content, source.algorithm, source.digests[name])
    if content[:2] == b"\x1f\x8b":  # gzipped, whatever its name
        content = files.unpacked(content, where, MAX_BYTES)
    if not source.packed:
        files.verify(where, content, source.algorithm, source.digests[name])

    # four bytes, the sizes, the array
    ndim = 3 if "images" in name else 1
    shape = np.frombuffer(content, ">u4", ndim, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape)
