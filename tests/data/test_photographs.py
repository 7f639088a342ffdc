"""CIFAR-10, smallNORB and SVHN: files of exactly their layout are read, anything else is one line; random crops."""
import functools
import gzip
import http.server
import io
import itertools
import tarfile
import threading

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

import config
import data
import photographs
from config import TRAIN, Config
from data.dataset import stream, training_batch
from data.datasets import cifar10, smallnorb, svhn
from photographs import MODULES, archive, bars, batches, cat, dat, mat, matrix, publish, write
from untrusted import mutate, outcomes, peak_of, refusal

CONTENTS = photographs.contents()
TITLES = {"cifar10": "CIFAR-10", "smallnorb": "smallNORB", "svhn": "SVHN"}


@pytest.fixture(autouse=True)
def published(monkeypatch):
    publish(monkeypatch, CONTENTS)


def load(name, folder, **changes):
    given = {"DATASET": name, "DATA_DIR": str(folder), "VALIDATION": 8, **MODULES[name].DEFAULTS, **changes}
    return data.load(Config(TRAIN, given))


def whole(name, part):
    """-> the images [N, H, W, C] before they are cropped, pixel by pixel, and the labels"""
    shape, classes = ((2, 96, 96), 5) if name == "smallnorb" else ((3, 32, 32), 10)
    images, labels = bars(part, shape, classes)
    if name == "smallnorb":
        small = np.zeros((len(images), 2, 48, 48), np.uint8)
        for n, camera, y, x in np.ndindex(small.shape):
            four = images[n, camera, 2 * y:2 * y + 2, 2 * x:2 * x + 2]
            small[n, camera, y, x] = int(four.mean() + 0.5)
        images = small
    return np.moveaxis(images, 1, -1), labels.astype(np.int32)


# ---- what is read ----

@pytest.mark.parametrize("name, border, side, classes", [
    ("cifar10", 4, 24, cifar10.CLASS_NAMES), ("svhn", 0, 32, tuple("0123456789")),
    ("smallnorb", 8, 32, ("animal", "human", "airplane", "truck", "car"))])
def test_images_and_labels_are_those_of_the_files(tmp_path, name, border, side, classes):
    """The last training images validate, and each split shows the middle of the images."""
    dataset = load(name, write(tmp_path / name, CONTENTS[name]))
    assert dataset.name == name and dataset.class_names == classes
    for part, of, where in (("train", "train", slice(32)), ("val", "train", slice(32, 40)), ("test", "test", slice(8))):
        images, labels = whole(name, of)
        split, middle = getattr(dataset, part), slice(border, border + side)
        np.testing.assert_array_equal(split.images, images[where, middle, middle])
        np.testing.assert_array_equal(split.labels, labels[where, None])
    assert dataset.digest == load(name, write(tmp_path, CONTENTS[name])).digest


@pytest.mark.parametrize("place", ["", "cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"])
def test_the_unpacked_files_of_cifar10_are_taken(tmp_path, place):
    folder = write(tmp_path / place, batches())
    expected = load("cifar10", write(tmp_path / "other", CONTENTS["cifar10"]))
    assert load("cifar10", tmp_path).digest == expected.digest
    (folder / "data_batch_3.bin").write_bytes(batches()["data_batch_3.bin"][:-1])
    assert f"{folder}/data_batch_3.bin: expected 8 records of 3,073 bytes" in refusal(load, "cifar10", tmp_path)
    (folder / "data_batch_3.bin").unlink()
    assert f"{folder}/data_batch_3.bin cannot be read: No such file" in refusal(load, "cifar10", tmp_path)


def test_the_paper_s_settings_are_defaults():
    settings = {name: Config(TRAIN, config.filled_in("original", name)) for name in MODULES}
    assert settings["svhn"].CONV1_CHANNELS == 64 and settings["svhn"].SHIFT == 0
    found = {name: (one.PRIMARY_CAPS_CHANNELS, one.PRIMARY_DIM, one.DIGIT_DIM, one.NONE_OF_THE_ABOVE, one.CROP)
             for name, one in settings.items()}
    assert found == {"cifar10": (64, 8, 16, True, 24), "smallnorb": (64, 8, 16, True, 32),
                     "svhn": (16, 6, 8, False, 24)}


# ---- what is refused ----

@pytest.mark.parametrize("name, flags, words", [
    ("svhn", {"VALIDATION": 40}, "--validation: expected less than the 40 training images, received 40"),
    ("cifar10", {"CROP": 33}, "--crop: expected at most the 32 pixels of cifar10's images, received 33")])
def test_a_split_or_a_crop_that_is_too_large_is_refused(tmp_path, name, flags, words):
    assert words in refusal(load, name, write(tmp_path, CONTENTS[name]), **flags)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_file_is_named_and_left_alone(tmp_path, name, damage):
    folder = write(tmp_path / name, CONTENTS[name])
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        other = content[:-1] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes(other)
        message = refusal(load, name, tmp_path)
        assert message.startswith(f"{path}: expected content with MD5 ") and "delete the file to have it" in message
        assert path.read_bytes() == other
        path.write_bytes(content)
        path.rename(tmp_path / path.name)  # there it may be another dataset's
        (tmp_path / path.name).write_bytes(other)
        assert f"put {TITLES[name]}'s files into {folder}" in refusal(load, name, tmp_path)
        (tmp_path / path.name).unlink()
        path.write_bytes(content)


GOOD = batches()
SHORT = {**GOOD, "test_batch.bin": GOOD["test_batch.bin"][:-3073]}
LABEL_10 = {**GOOD, "data_batch_2.bin": b"\12" + GOOD["data_batch_2.bin"][1:]}
CAT, DAT = (gzip.decompress(make("test")) for make in (cat, dat))
READ = {"cifar10": cifar10.parse_archive, "dat": smallnorb.parse_images, "cat": smallnorb.parse_labels,
        "svhn": svhn.parse}


@pytest.mark.parametrize("kind, content, words", [
    ("cifar10", b"", "file"), ("cifar10", b"no archive", "undamaged gzip"),
    ("cifar10", archive(GOOD)[:-9], "undamaged gzip"), ("cifar10", gzip.compress(b"~" * 999), "undamaged .tar.gz"),
    ("cifar10", archive(dict(list(GOOD.items())[:5])), "a file test_batch.bin in it, received none"),
    ("cifar10", archive(SHORT), "test_batch.bin: expected 8 records of 3,073 bytes, 24,584 in all, received 21,511"),
    ("cifar10", archive(LABEL_10), "data_batch_2.bin: expected labels from 0 to 9, received 10"),
    ("dat", b"", "a header of 24 bytes, received 0"), ("dat", b"no gzip", "undamaged gzip"),
    ("dat", cat("test"), "the magic number 0x1e3d4c55"), ("cat", dat("test"), "the magic number 0x1e3d4c54"),
    ("dat", gzip.compress(DAT[:-1]), "(truncated)"), ("cat", gzip.compress(CAT + b"\0"), "33 (more)"),
    ("dat", gzip.compress(b"\x1e\x3d\x4c\x55" + DAT[4:]), "0x1e3d4c55, received 0x554c3d1e"),  # of a big-endian machine
    ("dat", matrix(np.zeros((3, 1, 96, 96), np.uint8), 0x1E3D4C55), "sizes [N, 2, 96, 96], received 4 sizes, [3, 1,"),
    ("cat", matrix(np.zeros((3, 2), np.int32), 0x1E3D4C54), "sizes [N], received 2 sizes, [3, 2, 1]"),
    ("cat", gzip.compress(CAT[:8] + b"\0\0\0\0" + CAT[12:]), "a header that claims [0]"),
    ("dat", gzip.compress(DAT[:8] + b"\xff\xff\xff\xff" + DAT[12:]), "a header that claims [4294967295, 2, 96, 96]"),
    ("cat", matrix(np.array([0, 5, -1], np.int32), 0x1E3D4C54), "labels from 0 to 4, received [5]"),
    ("svhn", b"", "an undamaged .mat file"), ("svhn", mat("test", y=np.zeros((8, 1))), "labels from 1 to 10"),
    ("svhn", mat("test", y=np.full((8, 1), 1.5)), "the label [1.5]"),
    ("svhn", mat("test", y=np.ones((1, 8))), "y of numbers [N, 1], N = 8 as of the images, received float64 [1, 8]"),
    ("svhn", mat("test", y=np.array([["a"]] * 8)), "y of numbers"), ("svhn", mat("test", X={"a": 1}), "X uint8"),
    ("svhn", mat("test", X=np.zeros((8, 32, 32, 3), np.uint8)), "[32, 32, 3, N], received uint8 [8, 32, 32, 3]"),
    ("svhn", mat("test", X=np.zeros((32, 32, 3, 8))), "received float64")],
    ids=itertools.count())
def test_any_other_content_is_refused_in_one_line(kind, content, words):
    message = refusal(READ[kind], content, "some-file")
    assert message.startswith("some-file") and ": expected" in message and words in message


def test_a_file_without_one_of_its_arrays_and_splits_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    file = io.BytesIO()
    savemat(file, {"X": np.zeros((32, 32, 3, 8), np.uint8)})
    assert "undamaged .mat file with X and y, received: 'y'" in refusal(svhn.parse, file.getvalue(), "f")
    files = {**CONTENTS["smallnorb"], smallnorb.FILES["test"][1].name: cat("train")}
    publish(monkeypatch, {**CONTENTS, "smallnorb": files})
    assert "cat.mat.gz, 40, received 8" in refusal(load, "smallnorb", write(tmp_path, files))


@pytest.mark.parametrize("kind, content, head", [("cifar10", archive(GOOD), 600), ("dat", dat("test"), 24),
                                                 ("cat", cat("test"), 20)])
@pytest.mark.parametrize("inside", [False, True])
def test_no_mutation_gives_anything_but_data_or_a_refusal(kind, content, head, inside):
    rng, raw = np.random.default_rng(1), gzip.decompress(content)
    changed = [gzip.compress(mutate(raw, rng, head), 1) if inside else mutate(content, rng, head) for _ in range(100)]
    assert outcomes(lambda one: READ[kind](one, "f"), changed).count("refusal") > 30


def test_what_expands_without_end_is_refused_and_takes_little_memory(monkeypatch):
    monkeypatch.setattr(smallnorb, "MAX_BYTES", 2 ** 20)
    monkeypatch.setattr(cifar10, "MAX_BYTES", 2 ** 20)
    bomb = gzip.compress(DAT[:8] + b"\x50" + DAT[9:24] + bytes(2 ** 26), 1)
    sparse = io.BytesIO()
    with tarfile.open(fileobj=sparse, mode="w:gz", format=tarfile.PAX_FORMAT) as packed_file:
        for name in cifar10.NAMES:  # a sparse file: the archive says how large it would be
            member = tarfile.TarInfo(name)
            member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2 ** 30)}
            member.size = 1
            packed_file.addfile(member, io.BytesIO(b"\1"))
    for kind, content in (("dat", bomb), ("cat", bomb), ("cifar10", bomb), ("cifar10", sparse.getvalue())):
        call = functools.partial(refusal, READ[kind], content, "f")
        assert peak_of(call) < 2 ** 23, kind


# ---- downloads ----

@pytest.fixture
def site(tmp_path, monkeypatch):
    """-> a folder that is served"""
    monkeypatch.setenv("no_proxy", "*")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        publish(monkeypatch, CONTENTS, f"http://127.0.0.1:{server.server_port}/")
        yield tmp_path / "site"
        server.shutdown()


@pytest.mark.parametrize("name", MODULES)
def test_a_download_is_verified_and_kept(site, tmp_path, capfd, name):
    expected = load(name, write(tmp_path / "there", CONTENTS[name])).digest  # nothing is served yet
    write(site, CONTENTS[name])
    assert load(name, tmp_path / "new").digest == expected
    kept = {path.name: path.read_bytes() for path in (tmp_path / "new" / name).iterdir()}
    assert kept == CONTENTS[name] and f"{next(iter(kept))}: " in capfd.readouterr().err

    # what is served is damaged, or not there; what was kept is not asked for again
    last = list(CONTENTS[name])[-1]
    (site / last).write_bytes(CONTENTS[name][last][:-1])
    for words in ("its reply: expected content with MD5", "HTTP Error 404"):
        message = refusal(load, name, tmp_path / "bad")
        assert f"{last} could not be downloaded" in message and words in message and "--dataset glyphs" in message
        assert not (tmp_path / "bad" / name / last).exists() and not list(tmp_path.glob("bad/*/.*"))
        (site / last).unlink(missing_ok=True)
    assert load(name, tmp_path / "new").digest == expected


# ---- random crops ----

@pytest.mark.parametrize("name, changes", [
    ("cifar10", {}), ("smallnorb", {}), ("cifar10", {"FLIP": False, "CONTRAST": 0.0, "CROP": 32}),
    ("smallnorb", {"FLIP": True, "BRIGHTNESS": 0, "CROP": 47})])
def test_a_batch_is_that_of_a_plain_loop(tmp_path, name, changes):
    """Crop, mirror, brightness, contrast; rounded and clipped once, at the end."""
    dataset = load(name, write(tmp_path, CONTENTS[name]), **changes)
    cfg = Config(TRAIN, {**MODULES[name].DEFAULTS, **changes})
    images, _ = whole(name, "train")
    side, room = cfg.CROP, images.shape[1] - cfg.CROP
    for step in (0, 7):
        batch = training_batch(dataset, 5, step, 16)
        order = np.concatenate([stream(5, "order", epoch).permutation(32) for epoch in range(4)])
        rng = stream(5, "augment", step)
        places, chances = rng.integers(0, room + 1, (2, 16)), rng.random(16)
        added = rng.uniform(-cfg.BRIGHTNESS, cfg.BRIGHTNESS, 16)
        factors = rng.uniform(1 - cfg.CONTRAST, 1 + cfg.CONTRAST, 16)
        for n in range(16):
            image = np.zeros((side, side, images.shape[3]), np.uint8)
            for y, x in np.ndindex(side, side):
                from_left = side - 1 - x if cfg.FLIP and chances[n] < 0.5 else x
                place = places[0, n] + y, places[1, n] + from_left
                image[y, x] = images[order[16 * step + n]][place]
            means = [int(image[..., c].astype(int).sum()) / side ** 2 for c in range(image.shape[2])]
            for place in np.ndindex(image.shape):
                lit = means[place[2]] + added[n] + factors[n] * (image[place] - means[place[2]])
                image[place] = min(max(round(lit), 0), 255)
            np.testing.assert_array_equal(np.rint(batch.images[n] * 255), image)
        np.testing.assert_array_equal(batch.labels, dataset.train.labels[order[16 * step:16 * step + 16]])


def test_a_picture_becomes_what_the_network_sees_of_cifar10():
    """Fitted to 32 x 32 pixels, of which 24 x 24 are left; so is one of the dataset's own size."""
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    np.testing.assert_array_equal(cifar10.prepare(picture, 24), picture[4:28, 4:28])
    large = np.asarray(Image.fromarray(picture // 8 * 8).resize((320, 320), Image.Resampling.NEAREST))
    middle = cifar10.prepare(large, 24).astype(int)
    assert np.abs(middle - picture[4:28, 4:28]).mean() < np.abs(middle - picture[5:29, 4:28]).mean() / 2
