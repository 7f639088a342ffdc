"""One image file: every kind of pixel and shape becomes the wanted array, or one short reason."""
import io
import os
import warnings
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from data.readers.image_file import is_blank, is_hidden, read, read_whole, upright
from untrusted import mutate, outcomes, refusal

GREY = np.random.default_rng(3).integers(0, 256, (28, 28), np.uint8)
COLOURS = np.random.default_rng(4).integers(0, 256, (28, 28, 3), np.uint8)


def save(folder: Path, image, name: str = "image.png", **options) -> Path:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(folder / name, **options)
    return folder / name


# ---- pixels ----

@pytest.mark.parametrize("name, kind", [
    ("a.png", None), ("a.bmp", None), ("A.PNG", None), ("a.tif", None), ("a.tiff", None), ("a.webp", None),
    ("photo.jpg", "PNG")])
def test_an_image_of_the_right_size_is_taken_bit_for_bit_whatever_its_name(tmp_path, name, kind):
    options = {"lossless": True, "format": kind}
    np.testing.assert_array_equal(read(save(tmp_path, GREY, name, **options), 28, False)[..., 0], GREY)
    np.testing.assert_array_equal(read(save(tmp_path, COLOURS, name, **options), 28, True), COLOURS)


def test_a_jpeg_is_read_also_large_and_in_cmyk(tmp_path):
    rows, columns = np.indices((600, 400))
    smooth = (rows / 4 + columns / 8).astype(np.uint8)
    for size in (slice(0, 28), slice(0, 600)):
        png = read(save(tmp_path, smooth[size, size], "a.png"), 20, False)
        jpeg = read(save(tmp_path, smooth[size, size], "a.jpeg", quality=95), 20, False)
        assert np.abs(png.astype(int) - jpeg).max() < 6
    image = Image.new("RGB", (28, 28), "red").convert("CMYK")
    red, green, blue = read(save(tmp_path, image, "a.jpg"), 28, True)[14, 14]
    assert red > 200 and green < 60 and blue < 60


def test_grey_and_colour_become_each_other(tmp_path):
    grey = read(save(tmp_path, GREY), 28, True)
    np.testing.assert_array_equal(grey, GREY[..., None].repeat(3, 2))
    image = read(save(tmp_path, COLOURS), 28, False)
    luminance = COLOURS @ [0.299, 0.587, 0.114]  # ITU-R 601
    assert image.shape == (28, 28, 1) and np.abs(image[..., 0] - luminance).max() <= 1


@pytest.mark.parametrize("mode", ["1", "P", "L", "LA", "RGB", "RGBA"])
def test_every_kind_of_png_is_read(tmp_path, mode):
    black_and_white = Image.fromarray(np.where(GREY > 127, 255, 0).astype(np.uint8))
    image = read(save(tmp_path, black_and_white.convert(mode)), 28, False)
    np.testing.assert_array_equal(image[..., 0], np.asarray(black_and_white))


def test_sixteen_bits_count_and_thirty_two_are_refused(tmp_path):
    for name in ("a.png", "a.tif"):
        path = save(tmp_path, GREY.astype(np.uint16) * 257, name)
        for colour in (False, True):
            np.testing.assert_array_equal(read(path, 28, colour)[..., 0], GREY)
    for deep in (GREY.astype(np.int32) * 2 ** 20, GREY.astype(np.float32) / 255):
        assert "expected 8 or 16 bits" in refusal(read, save(tmp_path, deep, "b.tif"), 28, False)


def ink(mode: str, shade: int) -> tuple[Image.Image, dict]:
    """A bar of opaque ink on a transparent page, faint at its end, and what to save it with."""
    alpha = np.zeros((28, 28), np.uint8)
    alpha[4:20, 8:12] = 255
    alpha[20:24, 8:12] = 128
    if mode == "I;16":  # one shade is transparent
        return Image.fromarray(np.where(alpha > 0, shade * 257, 0x4242).astype(np.uint16)), {"transparency": 0x4242}
    if mode == "P":
        picture = Image.fromarray(np.digitize(alpha, (1, 200)).astype(np.uint8)).convert("P")
        picture.putpalette([shade] * 9)
        return picture, {"transparency": bytes([0, 128, 255])}
    picture = Image.new(mode[:-1], (28, 28), (shade,) * 3 if mode == "RGBA" else shade)
    picture.putalpha(Image.fromarray(alpha))
    return picture, {}


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16"])
def test_alpha_lies_over_white_paper_for_training_and_for_predict(tmp_path, mode, colour):
    """Dark ink on white; white ink, which would be lost, on black."""
    for shade, paper in ((0, 255), (60, 255), (255, 0)):
        picture, options = ink(mode, shade)
        path = save(tmp_path, picture, **options)
        image = read(path, 28, colour)
        assert (image[4:20, 8:12] == shade).all() and (image[:, :8] == paper).all() and (image[24:] == paper).all()
        if mode != "I;16":
            assert np.abs(image[20:24, 8:12].astype(int) - (shade + paper) / 2).max() <= 1
        np.testing.assert_array_equal(read_whole(path, 28, False), read(path, 28, False)[..., 0])


def test_a_single_shade_is_blank_and_hidden_files_are_known_by_their_names(tmp_path):
    for mode in ("L", "RGB", "RGBA"):
        picture = upright(save(tmp_path, Image.new(mode, (20, 30), "red" if mode == "RGB" else 0)), True, 20)
        assert is_blank(np.asarray(picture))
    assert not is_blank(GREY) and not is_blank(COLOURS)
    for name in (".a.png", "._a.jpg", "Thumbs.db", "desktop.ini", "__MACOSX"):
        assert is_hidden(name)
    assert not is_hidden("a.png") and not is_hidden("thumbs.png")


# ---- shape ----

@pytest.mark.parametrize("height, width, rows, columns", [
    (40, 20, slice(0, 20), slice(5, 15)),
    (20, 40, slice(5, 15), slice(0, 20)),
    (10, 10, slice(0, 20), slice(0, 20)),   # enlarged
    (40, 22, slice(0, 20), slice(4, 15)),   # 11 columns: the spare one is on the right
    (400, 2, slice(0, 20), slice(9, 10)),   # at least one pixel
])
def test_the_whole_image_fits_centred_on_black(tmp_path, height, width, rows, columns):
    path = save(tmp_path, np.full((height, width), 200, np.uint8))
    wanted = np.zeros((20, 20), np.uint8)
    wanted[rows, columns] = 200
    np.testing.assert_array_equal(read(path, 20, False)[..., 0], wanted)


def test_shrinking_averages(tmp_path):
    """A checkerboard of single pixels becomes grey, not black or white."""
    board = np.indices((200, 200)).sum(0) % 2 * 255
    image = read(save(tmp_path, board.astype(np.uint8)), 20, False)
    assert image.min() > 110 and image.max() < 145


def test_a_photo_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees clockwise
    scene = np.zeros((20, 20), np.uint8)
    scene[:8] = 255   # bright above, which is to be on the right
    image = read(save(tmp_path, scene, "a.jpg", exif=exif), 20, False)[..., 0]
    assert image[:, 14:].min() > 200 and image[:, :10].max() < 50


# ---- files that are no images ----

def damaged(folder: Path, content: bytes) -> Path:
    (folder / "damaged.png").write_bytes(content)
    return folder / "damaged.png"


def png(array: np.ndarray = GREY, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("content, words", [
    (b"", "not a PNG, JPEG, BMP, TIFF or WebP image"),
    (b"daisy,1,2\n", "not a PNG, JPEG, BMP, TIFF or WebP image"),
    (png(kind="GIF"), "not a PNG, JPEG, BMP, TIFF or WebP image"),
    (png()[:-100], "truncated"),
    (png(kind="JPEG")[:-200], "truncated"),
    (png(kind="BMP")[:-200], "truncated"),
])
def test_a_file_that_is_no_image_is_refused_with_a_reason(tmp_path, content, words):
    message = refusal(read, damaged(tmp_path, content), 28, False)
    assert words in message and str(tmp_path) not in message and len(message) <= 100


def test_a_file_that_cannot_be_opened_is_refused_with_a_reason(tmp_path):
    assert refusal(read, tmp_path / "none.png", 28, False) == "No such file or directory"
    os.symlink(tmp_path / "none.png", tmp_path / "link.png")
    assert refusal(read, tmp_path / "link.png", 28, False) == "No such file or directory"
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(read, tmp_path / "pipe.png", 28, False) == "not a file"


def test_a_decompression_bomb_and_a_lack_of_memory_are_not_called_damage(tmp_path, monkeypatch):
    """Pillow warns beyond its limit and raises an error beyond twice of it."""
    path = save(tmp_path, GREY)
    for limit in (28 * 28 - 1, 28 * 14 - 1):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert f"at most {limit} pixels" in refusal(read, path, 28, False)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 28 * 28)
    read(path, 28, False)
    monkeypatch.setattr(Image, "open", Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError):
        read(path, 28, False)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_no_mutation_gives_anything_but_an_image_or_a_refusal(tmp_path, kind):
    def read_colours(content):
        image = read(damaged(tmp_path, content), 28, True)
        assert image.shape == (28, 28, 3) and image.dtype == np.uint8

    content, rng = png(kind=kind), np.random.default_rng(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is printed about odd files
        found = outcomes(read_colours, [mutate(content, rng) for _ in range(200)], longest=200)
    assert found.count("refusal") > 30 and "data" in found
