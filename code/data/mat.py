"""affNIST's own files: images and labels in a MATLAB file of version 5, plain or in a .zip.

SciPy reads them, and unpickles nothing. But it takes the memory that a file claims. So every claim
is compared with the bytes that are there before SciPy sees the file.
"""
import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.dataset import Split
from data.files import expect, pieces
from settings import InputError

MAX_BYTES = 2 ** 31   # of a file, and of what is compressed in it; affNIST's images have 2 ** 29
HEADER = 128          # bytes of text before the first element
COMPRESSED, MATRIX = 15, 14     # types of elements
DEEPEST = 8           # elements within elements; affNIST has 3
NUMERIC = range(6, 16)          # classes of matrices of numbers, from double to uint64
VARIABLE, SIDE = "affNISTdata", 40


class Tag(NamedTuple):
    """The beginning of an element: what it is, and where its content lies."""
    type: int
    start: int
    end: int
    following: int  # where the next element begins


def read(path: Path) -> Split:
    """A .mat file of affNIST, or a .zip with one such file -> its images [N, 40, 40, 1].

    Its images are uint8 [1600, N]: the 40 rows of an image, one after the other, are a column. Its
    labels label_int [1, N] are 0 to 9. InputError if the file is anything else.
    """
    try:
        expect(path.stat().st_size <= MAX_BYTES, path, f"at most {MAX_BYTES:,} bytes",
               f"{path.stat().st_size:,}")
        with open(path, "rb") as stream:
            return parse(stream, path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def parse(stream: io.BufferedIOBase, where: Any) -> Split:
    """The same of a stream that can seek. `where` begins the messages."""
    from scipy.io import loadmat  # only here, because other data do not need it

    try:
        content = unzip(stream, where) if zipfile.is_zipfile(stream) else rewound(stream)
        content = inflate(content, where)
        check_claims(content, HEADER, len(content), where)
        found = loadmat(io.BytesIO(content), variable_names=[VARIABLE])
        data = found[VARIABLE][0, 0]
        images, labels = data["image"], data["label_int"]
    except (InputError, MemoryError):
        raise
    except Exception as error:  # damaged bytes make SciPy and zipfile raise a dozen kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{where}: expected a .mat file of affNIST, with {VARIABLE}.image and "
                         f"{VARIABLE}.label_int, received: {reason}") from None
    return as_split(images, labels, where)


def as_split(images: Any, labels: Any, where: Any) -> Split:
    """The arrays as they are in the file -> Split. InputError if they are not as `read` says."""
    described = [f"{getattr(one, 'dtype', type(one).__name__)} {list(np.shape(one))}"
                 for one in (images, labels)]
    expect(isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 2
           and images.shape[0] == SIDE ** 2 and images.shape[1] > 0, where,
           f"image uint8 [{SIDE ** 2}, N]", described[0])
    expect(isinstance(labels, np.ndarray) and labels.dtype.kind in "iuf"
           and labels.shape == (1, images.shape[1]), where,
           f"label_int [1, N] of numbers, N = {images.shape[1]:,} as of the images", described[1])
    whole = np.isin(labels, np.arange(10))
    expect(whole.all(), where, "labels from 0 to 9", f"the label {labels[~whole][:1]}")
    return Split(images.T.reshape(-1, SIDE, SIDE, 1), labels.T.astype(np.int32))


# ---- content ----

def rewound(stream: io.BufferedIOBase) -> bytes:
    stream.seek(0)
    return stream.read()


def unzip(stream: io.BufferedIOBase, where: Any) -> bytes:
    """-> the one .mat file in the archive"""
    with zipfile.ZipFile(stream) as archive:
        members = [one for one in archive.infolist() if one.filename.endswith(".mat")]
        expect(len(members) == 1, where, "an archive with one .mat file",
               sorted(archive.namelist())[:5])
        expect(members[0].file_size <= MAX_BYTES, where, f"at most {MAX_BYTES:,} bytes unpacked",
               f"{members[0].file_size:,}")
        with archive.open(members[0]) as content:  # verifies the checksum at its end
            return b"".join(pieces(content, MAX_BYTES))


def inflate(content: bytes, where: Any) -> bytes:
    """-> the file with its compressed elements unpacked, in the byte order of this machine's kind.

    InputError if the elements are not whole, or unpack to more than MAX_BYTES.
    """
    order = content[126:HEADER]
    expect(order == b"IM", where, "a MATLAB file of version 5, little-endian",
           f"{len(content):,} bytes, {content[:20]!r}")
    parts, size, place = [content[:HEADER]], HEADER, HEADER
    while place < len(content):
        tag = read_tag(content, place, len(content), where)
        part = content[place:tag.following]
        if tag.type == COMPRESSED:
            packed = zlib.decompressobj()
            part = packed.decompress(content[tag.start:tag.end], MAX_BYTES - size)
            expect(packed.eof, where, f"whole elements of at most {MAX_BYTES:,} bytes together",
                   "a truncated or a larger one")
        parts.append(part)
        size += len(part)
        place = tag.following
    return b"".join(parts)


def check_claims(content: bytes, place: int, end: int, where: Any, depth: int = 0):
    """InputError if an element between `place` and `end` claims more than the bytes it has."""
    expect(depth <= DEEPEST, where, f"at most {DEEPEST} elements within each other", "more")
    while place < end:
        tag = read_tag(content, place, end, where)
        if tag.type == MATRIX and tag.end > tag.start:
            check_matrix(content, tag, where)
            check_claims(content, tag.start, tag.end, where, depth + 1)
        place = tag.following


def check_matrix(content: bytes, tag: Tag, where: Any):
    """InputError if a matrix claims more entries than fit into it.

    It begins with its flags, of which the lowest byte is its class, and its sizes.
    """
    flags = read_tag(content, tag.start, tag.end, where)
    sizes = read_tag(content, flags.following, tag.end, where)
    expect(flags.end - flags.start == 8 and (sizes.end - sizes.start) % 4 == 0, where,
           "matrices with flags and sizes", "others")
    kind = content[flags.start]
    shape = struct.unpack(f"<{(sizes.end - sizes.start) // 4}i", content[sizes.start:sizes.end])
    expect(all(side >= 0 for side in shape), where, "sizes of 0 or more", shape)
    room = tag.end - sizes.following
    entry = 1 if kind in NUMERIC or kind == 4 else 8     # bytes: a number, a letter, an element
    expect(math.prod(shape) * entry <= room, where, f"a matrix that fits into {room:,} bytes",
           f"one of {list(shape)}")


def read_tag(content: bytes, place: int, end: int, where: Any) -> Tag:
    """-> the tag at `place`. InputError if its content would go beyond `end`."""
    expect(place + 8 <= end, where, "whole elements", f"{end - place} bytes at the end (truncated)")
    kind, size = struct.unpack_from("<II", content, place)
    if kind >> 16:  # a small one: the size is in the upper half, the content in four bytes
        kind, size = kind & 0xFFFF, kind >> 16
        expect(size <= 4, where, "a small element of at most 4 bytes", f"{size}")
        return Tag(kind, place + 4, place + 4 + size, place + 8)
    start = place + 8
    expect(size <= end - start, where, f"an element of at most the {end - start:,} bytes that are "
           "left", f"one that claims {size:,} (truncated)")
    padding = 0 if kind == COMPRESSED else -size % 8
    return Tag(kind, start, start + size, min(end, start + size + padding))
