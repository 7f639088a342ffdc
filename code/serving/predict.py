"""The command predict.py: files in, a table, JSON or a figure out."""
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import cli
from data.readers import image_file, numpy_file
from data.readers.files import expect
from data.remarks import some
from evaluation.figures import sheets, style
from output import check_writable, progress, say, write_whole, writing
from serving.trained import Answer, Trained, as_network_takes, load
from settings import InputError

MOST_DRAWN = 100   # images in a figure
MOST_LETTERS = 11  # of a class's name above an image
LOW = 0.5          # a score below it is worth a remark


def predict(paths: list[str], ckpt: str, as_is: bool, as_json: bool, figure: str | None) -> int:
    """Prints an answer for each image of the paths. Returns 0, or 2 if one could not be read."""
    # Refuse what cannot work before the network is loaded.
    if figure:
        figure = Path(figure)
        expect(figure.suffix.lower() == ".png", "--figure", "a file called .png", figure)
        check_writable("--figure", figure)
    files, passed_over = find(paths)
    remark("passed over, not called as images are:", [str(file) for file in passed_over])

    # Read the images.
    network = load(ckpt)
    names, images, status = [], [], 0
    for path in progress(files, "reading", delay=1):
        try:
            read = read_file(network, path, as_is)
        except InputError as error:
            cli.complain(f"predict.py: error: {error}")
            status = 2
            continue
        names += read.keys()
        images += read.values()

    # Answer.
    if not images:
        return status
    answers = network.answers(images)
    for line in as_objects(names, answers) if as_json else as_table(names, answers):
        say(line)
    low = [name for name, answer in zip(names, answers, strict=True) if answer.score < LOW]
    remark(f"with a score below {LOW}, whose answer may be wrong:", low)
    if figure:
        drawn = answers[:MOST_DRAWN]
        with writing(figure, "--figure"):
            write_whole(figure, style.png(sheet_of(drawn)))
        if not as_json:  # standard output is then for objects alone
            say(f"{figure}: {len(drawn)} image{'s' * (len(drawn) > 1)}")
    return status


def find(paths: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Returns the files, with the images in it in place of each folder, and those passed over.

    Subfolders are included, hidden files are in neither list. InputError if a folder has no image,
    or if it or a subfolder cannot be read.
    """
    def refuse(error: OSError):
        raise InputError(f"{error.filename} cannot be read: {error.strerror}")

    found, passed_over = [], []
    for path in map(Path, paths):
        if not os.path.isdir(path):
            found.append(path)
            continue
        files = []
        for inside, folders, names in os.walk(path, onerror=refuse):
            folders[:] = [name for name in folders if not image_file.is_hidden(name)]
            files += [Path(inside, name) for name in names if not image_file.is_hidden(name)]
        pictures = sorted(file for file in files if file.suffix.lower() in image_file.SUFFIXES)
        expect(len(pictures) > 0, path, f"a folder with images ({', '.join(image_file.SUFFIXES)})",
               "none in it")
        found += pictures
        passed_over += sorted(set(files) - set(pictures))
    return found, passed_over


def remark(words: str, names: list[str]):
    """Prints how many files there are, and the first of them, in one line on standard error."""
    if names:
        files = "1 file" if len(names) == 1 else f"{len(names)} files"
        cli.complain(f"predict.py: {files} {words} {some(names)}")


def read_file(network: Trained, path: Path, as_is: bool) -> dict[str, np.ndarray]:
    """Returns {name: image [H, W, C]}, one of a picture, N of an .npy. InputError if neither."""
    if path.suffix.lower() != ".npy":
        return {str(path): network.read(path, as_is)}
    array = numpy_file.read(path)
    expect(isinstance(array, np.ndarray), path, "an .npy", "an .npz")
    array = as_network_takes(array, network.image_shape, path)
    return {f"{path}[{n}]": image for n, image in enumerate(array)}


def as_objects(names: list[str], answers: list[Answer]) -> list[str]:
    """Returns a line of JSON for each image."""
    return [json.dumps({"file": name, "class": answer.name, "score": round(answer.score, 6),
                        "runner_up": answer.runner_up,
                        "runner_up_score": round(answer.runner_up_score, 6)})
            for name, answer in zip(names, answers, strict=True)]


def as_table(names: list[str], answers: list[Answer]) -> list[str]:
    """Returns the lines of a table, the first of which names its columns."""
    rows = [("file", "class", "score", "runner-up", "score")]
    for name, answer in zip(names, answers, strict=True):
        rows.append((name, answer.name, f"{answer.score:.3f}", answer.runner_up,
                     f"{answer.runner_up_score:.3f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def sheet_of(answers: list[Answer]) -> Figure:
    """Draws the images as the network saw them, each above its reconstruction if it has one."""
    captions = [f"{style.shorten(answer.name, MOST_LETTERS)}\n({answer.score:.2f})"
                for answer in answers]
    seen = np.stack([answer.image for answer in answers])
    rows = [sheets.Row("as the network saw it", seen, captions)]
    if answers[0].reconstruction is not None:
        drawn = np.stack([answer.reconstruction for answer in answers])
        rows.append(sheets.Row("reconstruction", drawn, [""] * len(answers)))
    return sheets.rows_of_images("class (score)", rows)
