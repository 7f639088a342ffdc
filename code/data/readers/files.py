"""Files that are verified and downloaded whole, and the one line that says what is wrong with one:
where, what was expected, what was received.
"""
import hashlib
import http.client
import json
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

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
    """Returns whether anything is at the path. InputError if the system does not say."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return True


def from_json(text: str | bytes) -> Any:
    """Returns what the JSON says. ValueError alone if it is none or is nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def damage(error: Exception) -> str:
    """Returns what a library says of damaged bytes, in one short line: it may quote the file."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def verify(where: Any, content: bytes, algorithm: str, digest: str):
    """InputError unless the content has this digest (hexadecimal) of hashlib's algorithm."""
    received = hashlib.new(algorithm, content).hexdigest()
    expect(received == digest, where, f"content with {algorithm.upper()} {digest}", received)


def fetch(url: str, limit: int) -> bytes:
    """Returns what is at the address, with a progress bar. OSError or HTTPException on failure."""
    try:
        reply = urllib.request.urlopen(url, timeout=TIMEOUT)
    except ValueError as error:  # a proxy in the environment that is no address
        raise OSError(str(error)) from None
    content = bytearray()
    with (reply, progress(title=url.rsplit("/", 1)[-1], total=reply.length,
                          unit="B", unit_scale=True, unit_divisor=1024) as bar):
        while len(content) < limit and (piece := reply.read(min(PIECE, limit - len(content)))):
            content += piece
            bar.update(len(piece))
    return bytes(content)


def download(urls: list[str], path: Path, parse: Callable[[bytes, str], Content], limit: int,
             way_out: str) -> Content:
    """Keeps the first copy that `parse` accepts as `path`, and returns what `parse` returned.

    Nothing is written before it is verified, so an interrupted download leaves nothing.
    (keras.utils.get_file writes under the final name from the first byte, without a timeout.)

    Args:
        urls: the addresses to try, one after the other.
        path: where to keep the file. Its folder is made if necessary.
        parse: takes the content and a name for messages, and raises InputError if it is wrong.
        limit: bytes, the most to read.
        way_out: what the user may do if no address has the file.
    """
    failures = []
    for url in urls:
        try:
            content = fetch(url, limit)
            parsed = parse(content, "its reply")
        except (OSError, http.client.HTTPException, InputError) as error:
            failures.append(f"{url} ({str(error) or type(error).__name__})")
            continue
        try:
            write_whole(path, content)
        except OSError as error:
            raise InputError(f"--data_dir: expected a folder to write in, received {path.parent} "
                             f"({error})") from None
        return parsed
    tried = " and ".join(failures) or "no address"
    raise InputError(f"{path.name} could not be downloaded: tried {tried}. {way_out}")
