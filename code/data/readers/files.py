"""Files that are never trusted: read without the memory they claim, verified, downloaded whole.

Whatever is wrong with a file is one InputError: where, what was expected, what was received.
"""
import hashlib
import http.client
import io
import json
import os
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from output import progress, write_whole
from settings import InputError

TIMEOUT = 20      # seconds without an answer after which a mirror is given up
PIECE = 2 ** 16   # bytes read at once

Content = TypeVar("Content")


def expect(holds: bool, where: Any, expected: str, received: Any):
    """InputError, in one line that begins with `where`, unless the condition holds."""
    if not holds:
        raise InputError(f"{where}: expected {expected}, received {received!s:.300}")


def is_there(path: Path) -> bool:
    """Whether anything is at the path. InputError if the system does not say."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return True


def from_json(text: str | bytes) -> Any:
    """-> what the JSON says. ValueError, and nothing else, if it is none or is nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def damage(error: Exception) -> str:
    """-> what a library says of damaged bytes, in one short line: it may quote the file"""
    return " ".join(str(error).split())[:200] or type(error).__name__


def pieces(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """The stream piece by piece to its end, or to `limit` bytes.

    read(limit) would be simpler, and may allocate the whole limit before it reads a byte.
    """
    while limit > 0 and (piece := stream.read(min(limit, PIECE))):
        yield piece
        limit -= len(piece)


def read_at_most(stream: BinaryIO, limit: int) -> bytes:
    """-> the stream's content to its end, or to `limit` bytes."""
    return b"".join(pieces(stream, limit))


def verify(where: Any, parts: Iterable, algorithm: str, digest: str):
    """InputError unless the digest of the parts, one after the other, is `digest` (hexadecimal).

    parts: bytes or contiguous arrays. algorithm: one that hashlib knows, such as sha256.
    """
    found = hashlib.new(algorithm)
    for part in parts:
        found.update(part)
    received = found.hexdigest()
    expect(received == digest, where, f"content with {algorithm.upper()} {digest}", received)


def fetch(url: str, limit: int) -> bytes:
    """-> what stands at the address, with a progress bar. OSError or HTTPException on failure."""
    try:
        reply = urllib.request.urlopen(url, timeout=TIMEOUT)
    except ValueError as error:  # a proxy in the environment that is no address
        raise OSError(str(error)) from None
    parts = []
    with (reply, progress(title=url.rsplit("/", 1)[-1], total=reply.length,
                          unit="B", unit_scale=True, unit_divisor=1024) as bar):
        for piece in pieces(reply, limit):
            parts.append(piece)
            bar.update(len(piece))
    return b"".join(parts)


def download(urls: list[str], path: Path, read: Callable[[BinaryIO, str], Content],
             limit: int, way_out: str) -> Content:
    """The first copy that `read` accepts, kept as `path` -> what `read` returned.

    Nothing is written before it is verified, so an interrupted download leaves nothing.
    (keras.utils.get_file writes under the final name from the first byte, without a timeout.)

    Args:
        urls: the addresses to try, one after the other.
        path: where to keep the file. Its folder is made if necessary.
        read: takes a stream and a name for messages, and raises InputError if it is wrong.
        limit: bytes, the most to read.
        way_out: what the user may do if no address has the file.
    """
    failures = []
    for url in urls:
        try:
            packed = fetch(url, limit)
            content = read(io.BytesIO(packed), "its reply")
        except (OSError, http.client.HTTPException, InputError) as error:
            failures.append(f"{url} ({str(error) or type(error).__name__})")
            continue
        try:
            write_whole(path, packed)
        except OSError as error:
            raise InputError(f"--data_dir: expected a folder to write in, received {path.parent} "
                             f"({error})") from None
        return content
    tried = " and ".join(failures) or "no address"
    raise InputError(f"{path.name} could not be downloaded: tried {tried}. {way_out}")
