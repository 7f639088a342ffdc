"""A folder of images: classes and splits are its subfolders; what is wrong is one clear line."""
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data
from data.dataset import Dataset
from data.formats import folder as folder_format
from data.readers import image_file
from untrusted import IMAGES, refusal, settings

CLASSES = ("daisy", "rose", "tulip")


def load(path: Path, **changes) -> Dataset:
    return data.load(settings(DATASET=str(path), IMAGE_SIZE=20, **changes))


def square(number: int) -> np.ndarray:
    """An image of 20 x 20 pixels, another for each number."""
    return np.pad(IMAGES[number], ((0, 0), (1, 1)))


def fill(folder: Path, numbers: range, classes=CLASSES, ending: str = "png") -> Path:
    """Image i of the numbers goes into class i modulo the number of classes, called 00i.png."""
    for number in numbers:
        class_folder = folder / classes[number % len(classes)]
        class_folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(square(number)).save(class_folder / f"{number:03}.{ending}")
    return folder


def splits(dataset: Dataset) -> list:
    return [dataset.train, dataset.val, dataset.test]


def numbers_of(split) -> list[int]:
    """-> the number of each image of the split."""
    padded = np.stack([square(number) for number in range(40)])
    return [int((padded == image[..., 0]).all((1, 2)).argmax()) for image in split.images]


# ---- what is read ----

def test_each_subfolder_is_a_class_and_all_images_are_read(tmp_path, capfd):
    dataset = load(fill(tmp_path / "glyphs", range(40), ending="bmp"))  # not the dataset of this name
    assert dataset.name == "glyphs" and dataset.class_names == CLASSES
    assert dataset.image_shape == (20, 20, 1)
    numbers = [numbers_of(split) for split in splits(dataset)]
    assert [len(part) for part in numbers] == [34, 3, 3]
    assert sorted(sum(numbers, [])) == list(range(40))
    for split, part in zip(splits(dataset), numbers, strict=True):
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32
        np.testing.assert_array_equal(split.labels, np.array(part)[:, None] % 3)
    assert load(tmp_path / "glyphs", COLOUR=True).image_shape == (20, 20, 3)
    assert data.load(settings(DATASET=str(tmp_path / "glyphs"))).image_shape == (28, 28, 1)
    assert capfd.readouterr() == ("", ""), "only large folders show a progress bar"

    # the pixels of a large JPEG, on which digests of runs depend
    large = tmp_path / "glyphs" / "daisy" / "large.jpg"
    Image.fromarray(np.kron(square(0), np.ones((20, 20), np.uint8))).save(large)
    images = np.concatenate([split.images for split in splits(load(tmp_path / "glyphs"))])
    assert (images == image_file.read(large, 20, colour=False)).all((1, 2, 3)).any()


def test_the_seed_and_the_sorted_names_alone_decide_the_order(tmp_path):
    first = fill(tmp_path / "first", range(40))
    second = fill(tmp_path / "second", range(39, -1, -1))  # made in another order
    assert load(first).digest == load(second).digest
    assert load(first).digest != load(first, SEED=1).digest
    in_order = sorted(range(40), key=lambda number: (number % 3, number))
    order = np.random.default_rng([0, 0, 2]).permutation(40)
    as_before = load(first, SPLIT="random")
    assert numbers_of(as_before.val) == [in_order[place] for place in order[:4]]
    for dataset in (as_before, load(first)):
        files = [f"{CLASSES[number % 3]}/{number:03}.png" for number in numbers_of(dataset.test)]
        assert dataset.test_files == tuple(files)


def test_hidden_files_and_files_beside_the_class_folders_are_ignored(tmp_path):
    plain = load(fill(tmp_path, range(12))).digest
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "rose" / name).write_text("not an image")
    for name in (".git", "__MACOSX"):
        (tmp_path / name).mkdir()
        (tmp_path / "rose" / name).mkdir()
    (tmp_path / "README.txt").write_text("flowers")
    assert load(tmp_path).digest == plain


@pytest.mark.parametrize("given, sizes", [
    (["train", "val", "test"], [20, 6, 9]),
    (["train", "test"], [17, 3, 9]),
    (["train", "val"], [17, 6, 3]),
    (["train"], [14, 3, 3]),
])
def test_folders_called_train_val_and_test_are_the_splits(tmp_path, given, sizes):
    numbers = {"train": range(20), "val": range(20, 26), "test": range(26, 35)}
    for part in given:
        fill(tmp_path / part, numbers[part])
    dataset = load(tmp_path)
    assert dataset.class_names == CLASSES
    assert [len(split.labels) for split in splits(dataset)] == sizes
    for part in given[1:]:
        split = getattr(dataset, part)
        assert sorted(numbers_of(split)) == list(numbers[part])
        np.testing.assert_array_equal(split.labels[:, 0], np.array(numbers_of(split)) % 3)


def test_a_test_split_may_lack_a_class_and_may_stand_alone(tmp_path, capsys):
    fill(tmp_path / "test", range(6), classes=("daisy", "tulip"))
    alone = data.load(settings(DATASET=str(tmp_path), IMAGE_SIZE=20), test_only_ok=True)
    assert alone.class_names == ("daisy", "tulip") and [len(split.labels) for split in splits(alone)] == [0, 0, 6]
    assert alone.test_files[:2] == ("test/daisy/000.png", "test/daisy/002.png") and alone.image_shape == (20, 20, 1)
    assert "train: expected an image or more, received none; a test split alone" in refusal(load, tmp_path)
    assert capsys.readouterr().out == ""
    fill(tmp_path / "train", range(12))
    dataset = load(tmp_path)
    assert dataset.class_names == CLASSES and dataset.test.labels[:, 0].tolist() == [0, 0, 0, 2, 2, 2]
    assert capsys.readouterr().out == f"{tmp_path}: 1 of 3 classes have no test images: rose\n"


@pytest.mark.parametrize("names, in_order", [
    (["0", "1", "2", "10", "11"], ["0", "1", "2", "10", "11"]), (["007", "12", "8"], ["007", "8", "12"]),
    (["1", "10", "2", "x"], ["1", "10", "2", "x"]), (["1.5", "10.5", "2.5"], ["1.5", "10.5", "2.5"]),
    (["car", "train"], ["car", "train"])])
def test_whole_numbers_are_sorted_as_numbers(tmp_path, names, in_order):
    dataset = load(fill(tmp_path, range(30), classes=names))
    assert dataset.class_names == tuple(in_order)
    for split in splits(dataset):
        found = [in_order[label] for label in split.labels[:, 0]]
        assert found == [names[number % len(names)] for number in numbers_of(split)]


def test_images_that_look_like_a_mistake_are_said(tmp_path, capsys):
    fill(tmp_path / "deep", range(30))
    for file in (tmp_path / "deep").rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(file)).astype(np.uint16) * 16).save(file)
    assert load(tmp_path / "deep").train.images.max() == 15
    assert "the brightest pixel is 15 of 255" in capsys.readouterr().out
    fill(tmp_path / "blank", range(30))
    for number in (0, 3, 6, 9):
        Image.new("LA", (10, 30), (80, 0)).save(tmp_path / "blank" / "daisy" / f"{number:03}.png")
    load(tmp_path / "blank")
    out = capsys.readouterr().out
    assert "4 of 30 images have a single shade" in out and "daisy/000.png, daisy/003.png, daisy/006.png, ..." in out


# ---- files that are no images ----

def test_files_that_are_no_images_are_named_or_left_out_if_the_user_says_so(tmp_path, capsys):
    clean = load(fill(tmp_path, range(12))).digest
    for name in ("a.txt", "b.txt", "c\n.png", "d.txt"):
        (tmp_path / "rose" / name).write_text("not an image")
    message = refusal(load, tmp_path)
    for words in [str(tmp_path), "4 of 16 files", "rose/a.txt", "rose/c", "not a PNG, JPEG", ", ...",
                  "--skip_bad_images"]:
        assert words in message, message
    assert "d.txt" not in message
    assert load(tmp_path, SKIP_BAD_IMAGES=True).digest == clean
    out = capsys.readouterr().out
    assert "left out 4 of 16 files" in out and "rose/a.txt" in out and out.count("\n") == 1

    # no class may be lost
    (tmp_path / "weed").mkdir()
    (tmp_path / "weed" / "a.png").write_text("not an image")
    message = refusal(load, tmp_path, SKIP_BAD_IMAGES=True)
    assert str(tmp_path / "weed") in message and "only files that cannot be read" in message


# ---- folders that are not like this ----

def empty(folder: Path):
    """A folder without anything to see in it."""
    folder.mkdir(parents=True)
    (folder / ".gitkeep").write_text("")


def loose(folder: Path):
    fill(folder, range(12), classes=("all",))
    for file in (folder / "all").iterdir():
        file.rename(folder / file.name)
    (folder / "all").rmdir()


def odd_name(folder: Path):
    os.rename(fill(folder, range(12)) / "rose", folder / "ro\nse")


# what is made in the folder, which of its folders the line names, and words of the line
NOT_LIKE_THIS = {
    "nothing": (lambda folder: None, "", ["no subfolder, and 0 files"]),
    "no class folders": (loose, "", ["no subfolder, and 12 files"]),
    "one class": (lambda folder: fill(folder, range(12), classes=("daisy",)), "", ["two to 1,000 classes", "1: daisy"]),
    "an empty class": (lambda folder: empty(fill(folder, range(12)) / "weed"), "weed", ["an empty folder"]),
    # a split with another name would otherwise become a class
    "a misspelt split": (lambda folder: fill(fill(folder / "train", range(12)).parent / "validation", range(12)),
                         "train", ["the folder daisy", "train, val, test"]),
    "splits without classes": (lambda folder: fill(folder, range(12), classes=("test", "train")), "train",
                               ["no subfolder, and 6 files"]),
    "a test split without classes": (lambda folder: empty(fill(folder / "train", range(12)).parent / "test"), "test",
                                     ["no subfolder"]),
    "another class": (lambda folder: fill(fill(folder / "train", range(12)).parent / "test", range(3),
                                          classes=("daisy", "rose", "tulips")), "test", ["did you mean tulip?"]),
    "an odd name": (odd_name, "", [r"'ro\nse'"]),
}


@pytest.mark.parametrize("make, where, words", NOT_LIKE_THIS.values(), ids=NOT_LIKE_THIS)
def test_a_folder_that_is_not_like_this_is_refused(tmp_path, make, where, words):
    make(tmp_path)
    message = refusal(load, tmp_path)
    assert message.startswith(f"{tmp_path / where}: expected ") and all(word in message for word in words), message


def test_a_folder_that_cannot_be_read_or_has_too_many_classes_is_refused(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    fill(tmp_path, range(12))
    monkeypatch.setattr(folder_format, "MAX_CLASSES", 3)
    load(tmp_path)
    (tmp_path / "weed").mkdir()
    assert "two to 3 classes" in refusal(load, tmp_path)
    monkeypatch.setattr(Path, "iterdir", denied)
    assert "Permission denied" in refusal(load, tmp_path)


@pytest.mark.parametrize("size, accepted", [(16, False), (17, True), (1024, True), (1025, False)])
def test_the_image_size_is_one_that_the_network_takes(size, accepted):
    assert folder_format.SETTINGS["IMAGE_SIZE"].rule.holds(size) == accepted
