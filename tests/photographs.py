"""Small CIFAR-10, smallNORB and SVHN in files of exactly their layout."""
import gzip
import hashlib
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
from scipy.io import savemat

from data.datasets import cifar10, smallnorb, svhn

RECORDS = 8                      # images in each of CIFAR-10's files
COUNT = {"train": 40, "test": 8}  # images of all three
MODULES = {"cifar10": cifar10, "smallnorb": smallnorb, "svhn": svhn}


def bars(part: str, shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright bar at the place of the class, uint8 [N, *shape], rows second last; labels uint8 [N]."""
    count, side = COUNT[part], shape[-1]
    labels = np.arange(count) * 3 % classes
    images = np.random.default_rng(count).integers(0, 90, (count, *shape), np.uint8)
    for image, label in zip(images, labels, strict=True):
        first = side // 4 + label * side // 2 // classes
        image[..., first:first + side // 10, :] = 250
    return images, labels.astype(np.uint8)


def records(part: str) -> bytes:
    """CIFAR-10: label, red, green, blue, for each image."""
    images, labels = bars(part, (3, 32, 32), 10)
    return np.concatenate([labels[:, None], images.reshape(len(labels), -1)], axis=1).tobytes()


def batches() -> dict[str, bytes]:
    """The files in the archive of CIFAR-10."""
    train, size = records("train"), RECORDS * 3073
    return {**{name: train[n * size:(n + 1) * size] for n, name in enumerate(cifar10.NAMES[:-1])},
            "test_batch.bin": records("test")}


def archive(members: dict[str, bytes], folder: str = "cifar-10-batches-bin/") -> bytes:
    """A .tar.gz of the members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        for name, content in members.items():
            member = tarfile.TarInfo(f"{folder}{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return gzip.compress(file.getvalue(), mtime=0)


def matrix(array: np.ndarray, magic: int) -> bytes:
    """A file of smallNORB, little-endian: unused sizes are 1."""
    sizes = [*array.shape, 1, 1][:max(3, array.ndim)]
    header = struct.pack(f"<{2 + len(sizes)}i", magic, array.ndim, *sizes)
    return gzip.compress(header + array.astype(array.dtype.newbyteorder("<")).tobytes(), mtime=0)


def dat(part: str) -> bytes:
    return matrix(bars(part, (2, 96, 96), 5)[0], 0x1E3D4C55)


def cat(part: str) -> bytes:
    return matrix(bars(part, (2, 96, 96), 5)[1].astype(np.int32), 0x1E3D4C54)


def mat(part: str, **changes) -> bytes:
    """A file of SVHN: the images come last, and the digit 0 is 10."""
    images, labels = bars(part, (3, 32, 32), 10)
    labels = np.where(labels == 0, 10, labels)[:, None]
    file = io.BytesIO()
    savemat(file, {"X": images.transpose(2, 3, 1, 0), "y": labels.astype(np.uint8), **changes}, do_compression=True)
    return file.getvalue()


def contents() -> dict[str, dict[str, bytes]]:
    """The published files of each dataset, by name."""
    norb = {file.name: make(part) for part, both in smallnorb.FILES.items()
            for file, make in zip(both, (dat, cat), strict=True)}
    return {"cifar10": {cifar10.ARCHIVE.name: archive(batches())}, "smallnorb": norb,
            "svhn": {svhn.TRAIN.name: mat("train"), svhn.TEST.name: mat("test")}}


def publish(monkeypatch, files: dict[str, dict[str, bytes]], site: str = "http://127.0.0.1:1/"):
    """Makes these the published files, at that site, until the monkeypatch is undone."""
    content = {name: one for mine in files.values() for name, one in mine.items()}

    def small(file):
        return file._replace(url=site + file.name, md5=hashlib.md5(content[file.name]).hexdigest())

    monkeypatch.setattr(cifar10, "RECORDS", RECORDS)
    monkeypatch.setattr(cifar10, "ARCHIVE", small(cifar10.ARCHIVE))
    norb = {part: tuple(map(small, both)) for part, both in smallnorb.FILES.items()}
    monkeypatch.setattr(smallnorb, "FILES", norb)
    for name in ("TRAIN", "TEST"):
        monkeypatch.setattr(svhn, name, small(getattr(svhn, name)))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
