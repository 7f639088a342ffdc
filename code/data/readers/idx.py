"""IDX, the format of MNIST and its relatives: four files, verified, downloaded if missing."""
import struct
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.augment import random_shift
from data.dataset import Dataset, Split
from data.readers import files
from data.readers.files import expect
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
    train = labelled(arrays[0], arrays[1], source)
    test = labelled(arrays[2], arrays[3], source)
    return Dataset(
        name=source.name,
        **hold_out(train, cfg.VALIDATION),
        test=test,
        class_names=source.class_names,
        augment=random_shift(cfg.SHIFT, train.images.shape[1:]),
    )


def labelled(images: np.ndarray, labels: np.ndarray, source: Source) -> Split:
    """Returns images [N, H, W] and labels [N] as in the files as a split [N, H, W, 1], [N, 1].

    InputError if the labels are not those of the dataset's classes, one for each image.
    """
    most = len(source.class_names) - 1
    expect(len(images) == len(labels), source.title, "as many images as labels",
           f"{len(images):,} and {len(labels):,}")
    expect(labels.max() <= most, source.title, f"labels from 0 to {most}", labels.max())
    return Split(images[..., None], labels[:, None].astype(np.int32))


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
    """Returns the array in the file's content. InputError unless the digest is the file's."""
    if source.packed:
        files.verify(where, content, source.algorithm, source.digests[name])
    raw = unpacked(content, where)
    array = parse(raw, where, ndim=3 if "images" in name else 1)
    if not source.packed:
        files.verify(where, raw, source.algorithm, source.digests[name])
    return array


def unpacked(content: bytes, where: Any) -> bytes:
    """Returns the content, unpacked if it is gzipped, whatever its name. InputError if damaged."""
    if content[:2] != b"\x1f\x8b":
        return content
    # One byte more than a file may have: what expands without end is refused by its size.
    return files.unpacked(content, where, MAX_BYTES + 1)


def parse(content: bytes, where: Any, ndim: int) -> np.ndarray:
    """Returns the array of a raw IDX file: uint8 [N] (ndim 1) or [N, H, W] (ndim 3).

    InputError unless the whole content is exactly what its header says.
    """
    length = 4 + 4 * ndim
    expect(len(content) >= length, where, f"an IDX header of {length} bytes",
           f"{len(content)} bytes")
    magic, *shape = struct.unpack(f">{1 + ndim}I", content[:length])
    expect(magic == 0x800 + ndim, where, f"the magic number {0x800 + ndim:#010x}", f"{magic:#010x}")
    return files.after_header(content, where, length, np.uint8, shape, MAX_BYTES)
