"""MNIST and its relatives: files are found, verified and named; downloads are whole or not there.

The files are small ones that the tests write. Real MNIST is read where CAPSNET_DATA_DIR has it.
"""
import gzip
import hashlib
import io
import json
import os
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset
from data.datasets import fashion_mnist, mnist
from data.readers import files
from data.readers import idx as idx_reader
from settings import InputError
from untrusted import IMAGES, LABELS, idx, peak_of, refusal, settings


def load(data_dir: Path, module=mnist, validation=5) -> Dataset:
    return module.load(settings(DATA_DIR=str(data_dir), VALIDATION=validation))


def change(monkeypatch, module, **changes):
    """Another source of the dataset's files."""
    monkeypatch.setattr(module, "SOURCE", module.SOURCE._replace(**changes))


def write(folder: Path, contents: dict[str, bytes], ending: str = "", pack=bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (name + ending)).write_bytes(pack(content))
    return folder


def publish(monkeypatch, *arrays) -> dict[str, bytes]:
    """Makes these arrays MNIST's four published files. -> {name: content}"""
    contents = dict(zip(mnist.SOURCE.digests, map(idx, arrays), strict=True))
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    change(monkeypatch, mnist, digests=sha256, mirrors=())
    return contents


@pytest.fixture
def contents(monkeypatch):
    """The four files, small: 20 + 6 images; the last 5 of the 20 validate. -> {name: content}"""
    contents = publish(monkeypatch, IMAGES[:20], LABELS[:20], IMAGES[20:26], LABELS[20:26])
    md5 = {name: hashlib.md5(packed(content)).hexdigest() for name, content in contents.items()}
    change(monkeypatch, fashion_mnist, digests=md5, mirrors=())
    return contents


def packed(content: bytes) -> bytes:
    """The same .gz file at any time."""
    return gzip.compress(content, mtime=0)


@pytest.fixture
def mirrors(contents, monkeypatch):
    """-> use(*kinds): the mirrors to try; use.asked: the addresses asked for so far

    good serves the files, short breaks off in the middle, page serves some page, other other images or labels.
    """
    def urlopen(url, timeout):
        use.asked.append(url)
        kind, name = url.split("/")[-2:]
        if kind == "missing":
            raise urllib.error.HTTPError(url, 404, "Not Found", None, None)
        if kind == "slow":
            raise TimeoutError(f"no answer in {timeout} s")
        content = contents[name.removesuffix(".gz")]
        replies = {"good": packed(content), "short": packed(content)[:20], "other": packed(content[:-1] + b"\7"),
                   "page": b"<html>Welcome, please log in</html>"}
        reply = io.BytesIO(replies[kind])
        reply.length = len(packed(content))
        return reply

    def use(*kinds):
        use.addresses = tuple(f"http://localhost/{kind}/" for kind in kinds)
        for module in (mnist, fashion_mnist):
            change(monkeypatch, module, mirrors=use.addresses)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    use.asked = []
    use("good")
    return use


def assert_small(dataset: Dataset, name: str = "mnist"):
    assert (dataset.name, dataset.classes, dataset.image_shape) == (name, 10, (20, 18, 1))
    splits = {"train": slice(15), "val": slice(15, 20), "test": slice(20, 26)}
    for part, where in splits.items():
        split = getattr(dataset, part)
        np.testing.assert_array_equal(split.images[..., 0], IMAGES[where])
        np.testing.assert_array_equal(split.labels, LABELS[where, None])
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# ---- files ----

@pytest.mark.parametrize("folder", ["", "mnist"])
@pytest.mark.parametrize("ending, pack", [("", bytes), (".gz", gzip.compress),
                                          (".gz", bytes), ("", gzip.compress)])
def test_files_are_taken_from_the_folder_or_its_folder_of_the_name(contents, tmp_path, folder,
                                                                   ending, pack):
    write(tmp_path / folder, contents, ending, pack)
    dataset = load(tmp_path)
    assert_small(dataset)
    assert dataset.class_names == tuple("0123456789")


def test_the_folder_of_the_name_goes_first_and_a_file_of_another_dataset_is_not_only_to_be_deleted(contents, tmp_path):
    write(tmp_path / "mnist", contents)
    write(tmp_path, dict.fromkeys(contents, b"another dataset's file"))
    assert_small(load(tmp_path))
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    message = refusal(load, tmp_path)
    assert "belongs to another dataset" in message and str(tmp_path / "mnist") in message


def test_a_wrong_file_is_named_and_left_alone(mirrors, contents, tmp_path):
    load(tmp_path)
    asked, path = len(mirrors.asked), tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    other = idx((LABELS[20:26] + 1) % 10)
    path.write_bytes(gzip.compress(other))
    wrong = path.read_bytes()
    message = refusal(load, tmp_path)
    for words in [str(path), "SHA256", mnist.SOURCE.digests["t10k-labels-idx1-ubyte"],
                  hashlib.sha256(other).hexdigest(), "delete the file to have it downloaded again"]:
        assert words in message
    assert "another dataset" not in message
    assert path.read_bytes() == wrong and len(mirrors.asked) == asked
    path.unlink()
    path.mkdir()
    assert str(path) in refusal(load, tmp_path)


@pytest.mark.parametrize("damage", [
    lambda content: content[:-1], lambda content: content + b"\0", lambda content: b"", lambda content: b"\x1f\x8b",
    lambda content: b"<!DOCTYPE html><html>", lambda content: content[:9] + b"~" + content[10:],
    lambda content: packed(content)[:-9], lambda content: packed(content)[:-8] + b"12345678",
    lambda content: packed(content) + packed(b"tail"),
    lambda content: gzip.compress(bytes(2 ** 27), 1)])  # a bomb
def test_a_damaged_file_is_refused_in_one_line(contents, tmp_path, monkeypatch, damage):
    monkeypatch.setattr(idx_reader, "MAX_BYTES", 2 ** 20)
    write(tmp_path, contents)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(contents[path.name]))
    message = []
    assert peak_of(lambda: message.append(refusal(load, tmp_path))) < 2 ** 23
    assert message[0].startswith(f"{path}: expected") and ("SHA256" in message[0] or "gzip" in message[0])


def test_the_last_training_images_validate_or_none_do_and_labels_go_up_to_9(tmp_path, monkeypatch):
    pixels = np.arange(8).astype(np.uint8).reshape(-1, 1, 1)
    contents = publish(monkeypatch, pixels, np.arange(8), pixels[:2], [9, 9])
    for validation in (5, 0):
        dataset = load(write(tmp_path, contents), validation=validation)
        assert dataset.train.labels[:, 0].tolist() == list(range(8 - validation))
        np.testing.assert_array_equal(dataset.val.images, pixels[8 - validation:, ..., None])
        assert dataset.val.labels.shape == (validation, 1) and dataset.test.labels.tolist() == [[9], [9]]
    assert "--validation: expected less than the 8 training images, received 8" in refusal(load, tmp_path, mnist, 8)
    message = refusal(mnist.load, settings(DATA_DIR=str(tmp_path), VALIDATION=5, SHIFT=1))
    assert "1x1" in message, "the shift is one of these images"


# ---- Fashion-MNIST ----

def test_fashion_mnist_is_known_by_its_gz_files(mirrors, contents, tmp_path):
    dataset = load(write(tmp_path / "files", contents, ".gz", packed), fashion_mnist)
    assert_small(dataset, "fashion_mnist")
    assert dataset.class_names[:2] == ("T-shirt/top", "Trouser") and len(dataset.class_names) == 10
    assert mirrors.asked == []
    assert_small(load(tmp_path / "new", fashion_mnist), "fashion_mnist")
    assert names(tmp_path / "new" / "fashion_mnist") == sorted(f"{name}.gz" for name in contents)

    # a raw file might be MNIST's file of the same name, and one packed otherwise is not the published one
    mirrors("missing")
    message = refusal(load, write(tmp_path / "raw", contents), fashion_mnist)
    assert "each as .gz" in message and "Fashion-MNIST" in message
    write(tmp_path / "raw", contents, ".gz", lambda content: gzip.compress(content, 1, mtime=1))
    path = tmp_path / "raw" / "train-images-idx3-ubyte.gz"
    message = refusal(load, tmp_path / "raw", fashion_mnist)
    for words in [str(path), "MD5", fashion_mnist.SOURCE.digests["train-images-idx3-ubyte"],
                  hashlib.md5(path.read_bytes()).hexdigest()]:
        assert words in message


# ---- download ----

def test_downloads_are_kept_and_the_next_call_completes_those_that_were_interrupted(
        mirrors, contents, tmp_path, monkeypatch, capfd):
    def interrupted(url, limit):
        if "t10k-images" in url:
            raise KeyboardInterrupt
        return fetch(url, limit)

    fetch = files.fetch
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "fetch", interrupted)
        load(tmp_path)
    assert names(tmp_path / "mnist") == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    for _ in range(2):
        assert_small(load(tmp_path))
    assert sorted(url.split("/")[-1] for url in mirrors.asked) == names(tmp_path / "mnist"), "each once"
    assert len(mirrors.asked) == 4 and "train-images-idx3-ubyte.gz: " in capfd.readouterr().err
    assert len(fetch(mirrors.addresses[0] + "train-images-idx3-ubyte.gz", limit=1_000)) == 1_000, "and no more"


@pytest.mark.parametrize("bad", ["missing", "short", "page", "other", "slow"])
def test_second_mirror_is_used(mirrors, contents, tmp_path, bad):
    mirrors(bad, "good")
    assert_small(load(tmp_path))
    assert names(tmp_path / "mnist") == sorted(f"{name}.gz" for name in contents)
    assert [url.split("/")[3] for url in mirrors.asked] == [bad, "good"] * 4


def test_no_mirror_left(mirrors, tmp_path):
    mirrors("missing", "short", "page", "other", "slow")
    message = refusal(load, tmp_path)
    place = str(tmp_path / "mnist")
    for words in [*mirrors.addresses, *mnist.SOURCE.digests, place, f"{files.TIMEOUT} s", "--dataset glyphs"]:
        assert words in message
    assert names(tmp_path / "mnist") == []


def test_a_proxy_that_is_no_address(tmp_path, monkeypatch):
    """As https_proxy=http:/proxy:3128, with one slash."""
    monkeypatch.setattr("urllib.request._opener", None)  # which would know the proxies of an earlier call
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http:/proxy:3128")
    change(monkeypatch, mnist, mirrors=("http://127.0.0.1:1/a/",))
    message = refusal(load, tmp_path)
    assert "proxy URL" in message and "--dataset glyphs" in message


def test_an_interrupted_write_leaves_nothing(mirrors, tmp_path, monkeypatch):
    def half(path, content):
        with open(path, "wb") as file:
            file.write(content[:len(content) // 2])
        raise error
    (tmp_path / "file").write_text("not a folder")
    message = refusal(load, tmp_path / "file")
    assert "--data_dir" in message and str(tmp_path / "file" / "mnist") in message
    monkeypatch.setattr(Path, "write_bytes", half)
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        with pytest.raises((InputError, KeyboardInterrupt)) as caught:
            load(tmp_path)
        assert names(tmp_path / "mnist") == []
        assert error is caught.value or "No space left on device" in str(caught.value)


# ---- the real files ----

@pytest.mark.skipif(not os.environ.get("CAPSNET_DATA_DIR"),
                    reason="CAPSNET_DATA_DIR names no folder with real MNIST")
def test_real_mnist(monkeypatch):
    change(monkeypatch, mnist, mirrors=())  # read what is there, download nothing
    dataset = load(os.environ["CAPSNET_DATA_DIR"], validation=5000)
    assert [len(split.labels) for split in (dataset.train, dataset.val, dataset.test)] == [55_000, 5_000, 10_000]
    recorded = Path(__file__).parents[2] / "checkpoints" / "mnist" / "config.json"
    assert dataset.digest == json.loads(recorded.read_text())["data"], "of the released run"
