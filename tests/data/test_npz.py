"""The user's own .npz: labels and arrays as people have them; anything else is one line that says what to do."""
import zipfile
from pathlib import Path

import numpy as np
import pytest

import data
from data.dataset import Dataset
from data.formats import npz as npz_format
from untrusted import IMAGES, LABELS, mutate, npy, outcomes, packed, refusal, settings


def load(path, test_only_ok=False, **changes) -> Dataset:
    return data.load(settings(DATASET=str(path), **changes), test_only_ok)


def splits(dataset: Dataset) -> list:
    return [dataset.train, dataset.val, dataset.test]


def npz(folder: Path, save=np.savez, name="digits.npz", **arrays) -> str:
    with open(folder / name, "wb") as file:  # np.savez adds .npz to other names
        save(file, **arrays)
    return str(folder / name)


def whole(folder: Path, images=IMAGES, labels=LABELS) -> Dataset:
    """The same arrays as all splits."""
    return load(npz(folder, **{f"{kind}_{part}": array for part in ("train", "val", "test")
                               for kind, array in (("x", images), ("y", labels))}))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_own_images_are_split_by_seed_and_shifted_in_training(tmp_path, save):
    images = np.zeros((40, 17, 30, 3), np.uint8)
    images[:, 0, 0, 0] = 100 + np.arange(40)  # who is who
    images[:, 1] = 255
    path = npz(tmp_path, save, "digits.NPZ", x_train=images, y_train=LABELS.astype(">i2"))
    dataset, again, other = (load(path, SEED=seed) for seed in (5, 5, 6))
    assert dataset.name == "digits" and dataset.image_shape == (17, 30, 3) and dataset.test_files is None
    assert dataset.class_names == ("0", "1", "2", "3")
    who = [split.images[:, 0, 0, 0] - 100 for split in splits(dataset)]
    assert [len(part) for part in who] == [32, 4, 4]
    assert sorted(np.concatenate(who)) == list(range(40))
    for split, same, part in zip(splits(dataset), splits(again), who, strict=True):
        np.testing.assert_array_equal(split.labels, LABELS[part, None])
        np.testing.assert_array_equal(split.images, same.images)
        assert split.labels.dtype == np.int32
    assert not np.array_equal(who[0], other.train.images[:, 0, 0, 0] - 100)
    assert "--shift" in refusal(load, path, SHIFT=17)
    moved = load(path, SHIFT=16).augment(dataset.train, np.arange(32), np.random.default_rng(0))
    assert not np.array_equal(moved.images, dataset.train.images)


def test_own_validation_and_test_are_used(tmp_path, capsys):
    arrays = {"x_train": np.asfortranarray(IMAGES[:30]), "y_train": LABELS[:30],
              "x_test": IMAGES[30:33], "y_test": LABELS[30:33] + 3}
    path = npz(tmp_path, **arrays, x_val=IMAGES[33:34], y_val=LABELS[33:34])
    dataset = load(path)
    assert dataset.image_shape == (20, 18, 1) and dataset.classes == 7  # by the test split
    for split, where in zip(splits(dataset), (slice(30), slice(33, 34), slice(30, 33)), strict=True):
        np.testing.assert_array_equal(split.images[..., 0], IMAGES[where])
    assert capsys.readouterr().out == (
        f"{path}: 1 of 7 classes have no images: 4; 2 of 7 classes have no training images: 5, 6; 5 of 7 classes have "
        "no validation images: 0, 2, 3, ...; 3 of 7 classes have no test images: 0, 1, 2\n")


def test_the_random_splits_of_a_seed_are_those_of_earlier_versions(tmp_path):
    """The digest is that of runs which began with them."""
    dataset = load(npz(tmp_path, x_train=IMAGES, y_train=LABELS), SEED=5, SPLIT="random")
    assert dataset.digest == "709f19d88d74bb4e7387d40f7c81ba7512519f9c8b5856851ab174ed0712632c"


# ---- arrays as people have them ----

@pytest.mark.parametrize("labels", [
    LABELS[:, None], LABELS[:, None].astype(np.uint8), LABELS.astype(float), LABELS.astype(np.uint64),
    np.eye(4, dtype=int)[LABELS], np.eye(4, dtype=np.float32)[LABELS], np.eye(4, dtype=bool)[LABELS]])
def test_labels_may_have_a_second_axis_or_be_floats_or_one_hot(tmp_path, labels):
    np.testing.assert_array_equal(whole(tmp_path, labels=labels).train.labels, LABELS[:, None])


def test_one_hot_labels_say_how_many_classes_there_are(tmp_path, capsys):
    assert whole(tmp_path, labels=np.eye(6)[LABELS]).classes == 6
    assert "2 of 6 classes have no images: 4, 5\n" in capsys.readouterr().out
    assert whole(tmp_path, labels=2 * LABELS + 1).classes == 8
    assert "4 of 8 classes have no images: 0, 2, 4, ...\n" in capsys.readouterr().out, "numbered from 1, with gaps"
    assert load(npz(tmp_path, x_train=IMAGES, y_train=np.arange(40))).classes == 40, "as many classes as images"


@pytest.mark.parametrize("images, expected", [
    *((IMAGES.astype(kind), IMAGES) for kind in (np.int64, float, np.float16)),
    (IMAGES.astype(np.float32) / 255, IMAGES), (IMAGES / 255, IMAGES),
    (IMAGES > 127, 255 * (IMAGES > 127)), ((IMAGES > 127).astype(float), 255 * (IMAGES > 127))])
def test_images_of_other_types_are_taken_if_nothing_is_lost(tmp_path, images, expected):
    train = whole(tmp_path, images).train
    assert train.images.dtype == np.uint8
    np.testing.assert_array_equal(train.images[..., 0], expected)


def test_one_rule_holds_for_the_pixels_of_all_splits(tmp_path, capsys):
    nearly_black = np.where(IMAGES > 127, 1.0, 0.0)
    dataset = load(npz(tmp_path, x_train=IMAGES / 1, y_train=LABELS, x_test=nearly_black, y_test=LABELS))
    assert dataset.test.images.max() == 1
    assert "among the test images the darkest pixel is 0 and the brightest pixel is 1 of" in capsys.readouterr().out


@pytest.mark.parametrize("images, words", [
    (IMAGES // 16, "the brightest pixel is 15 of 255"), (IMAGES // 128, "the brightest pixel is 1 of 255"),
    (IMAGES // 16 / 1, "the brightest pixel is 15 of 255"), (IMAGES // 2, "the brightest pixel is 127 of 255"),
    (255 - IMAGES // 16, "the darkest pixel is 240 and the brightest pixel is 255 of"), (np.minimum(IMAGES, 128), ""),
    (np.where(np.arange(40).reshape(-1, 1, 1) % 20 == 3, 9, IMAGES).astype(np.uint8),
     "6 of 120 images have a single shade, with nothing to see on them: x_train[3], x_train[23], x_val[3], ...")])
def test_images_that_look_like_a_mistake_are_said(tmp_path, capsys, images, words):
    whole(tmp_path, images)
    out = capsys.readouterr().out
    assert words in out and out.count("\n") == bool(words)


REFUSED = {
    "NaN": ({"x_train": np.full(IMAGES.shape, np.nan, np.float32)}, ["x_train", "uint8", "float32", "nan"]),
    **{f"{images.dtype}, {images.max():g}": ({"x_train": images}, ["x_train uint8", "scale them", str(images.dtype)])
       for images in (IMAGES / 300, IMAGES + 0.2, IMAGES - 99.0, IMAGES * np.uint16(257), IMAGES.astype(np.int16) - 1)},
    "channels first": ({"x_train": np.resize(IMAGES, (40, 3, 20, 18))}, ["17x17", "[40, 3, 20, 18]", "transpose"]),
    "images last": ({"x_train": np.resize(IMAGES, (20, 18, 40))}, ["N images in x_train", "[20, 18, 40]", "transpose"]),
    "text": ({"x_train": np.full(IMAGES.shape, "a")}, ["x_train of numbers", "<U1"]),
    "flat": ({"x_train": IMAGES.reshape(40, -1)}, ["x_train", "[N, H, W]", "[40, 360]"]),
    "no channel": ({"x_train": IMAGES[..., None][..., :0]}, ["x_train", "[40, 20, 18, 0]"]),
    "lengths": ({"y_train": LABELS[:39]}, ["x_train", "y_train, 39", "[40, 20, 18]"]),
    "empty": ({"x_train": IMAGES[:0], "y_train": LABELS[:0]}, ["y_train", "none"]),
    "one class": ({"y_train": np.full(40, 2)}, ["two classes", "only the label 2"]),
    "negative label": ({"y_train": LABELS - 1}, ["y_train", "-1 to 2"]),
    "a thousand and one classes": ({"y_train": np.arange(40) * 25 + 25}, ["y_train", "at most 999", "1000"]),
    "huge label": ({"y_train": np.where(LABELS == 3, 2 ** 40, LABELS)}, ["y_train", str(2 ** 40)]),
    "largest uint64": ({"y_train": np.full(40, 2 ** 64 - 1, np.uint64)}, ["y_train", str(2 ** 64 - 1)]),
    "more classes than examples": ({"y_train": LABELS + 40}, ["number of examples, 40", "43"]),
    "halves as labels": ({"y_train": LABELS / 2}, ["y_train", "whole numbers", "float64 [40]"]),
    "infinite labels": ({"y_train": np.where(LABELS == 3, np.inf, LABELS)}, ["y_train", "whole numbers"]),
    "names as labels": ({"y_train": LABELS.astype(str)}, ["y_train", "whole numbers", "<U21 [40]", "NAMES, y_train"]),
    "several labels": ({"y_train": np.ones((40, 4))}, ["y_train", "one-hot [N, J]", "[40, 4]"]),
    "too low": ({"x_train": IMAGES[:, :16]}, ["17x17", "[40, 16, 18]"]),
    "too narrow": ({"x_train": IMAGES[:, :, :16]}, ["17x17", "[40, 20, 16]"]),
    "no labels": ({"y_train": None}, ["both x_train and y_train", "only x_train"]),
    "validation alone": ({"x_train": None, "y_train": None, "x_val": IMAGES, "y_val": LABELS}, ["x_test", "x_val"]),
    "x_val alone": ({"x_val": IMAGES}, ["both x_val and y_val"]),
    "other size": ({"x_val": IMAGES[:, :19], "y_val": LABELS}, ["(20, 18, 1)", "x_val", "(19, 18, 1)"]),
    "too few": ({"x_train": IMAGES[:9], "y_train": LABELS[:9]}, ["10 images", "received 9"]),
    "odd name": ({"x\n": IMAGES}, ["no arrays except x_train"]),
    "objects": ({"y_train": np.array([*LABELS[:39], None])}, ["never loaded"]),
}


@pytest.mark.parametrize("changes, words", REFUSED.values(), ids=REFUSED)
def test_own_images_are_refused(tmp_path, changes, words):
    arrays = {"x_train": IMAGES, "y_train": LABELS, **changes}
    path = npz(tmp_path, **{name: array for name, array in arrays.items() if array is not None})
    message = refusal(load, path)
    assert all(word in message for word in [path, "expected", "received", *words]), message


# ---- other files ----

Y = npy(LABELS)
GOOD = packed({"x_train.npy": npy(IMAGES), "y_train.npy": Y})
NOT_NPZ = {
    "text": (b"not a zip", "other content"),
    "empty": (b"", "undamaged"),
    "npy": (npy(IMAGES), "a single array"),
    "archive of nothing": (packed({}), "empty archive"),
    "truncated": (GOOD[:-60], "undamaged"),
    "text inside": (packed({"x_train.npy": b"hello", "y_train.npy": Y}), "an array x_train"),
    "flipped": (GOOD.replace(IMAGES[5].tobytes(), bytes(360)), "CRC"),
    "too many images claimed": (packed({"x_train.npy": npy(IMAGES, (2 ** 40, 20, 18)), "y_train.npy": Y}), "undamaged"),
}


@pytest.mark.parametrize("content, words", NOT_NPZ.values(), ids=NOT_NPZ)
def test_what_is_not_an_npz_is_refused(tmp_path, content, words):
    path = tmp_path / "digits.npz"
    path.write_bytes(content)
    message = refusal(load, path)
    assert all(word in message for word in [str(path), "expected", "received", words]), message


@pytest.mark.parametrize("name", ["a.npy", "a.mat", "a.csv", "train.gz", "archive.zip", "images"])
def test_other_files_are_told_which_formats_there_are_and_one_that_has_moved_is_given_by_its_flag(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    message = refusal(load, tmp_path / name)
    assert "a folder with one subfolder" in message and ".npz" in message and "np.savez(" in message
    assert data.is_path(str(tmp_path / name)) and not data.is_path("no-such-name")
    (tmp_path / name).unlink()
    assert "if the images have moved, give --dataset" in refusal(load, tmp_path / name)
    assert "something else" in refusal(npz_format.load, tmp_path, settings())


@pytest.mark.filterwarnings("ignore")  # NumPy's about odd headers
def test_no_mutation_gives_anything_but_data_or_a_refusal(tmp_path):
    def read(content):
        (tmp_path / "fuzz.npz").write_bytes(content)
        assert load(tmp_path / "fuzz.npz").train.images.dtype == np.uint8

    rng, changed, members = np.random.default_rng(1), [], {"x_train.npy": npy(IMAGES), "y_train.npy": Y}
    for _ in range(100):
        name = list(members)[rng.integers(2)]
        inside = {**members, name: mutate(members[name], rng, head=128)}
        changed += [packed(inside, zipfile.ZIP_DEFLATED), mutate(GOOD, rng)]
    found = outcomes(read, changed)
    assert found.count("refusal") > 100 and "data" in found
