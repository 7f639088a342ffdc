"""The command predict.py: files in, a table, JSON or a figure out."""
import json
from pathlib import Path

import numpy as np

import cli
from data.readers import numpy_file
from data.readers.files import expect
from data.remarks import some
from evaluation.figures import sheets, style
from output import check_writable, progress, say, write_whole, writing
from serving import images
from serving.trained import Answer, Trained, load
from settings import InputError

MOST_DRAWN = 100   # images in a figure
MOST_LETTERS = 11  # of a class's name above an image
LOW = 0.5          # a score below it is worth a remark


def predict(paths: list[str], ckpt: str, as_is: bool, as_json: bool, figure: str | None) -> int:
    """Prints an answer for each image of the paths. Returns 0, or 2 if one could not be read.

    One that cannot be read is a line on standard error, and the others are still answered. Files
    that are passed over and low scores are remarks on standard error.
    """
    # Refuse what cannot work before the network is loaded.
    if figure:
        figure = Path(figure)
        expect(figure.suffix.lower() == ".png", "--figure", "a file called .png", figure)
        check_writable("--figure", figure)
    files, passed_over = images.find(paths)
    remark("passed over, not called as images are:", [str(file) for file in passed_over])

    # Read the images.
    network = load(ckpt)
    names, pictures, status = [], [], 0
    for path in progress(files, "reading", delay=1):
        try:
            read = read_file(network, path, as_is)
        except InputError as error:
            cli.complain(f"predict.py: error: {error}")
            status = 2
            continue
        names += read.keys()
        pictures += read.values()

    # Answer.
    if not pictures:
        return status
    answers = network.answers(pictures)
    for line in as_objects(names, answers) if as_json else as_table(names, answers):
        say(line)
    low = [name for name, answer in zip(names, answers, strict=True) if answer.score < LOW]
    remark(f"with a score below {LOW}, whose answer may be wrong:", low)
    if figure:
        drawn = draw(answers, figure)
        if not as_json:  # standard output is then for objects alone
            say(drawn)
    return status


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
    array = images.as_network_takes(array, network.image_shape, path)
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


def draw(answers: list[Answer], path: Path) -> str:
    """Writes the sheet of the first MOST_DRAWN images. Returns a line that says so.

    InputError if it cannot be written.
    """
    answers = answers[:MOST_DRAWN]
    seen = np.stack([answer.image for answer in answers])
    captions = [f"{style.shorten(answer.name, MOST_LETTERS)}\n({answer.score:.2f})"
                for answer in answers]
    blank, unmarked = [""] * len(answers), np.zeros(len(answers), bool)
    rows = [sheets.Row("as the network saw it", seen, captions, unmarked)]
    if answers[0].reconstruction is not None:
        drawn = np.stack([answer.reconstruction for answer in answers])
        rows.append(sheets.Row("reconstruction", drawn, blank, unmarked))
    sheet = sheets.rows_of_images("class (score)", rows)
    with writing(path, "--figure"):
        write_whole(path, style.png(sheet))
    return f"{path}: {len(answers)} image{'s' * (len(answers) > 1)}"
