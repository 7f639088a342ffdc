"""Damaged files are refused in one line and without the memory they claim; downloads are whole or not there; batches
can be made again. The files are small ones that the tests write; real MNIST is read where CAPSNET_DATA_DIR has it."""
import gzip
import hashlib
import http.server
import io
import itertools
import os
import struct
import sys
import threading
import tracemalloc
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

import data
import formats
from config import InputError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 20, 18), np.uint8)
LABELS = np.arange(40, dtype=np.int64) % 4


def idx(array: np.ndarray) -> bytes:
    array = np.asarray(array, np.uint8)
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def parse(content: bytes, ndim: int = 3, **options) -> np.ndarray:
    return data.parse_idx(io.BytesIO(content), "some-file", ndim, **options)


def refusal(call, *args, **options) -> str:
    """The one line with which the call is refused."""
    with pytest.raises(InputError) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def peak_of(call, *args) -> int:
    """The most bytes allocated at once during the call."""
    tracemalloc.start()
    try:
        call(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# ---- IDX ----

@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_is_read_raw_and_gzipped(pack):
    np.testing.assert_array_equal(parse(pack(idx(IMAGES))), IMAGES)
    np.testing.assert_array_equal(parse(pack(idx(LABELS)), ndim=1), LABELS)
    content = idx(IMAGES)
    parse(pack(content), digest=hashlib.sha256(content).hexdigest())


GOOD = idx(IMAGES)
HEAD = GOOD[:16]


@pytest.mark.parametrize("content, ndim, words", [
    (b"", 3, ["16 bytes", "0 bytes"]),
    (GOOD[:15], 3, ["16 bytes", "15 bytes"]),
    (GOOD[:-1], 3, ["14,400", "14,399", "truncated"]),
    (GOOD + b"\0", 3, ["14,400", "more"]),
    (idx(LABELS), 3, ["0x00000803", "0x00000801"]),
    (GOOD, 1, ["0x00000801", "0x00000803"]),
    (b"<!DOCTYPE html><html>", 3, ["0x00000803", "0x3c21444f"]),
    (struct.pack(">4I", 0x803, 2 ** 31, 28, 28), 3, ["2147483648, 28, 28"]),
    (struct.pack(">4I", 0x803, 2 ** 16, 2 ** 24, 2 ** 24), 3, ["65536, 16777216, 16777216"]),  # 2 ** 64 is not 0
    (struct.pack(">4I", 0x803, 0, 28, 28), 3, ["[0, 28, 28]"]),
    (idx([3, 10, 1]), 1, ["0 to 9", "received 10"]),
    (gzip.compress(GOOD)[:-9], 3, ["gzip", "end-of-stream"]),
    (gzip.compress(GOOD)[:-8] + b"12345678", 3, ["gzip", "CRC"]),
    (gzip.compress(GOOD)[:5000] + b"~" * 9 + gzip.compress(GOOD)[5009:], 3, ["gzip"]),
    (gzip.compress(GOOD) + b"tail", 3, ["gzip"]),
    (gzip.compress(GOOD) + gzip.compress(b"tail"), 3, ["14,400", "more"]),
    (b"\x1f\x8b", 3, ["gzip"]),
])
def test_damaged_idx_is_refused(content, ndim, words):
    message = refusal(parse, content, ndim)
    assert all(word in message for word in ["some-file", "expected", "received", *words]), message


def test_other_content_is_refused():
    digest, other = hashlib.sha256(GOOD).hexdigest(), bytes(GOOD[:-1]) + bytes([GOOD[-1] ^ 1])
    message = refusal(parse, other, digest=digest)
    assert digest in message and hashlib.sha256(other).hexdigest() in message


@pytest.mark.parametrize("content", [
    struct.pack(">4I", 0x803, 2 ** 31, 28, 28) + bytes(784),        # claims 1.6 TB
    struct.pack(">4I", 0x803, 80_000, 28, 28) + bytes(784),         # claims 60 MB, which MNIST might have
    gzip.compress(struct.pack(">4I", 0x803, 80_000, 28, 28) + bytes(784)),
    gzip.compress(struct.pack(">4I", 0x803, 1, 28, 28) + bytes(2 ** 26)),  # claims one image, expands to 64 MB
    gzip.compress(struct.pack(">4I", 0x803, 2 ** 20, 28, 28) + bytes(2 ** 26)),  # claims 822 MB
], ids=["claim", "modest claim", "gzipped claim", "bomb", "bomb that says so"])
def test_idx_gets_no_memory_for_claims(content):
    assert peak_of(refusal, parse, content) < 2 ** 20 + 2 * len(content)


# ---- MNIST: files and download ----

class Mirror(http.server.BaseHTTPRequestHandler):
    """/good/ serves the files; /short/ breaks off in the middle; /page/ serves some page, /other/ other images or
    labels; /slow/ takes 5 s to answer."""
    files: dict[str, bytes]
    asked: list[str]
    over: threading.Event

    def do_GET(self):
        self.asked.append(self.path)
        _, kind, name = self.path.split("/")
        if kind == "slow" and self.over.wait(5):
            return
        content = b"<html>Welcome, please log in</html>" if kind == "page" else self.files.get(name)
        if kind == "other":
            content = gzip.compress(gzip.decompress(content)[:-1] + b"\7")
        if kind == "missing" or content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:len(content) // 2] if kind == "short" else content)

    def log_message(self, *args):
        pass


@pytest.fixture
def mnist(monkeypatch):
    """The four files, small: 20 + 6 images; the last 5 of the 20 are for validation. -> {name: content}"""
    contents = dict(zip(data.DIGESTS, map(idx, (IMAGES[:20], LABELS[:20], IMAGES[20:26], LABELS[20:26])), strict=True))
    monkeypatch.setattr(data, "DIGESTS", {name: hashlib.sha256(content).hexdigest()
                                          for name, content in contents.items()})
    monkeypatch.setattr(data, "VALIDATION", 5)
    monkeypatch.setattr(data, "MIRRORS", [])
    return contents


@pytest.fixture
def mirrors(mnist, monkeypatch):
    """-> use(*kinds): the mirrors to try; use.asked: the paths asked for so far"""
    monkeypatch.setenv("no_proxy", "*")
    handler = type("Handler", (Mirror,), {"files": {f"{name}.gz": gzip.compress(content)
                                                    for name, content in mnist.items()},
                                           "asked": [], "over": threading.Event()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def use(*kinds):
        monkeypatch.setattr(data, "MIRRORS", [f"http://127.0.0.1:{server.server_port}/{kind}/" for kind in kinds])
    use.asked = handler.asked
    use("good")
    yield use
    handler.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def assert_small_mnist(dataset: data.Dataset):
    assert (dataset.name, dataset.classes, dataset.image_shape) == ("mnist", 10, (20, 18, 1))
    for split, part in zip(dataset[1:4], (slice(15), slice(15, 20), slice(20, 26)), strict=True):
        np.testing.assert_array_equal(split.images[..., 0], IMAGES[part])
        np.testing.assert_array_equal(split.labels, LABELS[part])
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("ending, pack", [("", bytes), (".gz", gzip.compress), (".gz", bytes), ("", gzip.compress)])
def test_mnist_from_files(mnist, tmp_path, ending, pack):
    for name, content in mnist.items():
        (tmp_path / (name + ending)).write_bytes(pack(content))
    assert_small_mnist(data.load("mnist", tmp_path, seed=0))


def test_a_wrong_file_is_named_and_left_alone(mirrors, mnist, tmp_path):
    data.load("mnist", tmp_path, seed=0)
    asked, path = len(mirrors.asked), tmp_path / "t10k-labels-idx1-ubyte.gz"
    wrong = gzip.compress(idx((LABELS[20:26] + 1) % 10))
    path.write_bytes(wrong)
    message = refusal(data.load, "mnist", tmp_path, seed=0)
    assert str(path) in message and mnist and data.DIGESTS["t10k-labels-idx1-ubyte"] in message
    assert "delete the file to have it downloaded again" in message
    assert path.read_bytes() == wrong and len(mirrors.asked) == asked
    path.unlink()
    path.mkdir()
    assert str(path) in refusal(data.load, "mnist", tmp_path, seed=0)


def test_download_is_kept(mirrors, mnist, tmp_path, capfd):
    assert_small_mnist(data.load("mnist", tmp_path / "new" / "folder", seed=0))
    assert names(tmp_path / "new" / "folder") == sorted(f"{name}.gz" for name in mnist)
    assert "train-images-idx3-ubyte.gz: 100%" in capfd.readouterr().err
    asked = len(mirrors.asked)
    assert_small_mnist(data.load("mnist", tmp_path / "new" / "folder", seed=0))
    assert len(mirrors.asked) == asked == 4


@pytest.mark.parametrize("bad", ["missing", "short", "page", "other", "slow"])
def test_second_mirror_is_used(mirrors, mnist, tmp_path, monkeypatch, bad):
    monkeypatch.setattr(data, "TIMEOUT", 0.2)
    mirrors(bad, "good")
    assert_small_mnist(data.load("mnist", tmp_path, seed=0))
    assert names(tmp_path) == sorted(f"{name}.gz" for name in mnist)
    assert [path.split("/")[1] for path in mirrors.asked] == [bad, "good"] * 4


@pytest.mark.parametrize("bad", ["missing", "short", "page", "other"])
def test_no_mirror_left(mirrors, tmp_path, bad):
    mirrors(bad, "short")
    message = refusal(data.load, "mnist", tmp_path, seed=0)
    for words in [*data.MIRRORS, *data.DIGESTS, str(tmp_path), "--dataset glyphs"]:
        assert words in message
    assert names(tmp_path) == []


def test_no_network(mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(data, "MIRRORS", ["http://127.0.0.1:1/a/", "http://127.0.0.1:1/b/"])  # nothing listens there
    message = refusal(data.load, "mnist", tmp_path, seed=0)
    assert all(f"{mirror}train-images-idx3-ubyte.gz" in message for mirror in data.MIRRORS)
    assert "--dataset glyphs" in message


def test_the_next_call_completes_a_failed_download(mirrors, mnist, tmp_path, monkeypatch):
    fetch = data.fetch

    def interrupted(url):
        if "t10k-images" in url:
            raise KeyboardInterrupt
        return fetch(url)
    monkeypatch.setattr(data, "fetch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        data.load("mnist", tmp_path, seed=0)
    assert names(tmp_path) == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    monkeypatch.setattr(data, "fetch", fetch)
    assert_small_mnist(data.load("mnist", tmp_path, seed=0))
    assert [path.split("/")[2] for path in mirrors.asked] == [f"{name}.gz" for name in mnist]  # each one once


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_interrupted_write_leaves_nothing(mirrors, tmp_path, monkeypatch, error):
    def half(path, content):
        with open(path, "wb") as file:
            file.write(content[:len(content) // 2])
        raise error
    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        data.load("mnist", tmp_path, seed=0)
    assert names(tmp_path) == []
    if isinstance(error, OSError):
        assert "No space left on device" in str(caught.value) and str(tmp_path) in str(caught.value)


def test_folder_that_cannot_be_written(mirrors, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    message = refusal(data.load, "mnist", tmp_path / "file" / "mnist", seed=0)
    assert "--data_dir" in message and str(tmp_path / "file" / "mnist") in message


@pytest.mark.skipif(not os.environ.get("CAPSNET_DATA_DIR"), reason="CAPSNET_DATA_DIR names no folder with real MNIST")
def test_real_mnist(monkeypatch):
    monkeypatch.setattr(data, "MIRRORS", [])  # read what is there, download nothing
    dataset = data.load("mnist", os.environ["CAPSNET_DATA_DIR"], seed=0)
    assert [len(split.labels) for split in dataset[1:4]] == [55_000, 5_000, 10_000]
    assert [split.images.shape for split in dataset[1:4]] == [(n, 28, 28, 1) for n in (55_000, 5_000, 10_000)]
    assert dataset.image_shape == (28, 28, 1) and dataset.classes == 10
    assert dataset.train.labels[:5].tolist() == [5, 0, 4, 1, 9] and dataset.test.labels[:4].tolist() == [7, 2, 1, 0]
    assert abs(dataset.train.images.mean() / 255 - 0.1307) < 0.001  # the mean that everybody knows


# ---- glyphs ----

def test_glyphs_are_drawn_once_and_a_bad_cache_is_made_again(tmp_path, monkeypatch):
    source, drawn = tmp_path / "glyphs.py", []

    def make(seed=0):
        drawn.append(seed)
        rng = np.random.default_rng(seed)
        return {f"{kind}_{part}": rng.integers(0, 256, (20, 28, 28), np.uint8) if kind == "x" else np.arange(20) % 10
                for part in data.PARTS for kind in "xy"}
    source.write_text("version 1")
    monkeypatch.setitem(sys.modules, "glyphs", types.SimpleNamespace(__file__=str(source), make=make))
    monkeypatch.setattr(data, "ROOT", tmp_path / "repository")

    def load(seed=3):
        dataset = data.load("glyphs", "unused", seed)
        assert dataset.name == "glyphs" and dataset.classes == 10 and dataset.image_shape == (28, 28, 1)
        np.testing.assert_array_equal(dataset.test.images[..., 0], make(seed)["x_test"])
        drawn.pop()
        return drawn.copy()
    assert load() == [3]
    assert load() == [3], "the second time from the cache"
    assert load(seed=4) == [3, 4]
    for cache in (tmp_path / "repository" / "data" / "glyphs").iterdir():
        cache.write_bytes(cache.read_bytes()[:-100])
    assert load() == [3, 4, 3], "damaged"
    assert load() == [3, 4, 3]
    source.write_text("version 2")
    assert load() == [3, 4, 3, 3], "drawn by other code"
    monkeypatch.setattr(data, "ROOT", source)  # not a folder: no cache can be written
    assert load() == [3, 4, 3, 3, 3]


# ---- the user's own images ----

def npz(folder: Path, save=np.savez, **arrays) -> str:
    path = folder / "digits.npz"
    save(path, **arrays)
    return str(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_own_images_are_split_by_seed(tmp_path, save):
    images = np.zeros((40, 17, 30, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(40)  # who is who
    path = npz(tmp_path, save, x_train=images, y_train=LABELS.astype(">i2"))
    dataset, again, other = (data.load(path, "unused", seed) for seed in (5, 5, 6))
    assert (dataset.name, dataset.classes, dataset.image_shape) == ("digits", 4, (17, 30, 3))
    who = [split.images[:, 0, 0, 0] for split in dataset[1:4]]
    assert [len(part) for part in who] == [32, 4, 4] and sorted(np.concatenate(who)) == list(range(40))
    for split, same, part in zip(dataset[1:4], again[1:4], who, strict=True):
        np.testing.assert_array_equal(split.labels, LABELS[part])
        np.testing.assert_array_equal(split.images, same.images)
        assert split.labels.dtype == np.int32
    assert not np.array_equal(who[0], other.train.images[:, 0, 0, 0])


def test_own_validation_and_test_are_used(tmp_path):
    arrays = {"x_train": IMAGES[:30], "y_train": LABELS[:30], "x_test": IMAGES[30:33], "y_test": LABELS[30:33] + 3}
    dataset = data.load(npz(tmp_path, **arrays), "unused", 0)
    assert dataset.image_shape == (20, 18, 1) and dataset.classes == 7  # the largest label is in the test split
    assert [len(split.labels) for split in dataset[1:4]] == [27, 3, 3]
    np.testing.assert_array_equal(dataset.test.images[..., 0], IMAGES[30:33])
    dataset = data.load(npz(tmp_path, **arrays, x_val=IMAGES[33:34], y_val=LABELS[33:34]), "unused", 0)
    np.testing.assert_array_equal(dataset.train.images[..., 0], IMAGES[:30])  # nothing to split off: as it is
    np.testing.assert_array_equal(dataset.val.labels, LABELS[33:34])
    column_major = {**arrays, "x_train": np.asfortranarray(IMAGES[:30])}
    dataset = data.load(npz(tmp_path, **column_major, x_val=IMAGES[33:34], y_val=LABELS[33:34]), "unused", 0)
    np.testing.assert_array_equal(dataset.train.images[..., 0], IMAGES[:30])


REFUSED = {
    "floats": ({"x_train": IMAGES / 255}, ["x_train", "uint8", "float64"]),
    "NaN": ({"x_train": np.full(IMAGES.shape, np.nan, np.float32)}, ["x_train", "uint8", "float32"]),
    "two axes": ({"x_train": IMAGES[0]}, ["x_train", "[N, H, W]", "[20, 18]"]),
    "no channel": ({"x_train": IMAGES[..., :0, None].swapaxes(2, 3)}, ["x_train", "20x"]),
    "lengths": ({"y_train": LABELS[:39]}, ["x_train", "y_train", "40 and 39"]),
    "empty": ({"x_train": IMAGES[:0], "y_train": LABELS[:0]}, ["0 and 0"]),
    "one class": ({"y_train": np.full(40, 2)}, ["two classes", "only the label 2"]),
    "negative label": ({"y_train": LABELS - 1}, ["y_train", "-1 to 2"]),
    "huge label": ({"y_train": np.where(LABELS == 3, 2 ** 40, LABELS)}, ["y_train", str(2 ** 40)]),
    "largest uint64": ({"y_train": np.full(40, 2 ** 64 - 1, np.uint64)}, ["y_train", str(2 ** 64 - 1)]),
    "more classes than examples": ({"y_train": LABELS + 40}, ["number of examples, 40", "43"]),
    "float labels": ({"y_train": LABELS / 1}, ["y_train", "integers", "float64"]),
    "one-hot labels": ({"y_train": np.eye(4, dtype=int)[LABELS]}, ["y_train", "integers [N]", "[40, 4]"]),
    "too low": ({"x_train": IMAGES[:, :16]}, ["17x17", "16x18"]),
    "too narrow": ({"x_train": IMAGES[:, :, :16]}, ["17x17", "20x16"]),
    "no labels": ({"y_train": None}, ["both x_train and y_train", "only x_train"]),
    "no training images": ({"x_train": None, "y_train": None, "x_val": IMAGES, "y_val": LABELS}, ["x_train"]),
    "x_val alone": ({"x_val": IMAGES}, ["both x_val and y_val"]),
    "y_test alone": ({"y_test": LABELS}, ["both x_test and y_test"]),
    "other size": ({"x_val": IMAGES[:, :19], "y_val": LABELS}, ["x_val", "(20, 18, 1)", "(19, 18, 1)"]),
    "other channels": ({"x_test": IMAGES[..., None].repeat(3, 3), "y_test": LABELS}, ["x_test", "(20, 18, 3)"]),
    "too few": ({"x_train": IMAGES[:9], "y_train": LABELS[:9]}, ["10 examples", "received 9"]),
    "misspelt": ({"x_valid": IMAGES}, ["no arrays but x_train", "x_valid"]),
    "odd name": ({"x\n": IMAGES}, ["no arrays but x_train"]),
    "objects": ({"y_train": np.array([*LABELS[:39], None])}, ["y_train", "pickled", "never loaded"]),
}


@pytest.mark.parametrize("changes, words", REFUSED.values(), ids=REFUSED)
def test_own_images_are_refused(tmp_path, changes, words):
    arrays = {"x_train": IMAGES, "y_train": LABELS, **changes}
    path = npz(tmp_path, **{name: array for name, array in arrays.items() if array is not None})
    message = refusal(data.load, path, "unused", 0)
    assert all(word in message for word in [path, "expected", "received", *words]), message


def packed(members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def npy(array: np.ndarray, shape: tuple | None = None) -> bytes:
    """The array as .npy, its header claiming `shape` instead."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": array.dtype.str, "fortran_order": False,
                                                "shape": shape or array.shape})
    return file.getvalue() + array.tobytes()


Y = npy(LABELS)
NOT_NPZ = {
    "nothing": (None, ["no such file"]),
    "text": (b"not a zip", ["not a zip"]),
    "empty": (b"", ["undamaged"]),
    "npy": (npy(IMAGES), ["not a zip"]),
    "archive of nothing": (packed({}), ["x_train", "empty archive"]),
    "truncated": (packed({"x_train.npy": npy(IMAGES), "y_train.npy": Y})[:-60], ["undamaged"]),
    "text inside": (packed({"x_train.npy": b"hello", "y_train.npy": Y}), ["undamaged"]),
    "flipped": (packed({"x_train.npy": npy(IMAGES), "y_train.npy": Y}).replace(IMAGES[5].tobytes(), bytes(360)),
                ["CRC"]),
    "too many images claimed": (packed({"x_train.npy": npy(IMAGES, (2 ** 31, 20, 18)), "y_train.npy": Y}),
                                ["x_train", f"{2 ** 31 * 360:,}", "14,400"]),
    "too few images claimed": (packed({"x_train.npy": npy(IMAGES, (39, 20, 18)), "y_train.npy": Y}),
                               ["x_train", "14,040", "14,400"]),
    "negative": (packed({"x_train.npy": npy(IMAGES, (-40, -20, 18)), "y_train.npy": Y}), ["undamaged"]),
    "bomb": (packed({"x_train.npy": npy(np.zeros((2 ** 14, 64, 64), np.uint8)), "y_train.npy": Y},
                    zipfile.ZIP_DEFLATED), ["100 times", "67,"]),
    "lzma": (packed({"x_train.npy": npy(IMAGES), "y_train.npy": Y}, zipfile.ZIP_LZMA), ["x_train", "np.savez"]),
}


@pytest.mark.parametrize("content, words", NOT_NPZ.values(), ids=NOT_NPZ)
def test_what_is_not_an_npz_is_refused(tmp_path, content, words):
    path = tmp_path / "digits.npz"
    if content is not None:
        path.write_bytes(content)
    message = refusal(data.load, str(path), "unused", 0)
    assert all(word in message for word in [str(path), "expected", "received", *words]), message
    if content is not None:
        assert peak_of(refusal, data.load, str(path), "unused", 0) < 2 ** 20 + 2 * len(content)


def test_an_npz_beyond_the_memory_is_not_called_damaged(tmp_path, monkeypatch):
    def beyond(*_):
        raise MemoryError

    monkeypatch.setattr(formats, "parse_npy", beyond)
    with pytest.raises(MemoryError):
        data.load(npz(tmp_path, x_train=IMAGES, y_train=LABELS), "unused", 0)


def test_a_folder_is_not_an_npz(tmp_path):
    assert "something else" in refusal(data.load, str(tmp_path), "unused", 0)


def test_a_member_is_inflated_no_further_than_it_says(tmp_path):
    """The archive's directory says 1,000 bytes, the compressed data holds 64 MB."""
    content = packed({"x_train.npy": bytes(2 ** 26), "y_train.npy": Y}, zipfile.ZIP_DEFLATED)
    (tmp_path / "bomb.npz").write_bytes(content.replace(struct.pack("<I", 2 ** 26), struct.pack("<I", 1000)))
    assert peak_of(refusal, data.load, str(tmp_path / "bomb.npz"), "unused", 0) < 2 ** 20


# ---- fuzz ----

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


def mutations(kind: str, rng: np.random.Generator):
    """Endless: a mutation of a valid file, raw, inside its compression, or of the compressed or archived whole."""
    members = {"x_train.npy": npy(IMAGES), "y_train.npy": Y}
    while True:
        if kind == "idx":
            yield mutate(GOOD, rng, head=16)
        elif kind == "gz":
            yield mutate(gzip.compress(GOOD), rng, head=16)
        elif kind == "idx in gz":
            yield gzip.compress(mutate(GOOD, rng, head=16), 1)
        elif kind == "npz":
            content = packed(members, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED][rng.integers(2)])
            if rng.integers(2):  # at the end, where the directory of the archive is
                yield content[:-200] + mutate(content[-200:], rng, head=200)
            else:
                yield mutate(content, rng)
        else:
            name = list(members)[rng.integers(2)]
            yield packed({**members, name: mutate(members[name], rng, head=128)})


@pytest.mark.filterwarnings("ignore")  # NumPy's about odd headers
@pytest.mark.parametrize("kind", ["idx", "gz", "idx in gz", "npz", "npy in npz"])
def test_no_mutation_gives_anything_but_data_or_a_refusal(tmp_path, kind):
    """5 times 400 mutations: InputError, or a result that is right in shape and type, and no memory beyond it."""
    path, outcomes = tmp_path / "fuzz.npz", []
    for content in itertools.islice(mutations(kind, np.random.default_rng(1)), 400):
        tracemalloc.start()
        try:
            if "npz" in kind:
                path.write_bytes(content)
                dataset = data.load(str(path), "unused", 0)
                for images, labels in dataset[1:4]:
                    assert images.dtype == np.uint8 and images.shape[1:] == dataset.image_shape
                    assert len(dataset.image_shape) == 3 and min(dataset.image_shape[:2]) >= data.MIN_SIDE
                    assert labels.shape == images.shape[:1] and labels.dtype == np.int32
                    assert labels.min() >= 0 and labels.max() < dataset.classes <= 40
                assert sum(split.images.size for split in dataset[1:4]) == IMAGES.size
            else:
                array = parse(content)
                assert array.dtype == np.uint8 and array.ndim == 3 and array.size == IMAGES.size
            outcomes.append("data")
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
            outcomes.append("refusal")
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 4 * len(GOOD) + 2 ** 18  # what 40 images need; the rest is Python's own
    assert outcomes.count("refusal") > 200 and "data" in outcomes


# ---- batches ----

def split_of(n: int, height: int = 9, width: int = 8, channels: int = 2) -> data.Split:
    """Images without a zero pixel; an example's label is its place."""
    images = np.random.default_rng(2).integers(1, 256, (n, height, width, channels), np.uint8)
    return data.Split(images, np.arange(n, dtype=np.int32))


def test_scale():
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(data.scale(values), [np.float32(v) / np.float32(255) for v in range(256)])
    assert data.scale(values).dtype == np.float32


def test_any_batch_can_be_made_again_in_any_order():
    split = split_of(23)
    straight = [data.batch(split, 7, step, 10, 2) for step in range(30)]
    data._order.cache_clear()
    for step in np.random.default_rng(0).permutation(30):
        images, labels = data.batch(split, 7, step, 10, 2)
        np.testing.assert_array_equal(images, straight[step][0])
        np.testing.assert_array_equal(labels, straight[step][1])
        assert images.dtype == np.float32 and labels.dtype == np.int32 and images.shape == (10, 9, 8, 2)
    assert not np.array_equal(data.batch(split, 8, 0, 10, 2)[1], straight[0][1])


@pytest.mark.parametrize("n, batch_size", [(23, 10), (20, 10), (7, 20), (1, 3), (23, 23)])
def test_every_example_once_per_epoch(n, batch_size):
    """Also where batches straddle epochs, and where one batch holds several."""
    split = split_of(n)
    stream = np.concatenate([data.batch(split, 0, step, batch_size, 0)[1] for step in range(5 * n // batch_size + 1)])
    epochs = [stream[start:start + n] for start in range(0, len(stream) - n + 1, n)]
    assert len(epochs) >= 5 and all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert n == 1 or len({tuple(epoch) for epoch in epochs}) > 1, "each epoch in another order"


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Pixel by pixel. uint8 [H, W, C] -> float32 [H, W, C]"""
    height, width, _ = image.shape
    result = np.zeros(image.shape, np.float32)
    for y, x in itertools.product(range(height), range(width)):
        if 0 <= y - down < height and 0 <= x - right < width:
            result[y, x] = image[y - down, x - right].astype(np.float32) / np.float32(255)
    return result


def test_shift_moves_and_never_wraps():
    """Every image is its original moved by one of the 25 offsets, all of which occur about as often."""
    split, counts = split_of(10), dict.fromkeys(itertools.product(range(-2, 3), repeat=2), 0)
    candidates = {(label, *offset): moved(split.images[label], *offset) for label in range(10) for offset in counts}
    for step in range(20):
        for image, label in zip(*data.batch(split, 0, step, 50, 2), strict=True):
            found = [offset for offset in counts if np.array_equal(image, candidates[(label, *offset)])]
            assert len(found) == 1
            counts[found[0]] += 1
    assert sum(counts.values()) == 1000
    assert min(counts.values()) > 18 and max(counts.values()) < 70, counts  # 40 expected, standard deviation 6.2


def test_shift_0_changes_nothing_and_data_stay_as_they_are():
    split = split_of(12)
    before = split.images.copy()
    images, labels = data.batch(split, 0, 3, 8, 0)
    np.testing.assert_array_equal(images, data.scale(split.images[labels]))
    images[:] = 0
    data.batch(split, 0, 3, 8, 2)[0][:] = 0
    np.testing.assert_array_equal(split.images, before)
    np.testing.assert_array_equal(data.batch(split, 0, 3, 8, 2)[1], labels)  # the shift does not change the order


def test_shift_out_of_the_image_is_refused():
    assert "9x8" in refusal(data.batch, split_of(4), 0, 0, 2, 8)


@pytest.mark.parametrize("n, batch_size, sizes", [(12, 5, [5, 5, 2]), (10, 5, [5, 5]), (3, 100, [3])])
def test_batches_are_the_split_as_it_is(n, batch_size, sizes):
    split = split_of(n)
    images, labels = zip(*data.batches(split, batch_size), strict=True)
    assert [len(part) for part in labels] == sizes
    np.testing.assert_array_equal(np.concatenate(images), data.scale(split.images))
    np.testing.assert_array_equal(np.concatenate(labels), split.labels)
    assert images[0].dtype == np.float32 and labels[0].dtype == np.int32
