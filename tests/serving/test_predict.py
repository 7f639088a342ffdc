"""predict.py: files of any kind in, an answer for each out, and one line for each that is no image."""
import functools
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import data
import predict
import toy
from config import TRAIN
from data.making import handwriting
from model.network import Chain
from serving import load, trained
from settings import Config, InputError


@pytest.fixture(scope="module")
def square(toy_run):
    return toy_run((20, 20, 1), DATASET="mnist")


@pytest.fixture
def call(command, square):
    """call(words) -> exit status, output, errors"""
    return functools.partial(command, predict.main, "--ckpt", square)


def stroke(path, size=(90, 60), colour=False):
    picture = np.full((*size, 3) if colour else size, 250, np.uint8)
    picture[10:70, 20:30] = 10
    Image.fromarray(picture).save(path)
    return path


# ---- the command ----

def test_files_and_folders_get_a_row_each(call, tmp_path, monkeypatch):
    monkeypatch.setattr("serving.predict.LOW", 1)
    (tmp_path / "more" / "deeper").mkdir(parents=True)
    stroke(tmp_path / "a.png")
    stroke(tmp_path / "more" / "b.jpg", (300, 400), colour=True)
    stroke(tmp_path / "more" / "deeper" / "c.BMP")
    stroke(tmp_path / "more" / "deeper" / "d.tif")
    stroke(tmp_path / "more" / "deeper" / "e.webp")
    for name in ("notes.txt", ".hidden.png", "Thumbs.db", ".cache/f.png"):
        (tmp_path / "more" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "more" / name).write_text("no image")
    (tmp_path / "more" / "folder.png").mkdir()
    sheet = tmp_path / "new" / "sheet.png"
    status, out, err = call(tmp_path / "a.png", tmp_path / "more", "--figure", sheet)
    head, *rows, last = out.splitlines()
    assert last == f"{sheet}: 5 images" and Image.open(sheet).size[0] > 200
    passed_over, low = err.splitlines()
    assert passed_over == f"predict.py: 1 file passed over, not called as images are: {tmp_path}/more/notes.txt"
    assert low.startswith(f"predict.py: 5 files with a score below 1, whose answer may be wrong: {tmp_path}/a.png, ")
    assert status == 0 and head.split() == ["file", "class", "score", "runner-up", "score"]
    assert [row.split()[0] for row in rows] == [str(tmp_path / name) for name in
                                                ("a.png", "more/b.jpg", "more/deeper/c.BMP", "more/deeper/d.tif",
                                                 "more/deeper/e.webp")]
    for row in rows:
        _, name, score, other, less = row.split()
        assert {name, other} < {"cat", "dog", "eel"} and 1 > float(score) >= float(less) >= 0


def test_json_has_the_same_numbers_as_the_network(call, square, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 20), np.uint8)
    np.save(tmp_path / "images.npy", pixels)
    status, out, _ = call(tmp_path / "images.npy", "--json", "--figure", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").exists()
    answers = [json.loads(line) for line in out.splitlines()]
    network = load(square)
    scores = network.predictor.network(pixels[..., None].astype(np.float32) / 255).scores.numpy()
    assert status == 0 and [answer["file"] for answer in answers] == [f"{tmp_path}/images.npy[{n}]" for n in range(3)]
    for answer, row in zip(answers, scores, strict=True):
        first, second, _ = np.argsort(-row)
        assert (answer["class"], answer["runner_up"]) == (("cat", "dog", "eel")[first], ("cat", "dog", "eel")[second])
        assert answer["score"] == pytest.approx(row[first], abs=2e-6)
        assert answer["runner_up_score"] == pytest.approx(row[second], abs=2e-6)


def test_what_is_no_image_is_one_line_and_the_rest_is_still_done(call, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY")
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    Image.new("1", (10_000, 10_001)).save(tmp_path / "huge.png")   # 100 megapixels
    Image.new("L", (30, 30), 255).save(tmp_path / "white.png")
    stroke(tmp_path / "z.png")
    status, out, err = call(tmp_path, *(tmp_path / name for name in ("missing.png", "damaged.npy", "objects.npy")))
    assert status == 2 and len(out.splitlines()) == 2 and str(tmp_path / "z.png") in out
    lines = [line for line in err.splitlines() if "score below" not in line and "passed over" not in line]
    assert len(lines) == 6 and all(line.startswith(f"predict.py: error: {tmp_path}/") for line in lines)
    for name, reason in {"damaged": "an undamaged .npy", "objects": "never loaded", "bad": "not a PNG",
                         "huge": "pixels", "white": "nothing to see", "missing": "No such file"}.items():
        assert [line for line in lines if f"{name}." in line and reason in line], name


@pytest.mark.parametrize("words, reason", [
    (["--figure", "sheet.pdf"], "--figure: expected a file called .png"),
    (["--figure", "a.png/sheet.png"], "--figure: expected a file in a folder to write in"),
    (["--figure", "a" * 300 + ".png"], "--figure: cannot write to .*File name too long"),
    (["empty"], "empty: expected a folder with images"), (["."], "closed cannot be read: Permission denied")])
def test_bad_input_is_refused_in_one_line(call, tmp_path, monkeypatch, words, reason):
    def closed(path, scandir=os.scandir):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "scandir", closed)
    for name in ("empty", "closed"):
        (tmp_path / name).mkdir()
    status, _, err = call(stroke(tmp_path / "a.png"), *words)
    line, = [line for line in err.splitlines() if "score below" not in line]
    assert status == 2 and re.match(f"predict.py: error: .*{reason}", line)


# ---- pictures -> images ----

def test_as_is_fits_the_whole_picture(square, tmp_path):
    network = load(square)
    path = stroke(tmp_path / "a.png")
    assert network.read(path).mean() < 0.3 and network.read(path)[0, 10] == 0, "cropped, bright on black"
    whole = network.read(path, as_is=True)
    assert whole.shape == (20, 20, 1) and whole[0, 10] > 0.9, "dark on light, as it is"
    for answer, seen in ((network.predict([path])[0], network.read(path)),
                         (network.predict([path], as_is=True)[0], whole)):
        np.testing.assert_array_equal(answer.image, seen)
        assert answer.reconstruction.shape == seen.shape and answer.scores.shape == (3,)


def test_only_datasets_that_say_so_change_pictures_and_a_network_in_colour_sees_colours(tmp_path):
    def network_of(dataset, channels):
        predictor = SimpleNamespace(network=SimpleNamespace(image_shape=(20, 20, channels)),
                                    trained=toy.settings(DATASET=dataset))
        return trained.Trained(predictor, "abc")

    assert network_of("mnist", 1).prepare is handwriting.as_mnist
    assert network_of("fashion_mnist", 1).prepare is None
    network = network_of("/my/photos", 3)
    Image.new("RGB", (50, 50), (255, 0, 51)).save(tmp_path / "red.png")
    np.testing.assert_allclose(network.read(tmp_path / "red.png")[10, 10], [1, 0, 0.2])


def test_arrays_are_taken_as_they_are(square):
    pixels = np.random.default_rng(1).integers(0, 256, (5, 20, 20, 1), np.uint8)
    for array in (pixels, pixels[..., 0], pixels / 255):
        images = trained.as_network_takes(array, (20, 20, 1), "images")
        assert images.dtype == np.float32 and images == pytest.approx(pixels / 255)
    network = load(square)
    assert network.predict(pixels[:0] / 255) == [] and network.predict([]) == []


@pytest.mark.parametrize("array", [
    np.zeros((2, 28, 28), np.uint8), np.zeros((20, 20), np.uint8), np.zeros((2, 20, 20), int),
    np.ones((2, 20, 20), np.uint16), np.zeros((2, 20, 20, 3), np.uint8), np.array(["a"]),
    *(np.full((2, 20, 20), value) for value in (1.1, -0.1, np.nan))])
def test_other_arrays_are_refused(array):
    with pytest.raises(InputError, match=r"images: expected images \[N, 20, 20, 1\]"):
        trained.as_network_takes(array, (20, 20, 1), "images")


def test_logits_become_probabilities(toy_run, small_cnn):
    """By a softmax, unless the chain says sigmoid. This network has no decoder."""
    network = load(toy_run((20, 20, 1), MODEL="cnn"))
    cnn = network.predictor.network
    pixels = np.random.default_rng(1).integers(0, 4, (3, 20, 20, 1), np.uint8)   # so that no logit is large
    logits = cnn(pixels.astype(np.float32) / 255).scores.numpy().astype(float)
    softmax, sigmoid = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1 / (1 + np.exp(-logits))
    for chain, expected in ((Chain([], "softmax"), softmax), (None, softmax), (Chain([], "sigmoid"), sigmoid)):
        cnn.chain = lambda chain=chain: chain
        for answer, chances in zip(network.predict(pixels), expected, strict=True):
            np.testing.assert_allclose(answer.scores, chances, rtol=1e-4)
            assert answer.reconstruction is None and answer.score == pytest.approx(chances.max(), rel=1e-4)


# ---- the released network ----

def test_the_released_network_knows_glyphs_on_paper(tmp_path):
    """One glyph of each class, drawn dark on a light page, in two sizes, as PNG and JPEG."""
    glyphs = data.load(Config(TRAIN, {"DATASET": "glyphs"})).test
    paths, classes = [], []
    for digit in range(10):
        index = np.flatnonzero(glyphs.labels[:, 0] == digit)[:2]
        for n, side in zip(index, (90, 400), strict=True):
            glyph = Image.fromarray(glyphs.images[n, ..., 0]).resize((side, side), Image.Resampling.BICUBIC)
            page = Image.new("RGB", (600, 500), (240, 236, 220))
            ink = Image.new("RGB", (side, side), (30, 30, 120))
            page.paste(ink, (40, 60), glyph)
            paths.append(tmp_path / f"{n}.{'png' if side == 90 else 'jpg'}")
            page.save(paths[-1])
            classes.append(str(digit))
    right = [answer.name == name for answer, name in zip(load().predict(paths), classes, strict=True)]
    assert sum(right) >= 18, "of 20: 94.8 % of all glyphs"
