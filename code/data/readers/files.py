"""Files that are verified and downloaded whole, and the one line that says what is wrong with one:
where, what was expected, what was received.
"""
import gzip
import hashlib
import http.client
import io
import json
import math
import os
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

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


def content_of(path: Path) -> bytes:
    """Returns what is in the file. InputError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def unpacked(content: bytes, where: Any, limit: int) -> bytes:
    """Returns the content of a .gz, at most `limit` bytes of it. InputError if it is damaged."""
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(content)).read(limit)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{where}: expected an undamaged gzip file, received: {error}") from None


def after_header(content: bytes, where: Any, length: int, dtype: Any, shape: list[int],
                 limit: int) -> np.ndarray:
    """Returns the array of this dtype and shape that follows a header of `length` bytes.

    InputError unless it is the whole rest of the content, of 1 to `limit` bytes.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    expect(0 < size <= limit, where, f"1 to {limit:,} bytes of content",
           f"a header that claims {shape}")
    received = len(content) - length
    expect(received == size, where, f"{size:,} bytes after the header, for {shape}",
           f"{received:,} ({'truncated' if received < size else 'more'})")
    return np.frombuffer(content, dtype, offset=length).reshape(shape)


# ---- finding and downloading ----

class Published(NamedTuple):
    """A file that is published with its MD5."""
    title: str     # of the dataset, for people
    folder: str    # the dataset's, in --data_dir
    url: str
    md5: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def load_published(file: Published, data_dir: Path, parse: Callable[[bytes, Any], Content],
                   limit: int, others: str = "") -> Content:
    """Returns what `parse` makes of the file, from --data_dir, its folder there, or downloaded.

    Its MD5 is verified before `parse` sees it. limit: bytes, the most to download. others: what
    else the user may place there, for the message. InputError as `read_or_download`.
    """
    def verified(content, where):
        verify(where, content, "md5", file.md5)
        return parse(content, where)

    paths = [place / file.name for place in (data_dir / file.folder, data_dir)]
    return read_or_download(paths, [file.url], verified, limit, file.title, f"{file.name}{others}")


def read_or_download(paths: list[Path], urls: list[str], parse: Callable[[bytes, Any], Content],
                     limit: int, title: str, wanted: str) -> Content:
    """Returns what `parse` makes of the first of the paths that is there.

    If none is, the file is downloaded to the first one, see `download`. title: of the dataset;
    wanted: which files it needs, in words. InputError if the file is not what it should be, or
    cannot be downloaded.
    """
    folder = paths[0].parent
    path = next(filter(is_there, paths), None)
    if path is None:
        way_out = f"Ways out: place {wanted} of {title} in {folder}, or use --dataset glyphs"
        return download(urls, paths[0], parse, limit, way_out)
    try:
        return parse(content_of(path), path)
    except InputError as error:
        way_out = "delete the file to have it downloaded again"
        if path.parent != folder:
            way_out = (f"if it belongs to another dataset, put {title}'s files into {folder}; "
                       f"otherwise {way_out}")
        raise InputError(f"{error}; {way_out}") from None


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
    urls: tried one after the other. parse: takes the content and a name for messages. limit: bytes,
    the most to read. way_out: what the user may do. InputError if no address has the file.
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
