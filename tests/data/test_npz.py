"""The user's own .npz: arrays are split by the seed; a damaged file is refused in one line."""
import itertools
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import data
from data.dataset import MAX_CLASSES, MIN_SIDE, Dataset
from data.formats import npz as npz_format
from settings import InputError
from untrusted import IMAGES, LABELS, mutate, npy, packed, peak_of, refusal, settings


def load(path: str, **changes) -> Dataset:
    return data.load(settings(DATASET=str(path), **changes))


def splits(dataset: Dataset) -> list:
    return [dataset.train, dataset.val, dataset.test]


def npz(folder: Path, save=np.savez, **arrays) -> str:
    path = folder / "digits.npz"
    save(path, **arrays)
    return str(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_own_images_are_split_by_seed(tmp_path, save):
    images = np.zeros((40, 17, 30, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(40)  # who is who
    path = npz(tmp_path, save, x_train=images, y_train=LABELS.astype(">i2"))
    dataset, again, other = (load(path, SEED=seed) for seed in (5, 5, 6))
    assert dataset.name == "digits" and dataset.image_shape == (17, 30, 3)
    assert dataset.class_names == ("0", "1", "2", "3")
    who = [split.images[:, 0, 0, 0] for split in splits(dataset)]
    assert [len(part) for part in who] == [32, 4, 4]
    assert sorted(np.concatenate(who)) == list(range(40))
    for split, same, part in zip(splits(dataset), splits(again), who, strict=True):
        np.testing.assert_array_equal(split.labels, LABELS[part, None])
        np.testing.assert_array_equal(split.images, same.images)
        assert split.labels.dtype == np.int32
    assert not np.array_equal(who[0], other.train.images[:, 0, 0, 0])


def test_own_validation_and_test_are_used(tmp_path):
    arrays = {"x_train": IMAGES[:30], "y_train": LABELS[:30],
              "x_test": IMAGES[30:33], "y_test": LABELS[30:33] + 3}
    dataset = load(npz(tmp_path, **arrays))
    assert dataset.image_shape == (20, 18, 1) and dataset.classes == 7  # by the test split
    assert [len(split.labels) for split in splits(dataset)] == [27, 3, 3]
    np.testing.assert_array_equal(dataset.test.images[..., 0], IMAGES[30:33])
    dataset = load(npz(tmp_path, **arrays, x_val=IMAGES[33:34], y_val=LABELS[33:34]))
    np.testing.assert_array_equal(dataset.train.images[..., 0], IMAGES[:30])  # as it is
    np.testing.assert_array_equal(dataset.val.labels, LABELS[33:34, None])
    column_major = {**arrays, "x_train": np.asfortranarray(IMAGES[:30])}
    dataset = load(npz(tmp_path, **column_major, x_val=IMAGES[33:34], y_val=LABELS[33:34]))
    np.testing.assert_array_equal(dataset.train.images[..., 0], IMAGES[:30])


REFUSED = {
    "floats": ({"x_train": IMAGES / 255}, ["x_train", "uint8", "float64"]),
    "NaN": ({"x_train": np.full(IMAGES.shape, np.nan, np.float32)},
            ["x_train", "uint8", "float32"]),
    "two axes": ({"x_train": IMAGES[0]}, ["x_train", "[N, H, W]", "[20, 18]"]),
    "no channel": ({"x_train": IMAGES[..., None][..., :0]}, ["x_train", "20x18x0"]),
    "lengths": ({"y_train": LABELS[:39]}, ["x_train", "y_train", "40 and 39"]),
    "empty": ({"x_train": IMAGES[:0], "y_train": LABELS[:0]}, ["0 and 0"]),
    "one class": ({"y_train": np.full(40, 2)}, ["two classes", "only the label 2"]),
    "negative label": ({"y_train": LABELS - 1}, ["y_train", "-1 to 2"]),
    "huge label": ({"y_train": np.where(LABELS == 3, 2 ** 40, LABELS)},
                   ["y_train", str(2 ** 40)]),
    "largest uint64": ({"y_train": np.full(40, 2 ** 64 - 1, np.uint64)},
                       ["y_train", str(2 ** 64 - 1)]),
    "more classes than examples": ({"y_train": LABELS + 40}, ["number of examples, 40", "43"]),
    "float labels": ({"y_train": LABELS / 1}, ["y_train", "integers", "float64"]),
    "one-hot labels": ({"y_train": np.eye(4, dtype=int)[LABELS]},
                       ["y_train", "integers [N]", "[40, 4]"]),
    "too low": ({"x_train": IMAGES[:, :16]}, ["17x17", "16x18"]),
    "too narrow": ({"x_train": IMAGES[:, :, :16]}, ["17x17", "20x16"]),
    "no labels": ({"y_train": None}, ["both x_train and y_train", "only x_train"]),
    "no training images": ({"x_train": None, "y_train": None, "x_val": IMAGES, "y_val": LABELS},
                           ["x_train"]),
    "x_val alone": ({"x_val": IMAGES}, ["both x_val and y_val"]),
    "y_test alone": ({"y_test": LABELS}, ["both x_test and y_test"]),
    "other size": ({"x_val": IMAGES[:, :19], "y_val": LABELS},
                   ["x_val", "(20, 18, 1)", "(19, 18, 1)"]),
    "other channels": ({"x_test": IMAGES[..., None].repeat(3, 3), "y_test": LABELS},
                       ["x_test", "(20, 18, 3)"]),
    "too few": ({"x_train": IMAGES[:9], "y_train": LABELS[:9]}, ["10 images", "received 9"]),
    "misspelt": ({"x_valid": IMAGES}, ["no arrays except x_train", "x_valid"]),
    "odd name": ({"x\n": IMAGES}, ["no arrays except x_train"]),
    "objects": ({"y_train": np.array([*LABELS[:39], None])},
                ["y_train", "pickled", "never loaded"]),
}


@pytest.mark.parametrize("changes, words", REFUSED.values(), ids=REFUSED)
def test_own_images_are_refused(tmp_path, changes, words):
    arrays = {"x_train": IMAGES, "y_train": LABELS, **changes}
    path = npz(tmp_path, **{name: array for name, array in arrays.items() if array is not None})
    message = refusal(load, path)
    assert all(word in message for word in [path, "expected", "received", *words]), message


Y = npy(LABELS)
GOOD = packed({"x_train.npy": npy(IMAGES), "y_train.npy": Y})
BLACK = np.zeros((2 ** 14, 64, 64), np.uint8)  # 64 MB
NOT_NPZ = {
    "nothing": (None, ["no such file"]),
    "text": (b"not a zip", ["not a zip"]),
    "empty": (b"", ["undamaged"]),
    "npy": (npy(IMAGES), ["not a zip"]),
    "archive of nothing": (packed({}), ["x_train", "empty archive"]),
    "truncated": (GOOD[:-60], ["undamaged"]),
    "text inside": (packed({"x_train.npy": b"hello", "y_train.npy": Y}), ["undamaged"]),
    "flipped": (GOOD.replace(IMAGES[5].tobytes(), bytes(360)), ["CRC"]),
    "too many images claimed": (
        packed({"x_train.npy": npy(IMAGES, (2 ** 31, 20, 18)), "y_train.npy": Y}),
        ["x_train", f"{2 ** 31 * 360:,}", "14,400"]),
    "too few images claimed": (
        packed({"x_train.npy": npy(IMAGES, (39, 20, 18)), "y_train.npy": Y}),
        ["x_train", "14,040", "14,400"]),
    "negative": (
        packed({"x_train.npy": npy(IMAGES, (-40, -20, 18)), "y_train.npy": Y}), ["undamaged"]),
    "bomb": (
        packed({"x_train.npy": npy(BLACK), "y_train.npy": Y}, zipfile.ZIP_DEFLATED),
        ["100 times", "67,"]),
    "lzma": (
        packed({"x_train.npy": npy(IMAGES), "y_train.npy": Y}, zipfile.ZIP_LZMA),
        ["x_train", "np.savez"]),
}


@pytest.mark.parametrize("content, words", NOT_NPZ.values(), ids=NOT_NPZ)
def test_what_is_not_an_npz_is_refused(tmp_path, content, words):
    path = tmp_path / "digits.npz"
    if content is not None:
        path.write_bytes(content)
    message = refusal(load, str(path))
    assert all(word in message for word in [str(path), "expected", "received", *words]), message
    if content is not None:
        assert peak_of(refusal, load, str(path)) < 2 ** 20 + 2 * len(content)


def test_a_small_archive_may_expand_more_than_100_times(tmp_path):
    """Blank images do."""
    path = npz(tmp_path, np.savez_compressed, x_train=BLACK[:40], y_train=LABELS)
    assert Path(path).stat().st_size * 100 < BLACK[:40].size
    assert load(path).classes == 4


def test_a_large_archive_may_expand_100_times(tmp_path, monkeypatch):
    monkeypatch.setattr(npz_format, "SMALL", 0)
    stripes = np.repeat(IMAGES, 17, axis=2)  # compresses about 10 times
    path = npz(tmp_path, np.savez_compressed, x_train=stripes, y_train=LABELS)
    assert 5 < stripes.size / Path(path).stat().st_size < 50
    assert load(path).classes == 4


def test_an_npz_beyond_the_memory_is_not_called_damaged(tmp_path, monkeypatch):
    def beyond(*_):
        raise MemoryError

    monkeypatch.setattr(npz_format, "parse_npy", beyond)
    with pytest.raises(MemoryError):
        load(npz(tmp_path, x_train=IMAGES, y_train=LABELS))


def test_a_folder_is_not_an_npz(tmp_path):
    assert "something else" in refusal(npz_format.load, tmp_path, settings())


def test_a_member_is_inflated_no_further_than_it_says(tmp_path):
    """The archive's directory says 1,000 bytes, the compressed data holds 64 MB."""
    content = packed({"x_train.npy": bytes(2 ** 26), "y_train.npy": Y}, zipfile.ZIP_DEFLATED)
    content = content.replace(struct.pack("<I", 2 ** 26), struct.pack("<I", 1000))
    (tmp_path / "bomb.npz").write_bytes(content)
    assert peak_of(refusal, load, str(tmp_path / "bomb.npz")) < 2 ** 20


# ---- the splits ----

def test_the_splits_of_a_seed_are_those_of_earlier_versions(tmp_path):
    """The digest is that of runs which began with them."""
    dataset = load(npz(tmp_path, x_train=IMAGES, y_train=LABELS), SEED=5)
    assert dataset.digest == "709f19d88d74bb4e7387d40f7c81ba7512519f9c8b5856851ab174ed0712632c"


def test_ten_images_and_a_thousand_classes_are_enough(tmp_path):
    dataset = load(npz(tmp_path, x_train=IMAGES[:10], y_train=LABELS[:10]))
    assert [len(split.labels) for split in splits(dataset)] == [8, 1, 1]
    images = np.repeat(IMAGES, 26, axis=0)[:, :17, :17]
    dataset = load(npz(tmp_path, x_train=images, y_train=np.arange(1040) % MAX_CLASSES))
    assert dataset.classes == MAX_CLASSES == 1000
    message = refusal(load, npz(tmp_path, x_train=images, y_train=np.arange(1040) % 1001))
    assert "999" in message


def test_the_training_images_are_shifted(tmp_path):
    path = npz(tmp_path, x_train=IMAGES, y_train=LABELS)
    assert "--shift" in refusal(load, path, SHIFT=18)
    dataset = load(path, SHIFT=17)
    moved = dataset.augment(dataset.train, np.arange(32), np.random.default_rng(0))
    assert not np.array_equal(moved.images, dataset.train.images)


# ---- fuzz ----

def mutations(kind: str, rng: np.random.Generator):
    """Endless: a mutation of a valid archive, or of an array in one."""
    members = {"x_train.npy": npy(IMAGES), "y_train.npy": Y}
    while True:
        if kind == "npz":
            content = packed(members, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED][rng.integers(2)])
            if rng.integers(2):  # at the end, where the directory of the archive is
                yield content[:-200] + mutate(content[-200:], rng, head=200)
            else:
                yield mutate(content, rng)
        else:
            name = list(members)[rng.integers(2)]
            yield packed({**members, name: mutate(members[name], rng, head=128)})


@pytest.mark.filterwarnings("ignore")  # NumPy's about odd headers
@pytest.mark.parametrize("kind", ["npz", "npy in npz"])
def test_no_mutation_gives_anything_but_data_or_a_refusal(tmp_path, kind):
    """400 mutations: InputError, or the right shape and type, and no memory beyond it."""
    path, outcomes, cfg = tmp_path / "fuzz.npz", [], settings()
    for content in itertools.islice(mutations(kind, np.random.default_rng(1)), 400):
        path.write_bytes(content)
        tracemalloc.start()
        try:
            dataset = npz_format.load(path, cfg)
            for images, labels, _ in splits(dataset):
                assert images.dtype == np.uint8 and images.shape[1:] == dataset.image_shape
                assert len(dataset.image_shape) == 3 and min(dataset.image_shape[:2]) >= MIN_SIDE
                assert labels.shape == (len(images), 1) and labels.dtype == np.int32
                assert labels.min() >= 0 and labels.max() < dataset.classes <= 40
            assert sum(split.images.size for split in splits(dataset)) == IMAGES.size
            outcomes.append("data")
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
            outcomes.append("refusal")
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 4 * IMAGES.size + 2 ** 18  # what 40 images need; the rest is Python's own
    assert outcomes.count("refusal") > 200 and "data" in outcomes
