"""affNIST's own files: read as they are laid out, and nothing else is believed."""
import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from data.readers import mat
from settings import InputError
from untrusted import CANVASES, DIGITS, mutate, packed, refusal
from untrusted import mat as content


def read(tmp_path, content: bytes, name="test.mat"):
    (tmp_path / name).write_bytes(content)
    return mat.read(tmp_path / name)


@pytest.mark.parametrize("kind", ["plain", "compressed", "zip", "zip of compressed"])
def test_images_and_labels_are_read(tmp_path, kind):
    file = content("compressed" in kind)
    if "zip" in kind:
        file = packed({"test.mat": file}, zipfile.ZIP_DEFLATED)
    images, labels, sources = read(tmp_path, file)
    np.testing.assert_array_equal(images[..., 0], CANVASES)
    np.testing.assert_array_equal(labels[:, 0], DIGITS)
    assert labels.dtype == np.int32 and sources is None


@pytest.mark.parametrize("file, words", [
    (b"", "version 5"), (b"\x89HDF\r\n" + bytes(600), "version 5"), (content()[:-900], "truncated"),
    (content(True)[:-900], "truncated"), (content() + b"abc", "truncated"),
    (content(label_int=DIGITS[None] + 1.0), "labels from 0 to 9, received the label [10.]"),
    (content(label_int=DIGITS[None] + 0.5), "labels from 0 to 9"),
    (content(label_int=DIGITS[None, :7]), "label_int [1, N], N = 30 as of the images, received [1, 7]"),
    (content(label_int="abc"), "label_int of real numbers"),
    (content(image=CANVASES.reshape(30, 1600)), "image uint8 [1600, N], received uint8 [30, 1600]"),
    (content(image=CANVASES.reshape(30, 1600).T / 255), "image uint8 [1600, N], received float64"),
    (content(label_int=DIGITS[None] * 1j), "label_int of real numbers"),
    (content(name="other"), "affNISTdata, received"),
    (content(image={"a": 1}), "image"), (packed({"a.txt": b""}), "an archive with one .mat file"),
    (packed({"a.mat": content(), "b.mat": content()}), "an archive with one .mat file"),
])
def test_anything_else_is_refused_in_one_line(tmp_path, file, words):
    (tmp_path / "test.mat").write_bytes(file)
    message = refusal(mat.read, tmp_path / "test.mat")
    assert message.startswith(str(tmp_path / "test.mat")) and words in message


def element(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body)) + body


def test_claims_get_no_memory(tmp_path, monkeypatch):
    """Of an element, of a matrix, of what is compressed and of an archive."""
    plain = content()
    place = plain.index(struct.pack("<ii", 1600, 30))
    claims = {"an element": plain[:132] + struct.pack("<I", 2 ** 31) + plain[136:],
              "a matrix": plain[:place] + struct.pack("<ii", 2 ** 30, 30) + plain[place + 8:],
              "a size": plain[:place] + struct.pack("<ii", -1600, 30) + plain[place + 8:],
              "a bomb": plain[:128] + element(mat.COMPRESSED, zlib.compress(bytes(2 ** 23)))}
    monkeypatch.setattr(mat, "MAX_BYTES", 2 ** 22)
    claims["an archive"] = packed({"a.mat": bytes(2 ** 23)}, zipfile.ZIP_DEFLATED)
    for what, file in claims.items():
        (tmp_path / "test.mat").write_bytes(file)
        tracemalloc.start()
        message = refusal(mat.read, tmp_path / "test.mat")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 ** 24, what
        assert "expected" in message and "received" in message, what


def test_the_structure_has_to_be_one_with_both_fields(tmp_path):
    file = io.BytesIO()
    savemat(file, {"affNISTdata": {"image": CANVASES.reshape(30, 1600).T}})
    assert "affNISTdata with a matrix label_int" in refusal(read, tmp_path, file.getvalue())
    file = io.BytesIO()
    savemat(file, {"affNISTdata": np.zeros((3, 3))})
    assert "affNISTdata a structure [1, 1]" in refusal(read, tmp_path, file.getvalue())


@pytest.mark.parametrize("compress", [False, True])
def test_no_mutation_gives_anything_but_data_or_a_refusal(tmp_path, compress):
    rng, path, outcomes, valid = np.random.default_rng(1), tmp_path / "test.mat", [], content(compress)
    for _ in range(500):
        path.write_bytes(mutate(valid, rng, head=500))
        tracemalloc.start()
        try:
            images, labels, _ = mat.read(path)
            assert images.dtype == np.uint8 and images.shape == (len(labels), 40, 40, 1)
            assert labels.min() >= 0 and labels.max() <= 9 and labels.shape[1:] == (1,)
            outcomes.append("data")
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
            outcomes.append("refusal")
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 12 * CANVASES.size + 2 ** 20
    assert outcomes.count("refusal") > 200 and "data" in outcomes
