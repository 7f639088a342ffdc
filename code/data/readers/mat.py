"""affNIST's own files: images and labels in a MATLAB file of version 5, plain or in a .zip.

scipy.io.loadmat reads such files, too. But it takes the memory that a file claims, and a damaged
file can end the whole process. This reader takes the two arrays it needs. It compares every claim
with the bytes that are there before it believes it. Its arrays share the memory of the unpacked
file.

A MATLAB file is a row of elements, each a tag and its content. A matrix is an element whose content
is a row of elements, too: flags, sizes, name, then its numbers, or the fields of a structure.
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
from data.readers.files import damage, expect, read_at_most
from settings import InputError

MAX_BYTES = 2 ** 31   # of a file, and of what is compressed in it; affNIST's images have 2 ** 29
HEADER = 128          # bytes of text before the first element
MATRIX, COMPRESSED = 14, 15     # types of elements
STRUCTURE, COMPLEX = 2, 0x800   # a class of matrices; a flag of numbers with an imaginary part
NUMBERS = {1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8",
           12: "<i8", 13: "<u8"}  # types of elements, as NumPy calls them
VARIABLE, SIDE = "affNISTdata", 40


class Tag(NamedTuple):
    """The beginning of an element: what it is, and where its content lies."""
    type: int
    start: int
    end: int
    following: int  # where the next element begins


class Matrix(NamedTuple):
    """The beginning of a matrix."""
    flags: int      # the lowest byte is its class
    shape: tuple[int, ...]
    name: str
    following: int  # where its numbers or fields begin
    end: int


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
    try:
        content = unzip(stream, where) if zipfile.is_zipfile(stream) else read_all(stream)
        content = inflate(content, where)
    except (InputError, MemoryError, OSError):
        raise
    except Exception as error:  # damaged bytes make zipfile and zlib raise several kinds
        raise InputError(f"{where}: expected an undamaged .mat file of affNIST, "
                         f"received: {damage(error)}") from None
    fields = find_structure(content, where)
    return as_split(read_numbers(content, fields, "image", where),
                    read_numbers(content, fields, "label_int", where), where)


def as_split(images: np.ndarray, labels: np.ndarray, where: Any) -> Split:
    """The arrays as they are in the file -> Split. InputError if they are not as `read` says."""
    expect(images.dtype == np.uint8 and images.ndim == 2 and images.shape[0] == SIDE ** 2
           and images.shape[1] > 0, where, f"image uint8 [{SIDE ** 2}, N]",
           f"{images.dtype} {list(images.shape)}")
    expect(labels.shape == (1, images.shape[1]), where,
           f"label_int [1, N], N = {images.shape[1]:,} as of the images", list(labels.shape))
    whole = np.isin(labels, np.arange(10))
    expect(whole.all(), where, "labels from 0 to 9", f"the label {labels[~whole][:1]}")
    return Split(images.T.reshape(-1, SIDE, SIDE, 1), labels.T.astype(np.int32))


# ---- content ----

def read_all(stream: io.BufferedIOBase) -> bytes:
    """-> the stream's content from its beginning"""
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
            return read_at_most(content, MAX_BYTES)


def inflate(content: bytes, where: Any) -> bytes:
    """-> the file with its compressed elements unpacked.

    InputError if it is another kind of file, or if the elements are not whole, or unpack to more
    than MAX_BYTES.
    """
    order = content[126:HEADER]
    expect(order == b"IM", where, "a MATLAB file of version 5, little-endian",
           f"{len(content):,} bytes, {content[:20]!r}")
    parts, size, place = [content[:HEADER]], HEADER, HEADER
    while place < len(content):
        tag = read_tag(content, place, len(content), where)
        part = content[place:tag.following]
        if tag.type == COMPRESSED:
            packed, left = zlib.decompressobj(), MAX_BYTES - size
            expect(left > 0, where, f"at most {MAX_BYTES:,} bytes", "more")  # 0 would be no limit
            part = packed.decompress(content[tag.start:tag.end], left)
            expect(packed.eof, where, f"whole elements of at most {MAX_BYTES:,} bytes together",
                   "a truncated or a larger one")
        parts.append(part)
        size += len(part)
        place = tag.following
    return b"".join(parts)


# ---- elements ----

def find_structure(content: bytes, where: Any) -> dict[str, Tag]:
    """-> the fields of the structure VARIABLE by name. InputError if there is no such structure."""
    place, names = HEADER, []
    while place < len(content):
        tag = read_tag(content, place, len(content), where)
        place = tag.following
        if tag.type == MATRIX:
            matrix = read_matrix(content, tag, where)
            names.append(matrix.name)
            if matrix.name == VARIABLE:
                return read_fields(content, matrix, where)
    raise InputError(f"{where}: expected a structure {VARIABLE}, received {names[:5]}")


def read_matrix(content: bytes, tag: Tag, where: Any) -> Matrix:
    """-> the beginning of the matrix in the element"""
    flags = read_tag(content, tag.start, tag.end, where)
    sizes = read_tag(content, flags.following, tag.end, where)
    name = read_tag(content, sizes.following, tag.end, where)
    expect(flags.end - flags.start == 8 and (sizes.end - sizes.start) % 4 == 0, where,
           "matrices with flags and sizes", "others")
    shape = struct.unpack(f"<{(sizes.end - sizes.start) // 4}i", content[sizes.start:sizes.end])
    return Matrix(struct.unpack_from("<I", content, flags.start)[0], shape,
                  content[name.start:name.end].decode("latin-1"), name.following, tag.end)


def read_fields(content: bytes, matrix: Matrix, where: Any) -> dict[str, Tag]:
    """-> the fields of a single structure by name: elements that are matrices"""
    expect(matrix.flags & 0xFF == STRUCTURE and matrix.shape == (1, 1), where,
           f"{VARIABLE} a structure [1, 1]", f"class {matrix.flags & 0xFF} {list(matrix.shape)}")
    width = read_tag(content, matrix.following, matrix.end, where)
    names = read_tag(content, width.following, matrix.end, where)
    letters = int.from_bytes(content[width.start:width.end], "little")
    expect(letters > 0, where, "fields with names", "none")
    fields, place = {}, names.following
    for start in range(names.start, names.end, letters):
        name = content[start:min(start + letters, names.end)].partition(b"\0")[0]
        tag = read_tag(content, place, matrix.end, where)
        fields[name.decode("latin-1")] = tag
        place = tag.following
    return fields


def read_numbers(content: bytes, fields: dict[str, Tag], name: str, where: Any) -> np.ndarray:
    """-> the numbers of that field, sharing the memory of `content`"""
    expect(name in fields and fields[name].type == MATRIX, where,
           f"{VARIABLE} with a matrix {name}", sorted(fields)[:10])
    matrix = read_matrix(content, fields[name], where)
    tag = read_tag(content, matrix.following, matrix.end, where)
    expect(tag.type in NUMBERS and not matrix.flags & COMPLEX, where, f"{name} of real numbers",
           f"an element of type {tag.type}")
    dtype, size = np.dtype(NUMBERS[tag.type]), tag.end - tag.start
    expect(all(side >= 0 for side in matrix.shape)
           and math.prod(matrix.shape) * dtype.itemsize == size, where,
           f"{name} with as many numbers as its sizes {list(matrix.shape)} say",
           f"{size:,} bytes of {dtype}")
    count = size // dtype.itemsize
    numbers = np.frombuffer(content, dtype, count, tag.start) if count else np.empty(0, dtype)
    return numbers.reshape(matrix.shape, order="F")


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
