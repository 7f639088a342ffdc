"""affNIST's own files: read as they are laid out; anything else is one line."""
import zipfile

import numpy as np
import pytest

from data.readers import mat
from untrusted import CANVASES, DIGITS, packed, refusal
from untrusted import mat as content


@pytest.mark.parametrize("kind", ["plain", "compressed", "zip", "zip of compressed"])
def test_images_and_labels_are_read(kind):
    file = content("compressed" in kind)
    if "zip" in kind:
        file = packed({"test.mat": file}, zipfile.ZIP_DEFLATED)
    images, labels, sources = mat.parse(file, "test.mat")
    np.testing.assert_array_equal(images[..., 0], CANVASES)
    np.testing.assert_array_equal(labels[:, 0], DIGITS)
    assert labels.dtype == np.int32 and sources is None


ZIP = packed({"a.mat": content()}, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize("file, words", [
    (b"", "undamaged"), (b"\x89HDF\r\n" + bytes(600), "undamaged"), (content(True)[:-900], "undamaged"),
    (ZIP[:len(ZIP) // 2] + b"~~" + ZIP[len(ZIP) // 2 + 2:], "undamaged"),
    (content(label_int=DIGITS[None] + 1.0), "labels from 0 to 9, received the label [10.]"),
    (content(label_int=DIGITS[None] + 0.5), "labels from 0 to 9"),
    (content(label_int=DIGITS[None, :7]), "label_int [1, N], N = 30 as of the images, received [1, 7]"),
    (content(image=CANVASES.reshape(30, 1600)), "image uint8 [1600, N], received uint8 [30, 1600]"),
    (content(image=CANVASES.reshape(30, 1600).T / 255), "image uint8 [1600, N], received float64"),
    (content(name="other"), "affNISTdata"), (content(image={"a": 1}), "image"),
    (packed({"a.txt": b""}), "an archive with one .mat file"),
    (packed({"a.mat": content(), "b.mat": content()}), "an archive with one .mat file"),
])
def test_anything_else_is_refused_in_one_line(file, words):
    message = refusal(mat.parse, file, "test.mat")
    assert message.startswith("test.mat: expected") and words in message
