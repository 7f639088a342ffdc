"""The two file formats that images come in, IDX and .npz: bytes -> arrays, or one InputError that says what is wrong.

A file's own claims about its sizes are never trusted with memory: nothing is allocated or inflated beyond what is
really there.
"""
import gzip
import hashlib
import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from config import InputError

MAX_IDX = 2 ** 26     # bytes; the largest file of MNIST has 47,040,016
MAX_EXPANSION = 100   # an .npz of more than 16 MiB may hold at most so many times its own size: digits need 5 to 10
PARTS = "train", "val", "test"
NPZ_NAMES = [f"{kind}_{part}" for part in PARTS for kind in "xy"]


def expect(holds: bool, where: Any, expected: str, received: Any):
    if not holds:
        raise InputError(f"{where}: expected {expected}, received {received!s:.300}")


def read_at_most(stream: BinaryIO, limit: int) -> bytes:
    """Reads to the end or to the limit in pieces, since read(limit) may allocate the whole limit first."""
    pieces = []
    while limit > 0 and (piece := stream.read(min(limit, 2 ** 16))):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def parse_idx(stream: BinaryIO, name: Any, ndim: int, digest: str | None = None) -> np.ndarray:
    """An IDX file, raw or gzipped whatever its name -> uint8 [N] (ndim 1, labels 0-9) or [N, H, W] (ndim 3, images).

    The stream must be able to seek. digest: SHA-256 of the decompressed content; None for any content. InputError
    unless the whole file is exactly what its header says.
    """
    try:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        stream = gzip.GzipFile(fileobj=stream) if packed else stream
        head = read_at_most(stream, 4 + 4 * ndim)
        expect(len(head) == 4 + 4 * ndim, name, f"an IDX header of {4 + 4 * ndim} bytes", f"{len(head)} bytes")
        magic, *shape = struct.unpack(f">{1 + ndim}I", head)
        size = math.prod(shape)
        expect(magic == 0x800 + ndim, name, f"the magic number {0x800 + ndim:#010x}", f"{magic:#010x}")
        expect(0 < size <= MAX_IDX, name, f"1 to {MAX_IDX:,} bytes of content", f"a header that claims {shape}")
        body = read_at_most(stream, size + 1)  # one more: nothing may follow, and only the end has gzip's checksum
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name}: expected a readable IDX file, raw or gzipped, received: {error}") from None
    received = f"{len(body):,} (truncated)" if len(body) < size else "more"
    expect(len(body) == size, name, f"{size:,} bytes after the header, for {shape}", received)
    array = np.frombuffer(body, np.uint8).reshape(shape)
    expect(ndim != 1 or array.max() <= 9, name, "labels from 0 to 9", array.max())
    if digest:
        found = hashlib.sha256(head)
        found.update(body)
        expect(found.hexdigest() == digest, name, f"content with SHA-256 {digest}", found.hexdigest())
    return array


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays x_train, y_train, x_val, ... that the file holds, of any type but Python objects.

    np.load would allocate what an array's header claims, and inflate what an archive claims. InputError if the file
    is not an undamaged .npz of arrays with these names.
    """
    arrays = {}
    try:
        expect(path.is_file(), path, "an .npz file", "something else" if path.exists() else "no such file")
        with zipfile.ZipFile(path) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            expect(members.keys() <= set(NPZ_NAMES), path, f"no arrays but {', '.join(NPZ_NAMES)}", sorted(members))
            size, claim = path.stat().st_size, sum(member.file_size for member in members.values())
            expect(claim <= max(2 ** 24, MAX_EXPANSION * size), path, "an archive that expands to at most "
                   f"{MAX_EXPANSION} times its {size:,} bytes (np.savez does not compress)", f"{claim:,} bytes")
            for name, member in members.items():
                expect(member.compress_size <= size and member.compress_type in (zipfile.ZIP_STORED,
                       zipfile.ZIP_DEFLATED), path, f"{name} as np.savez writes it", "another kind of entry")
                with archive.open(member) as stream:
                    content = stream.read(member.file_size)  # inflates no further, and verifies the checksum
                arrays[name] = parse_npy(content, f"{path}: {name}")
    except (InputError, MemoryError):
        raise
    except Exception as error:  # damaged bytes make zipfile and NumPy raise a dozen kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__  # some quote half of the file
        raise InputError(f"{path}: expected an undamaged .npz of np.savez, received: {reason}") from None
    return arrays


def parse_npy(content: bytes, where: str) -> np.ndarray:
    """-> the array that the bytes hold, sharing their memory where possible. ValueError and others if damaged."""
    stream = io.BytesIO(content)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0,
                   (2, 0): np.lib.format.read_array_header_2_0}[np.lib.format.read_magic(stream)]
    shape, fortran, dtype = read_header(stream)
    expect(not dtype.hasobject, where, "numbers", "pickled Python objects, which are never loaded")
    size, start = math.prod(shape) * dtype.itemsize, stream.tell()
    expect(size == len(content) - start, where, f"{size:,} bytes for {dtype} {list(shape)}",
           f"{len(content) - start:,}")
    array = np.frombuffer(content, dtype, offset=start) if size else np.empty(0, dtype)
    return np.ascontiguousarray(array.reshape(shape, order="F" if fortran else "C"))
