"""What the tests of untrusted files share: small images, their files, and ways to damage them."""
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from scipy.io import savemat

from config import TRAIN
from settings import Config, InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 20, 18), np.uint8)
LABELS = np.arange(40, dtype=np.int64) % 4
CANVASES = np.random.default_rng(0).integers(0, 256, (30, 40, 40), np.uint8)  # of affNIST
DIGITS = (np.arange(30) * 7 % 10).astype(np.uint8)


def settings(**changes) -> Config:
    """The settings of a training with these changes."""
    return Config(TRAIN, {"SHIFT": 0, **changes})


def refusal(call, *args, **options) -> str:
    """The one line with which the call is refused."""
    with pytest.raises(InputError) as caught:
        call(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def outcomes(read, contents, longest: int = 1000) -> list[str]:
    """Whether each content gives data or a refusal, which is one line of limited length."""
    found = []
    for content in contents:
        try:
            read(content)
            found.append("data")
        except InputError as error:
            assert "\n" not in str(error) and 0 < len(str(error)) <= longest
            found.append("refusal")
    return found


def peak_of(call, *args) -> int:
    """The most bytes allocated at once during the call."""
    tracemalloc.start()
    try:
        call(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def idx(array: np.ndarray) -> bytes:
    """An IDX file that has the array."""
    array = np.asarray(array, np.uint8)
    header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    return header + array.tobytes()


def npy(array: np.ndarray, shape: tuple | None = None) -> bytes:
    """The array as .npy, its header claiming `shape` instead."""
    file = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def packed(members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of the members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def mat(compress: bool = False, name: str = "affNISTdata", **changes) -> bytes:
    """A file of affNIST's layout that has CANVASES and DIGITS; also parts that nobody reads."""
    count = len(DIGITS)
    data = {"image": CANVASES.reshape(count, 1600).T, "label_int": DIGITS[None].astype(float),
            "label_one_of_n": np.eye(10)[DIGITS].T, "human_readable_transform": np.zeros((6, count)),
            "affine_transform_details": np.array(["a", "b"], object), **changes}
    file = io.BytesIO()
    savemat(file, {name: data}, do_compression=compress)
    return file.getvalue()


def mutate(content: bytes, rng: np.random.Generator, head: int = 64) -> bytes:
    """Flips bytes, cuts, inserts, or writes an extreme number into the first `head` bytes."""
    content, kind = bytearray(content), rng.integers(5)
    if kind == 0:
        for place in rng.integers(0, len(content), rng.integers(1, 9)):
            content[place] ^= rng.integers(1, 256)
    elif kind == 1:
        del content[rng.integers(len(content)):]
    elif kind == 2:
        start, size = rng.integers(len(content)), rng.integers(1, 64)
        del content[start:start + size]
    elif kind == 3:
        start = rng.integers(len(content) + 1)
        content[start:start] = rng.bytes(rng.integers(1, 64))
    else:
        start = rng.integers(min(head, len(content) - 4))
        number = [0, 1, 0xFF, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1][rng.integers(7)]
        content[start:start + 4] = struct.pack("<I" if rng.integers(2) else ">I", number)
    return bytes(content)
