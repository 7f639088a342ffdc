"""IDX, the format of MNIST and its relatives: four files, verified, downloaded if missing."""
import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from data.augment import random_shift
from data.dataset import Dataset, Split
from data.readers import files
from data.readers.files import expect, read_at_most
from settings import InputError

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
    """Reads the four files; those that are in neither folder of --data_dir are downloaded.

    The last cfg.VALIDATION training images are the validation split. InputError if a file is
    missing and cannot be downloaded, or is not what it should be.
    """
    arrays = [read_or_download(source, name, Path(cfg.DATA_DIR)) for name in source.digests]
    train = labelled(arrays[0], arrays[1], source)
    test = labelled(arrays[2], arrays[3], source)
    kept = len(train.labels) - cfg.VALIDATION
    expect(kept > 0, "--validation", f"less than the {len(train.labels):,} training images",
           f"{cfg.VALIDATION:,}")
    return Dataset(
        name=source.name,
        train=train.take(slice(0, kept)),
        val=train.take(slice(kept, None)),
        test=test,
        class_names=source.class_names,
        augment=random_shift(cfg.SHIFT, train.images.shape[1:]),
    )


def labelled(images: np.ndarray, labels: np.ndarray, source: Source) -> Split:
    """Images [N, H, W] and labels [N] as in the files -> a split [N, H, W, 1] with labels [N, 1].

    InputError if the labels are not those of the dataset's classes, one for each image.
    """
    most = len(source.class_names) - 1
    expect(len(images) == len(labels), source.title, "as many images as labels",
           f"{len(images):,} and {len(labels):,}")
    expect(labels.max() <= most, source.title, f"labels from 0 to {most}", labels.max())
    return Split(images[..., None], labels[:, None].astype(np.int32))


# ---- finding ----

def read_or_download(source: Source, name: str, data_dir: Path) -> np.ndarray:
    """-> the array in the file of that name, from data_dir or its folder for this dataset.

    A missing file is downloaded into data_dir/<name of the dataset>.
    """
    path = find(source, name, data_dir)
    if path is None:
        return download(source, name, data_dir / source.name)
    try:
        with open(path, "rb") as stream:
            return read_verified(source, name, stream, path)
    except (OSError, InputError) as error:
        way_out = "delete the file to have it downloaded again"
        if path.parent == data_dir:
            way_out = (f"if it belongs to another dataset, put {source.title}'s files into "
                       f"{data_dir / source.name}; otherwise {way_out}")
        raise InputError(f"{error}; {way_out}") from None


def find(source: Source, name: str, data_dir: Path) -> Path | None:
    """-> where the file is, as .gz or, if that can be verified, raw; None if it is not there."""
    endings = (".gz",) if source.packed else (".gz", "")
    for folder in (data_dir / source.name, data_dir):
        for ending in endings:
            path = folder / f"{name}{ending}"
            if files.is_there(path):
                return path
    return None


def download(source: Source, name: str, folder: Path) -> np.ndarray:
    """Downloads the file into the folder -> the array in it. InputError if no mirror has it."""
    def read(stream: BinaryIO, where: Any) -> np.ndarray:
        return read_verified(source, name, stream, where)

    urls = [f"{mirror}{name}.gz" for mirror in source.mirrors]
    kind = "as .gz" if source.packed else "raw or as .gz"
    way_out = (f"Ways out: place the files {', '.join(source.digests)} of {source.title}, "
               f"each {kind}, in {folder}, or use --dataset glyphs")
    return files.download(urls, folder / f"{name}.gz", read, MAX_BYTES, way_out)


def read_verified(source: Source, name: str, stream: BinaryIO, where: Any) -> np.ndarray:
    """-> the array in the stream, which can seek. InputError unless the digest is the file's."""
    ndim = 3 if "images" in name else 1
    digest = source.digests[name]
    if source.packed:
        files.verify(where, files.pieces(stream, MAX_BYTES), source.algorithm, digest)
        stream.seek(0)
        return parse(stream, where, ndim)
    array = parse(stream, where, ndim)
    files.verify(where, (header(array.shape), array), source.algorithm, digest)
    return array


# ---- the format ----

def header(shape: tuple[int, ...]) -> bytes:
    """-> the first bytes of an IDX file of uint8: a magic number, then the size of each axis."""
    return struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape)


def parse(stream: BinaryIO, where: Any, ndim: int) -> np.ndarray:
    """An IDX file, raw or gzipped whatever its name -> uint8 [N] (ndim 1) or [N, H, W] (ndim 3).

    The stream must be able to seek. Memory is taken for content that is there, never for sizes
    that are claimed. InputError unless the whole file is exactly what its header says.
    """
    length = 4 + 4 * ndim
    try:
        # Look for gzip's own magic number.
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if packed:
            stream = gzip.GzipFile(fileobj=stream)

        # The header says how large the array is.
        head = read_at_most(stream, length)
        expect(len(head) == length, where, f"an IDX header of {length} bytes", f"{len(head)} bytes")
        magic, *shape = struct.unpack(f">{1 + ndim}I", head)
        size = math.prod(shape)
        expect(magic == 0x800 + ndim, where, f"the magic number {0x800 + ndim:#010x}",
               f"{magic:#010x}")
        expect(0 < size <= MAX_BYTES, where, f"1 to {MAX_BYTES:,} bytes of content",
               f"a header that claims {shape}")

        # One byte more: nothing may follow, and gzip has its checksum only at the end.
        body = read_at_most(stream, size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{where}: expected a readable IDX file, raw or gzipped, "
                         f"received: {error}") from None
    received = f"{len(body):,} (truncated)" if len(body) < size else "more"
    expect(len(body) == size, where, f"{size:,} bytes after the header, for {shape}", received)
    return np.frombuffer(body, np.uint8).reshape(shape)
