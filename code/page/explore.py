"""One page from a checkpoint: the network, what its test images say of it, and the code."""
from pathlib import Path

import numpy as np

import config
import data
from data.dataset import Dataset
from data.readers.files import expect
from evaluation.evaluate import check_fit, in_order_of
from evaluation.network.predictor import Predictor
from evaluation.sampling import spread_evenly
from output import check_writable, say, write_whole, writing
from page import assemble, effects, measure, weights
from runs import checkpoints
from settings import Config, InputError

SAMPLES = 10  # images of a dataset to start from, of as many classes as there are
GLYPHS = (28, 28, 1), tuple("0123456789")  # image_shape and class_names of the glyphs


def explore(given: dict, out: str, effects_file: str | None):
    """Writes the page of the network given["CKPT"] to `out`, and says how to open it.

    given: CKPT, and settings of the images that the user gave
    effects_file: a results.json of cap_tweak, or None. InputError if anything cannot be had.
    """
    out = Path(out)
    check_writable("--out", out)

    # Read the network.
    loaded = checkpoints.load(given["CKPT"])
    network, name = loaded.network, loaded.name
    trained, class_names = loaded.run.settings, loaded.run.class_names
    described, arrays = weights.describe(network, f"{loaded.prefix} ({trained.MODEL})")
    has_capsules = described["kind"] == "capsules"
    if has_capsules:
        described["effects"] = effects.read(effects_file, network, name, described["classDim"])
    else:
        expect(effects_file is None, "--effects", "a network with capsules",
               f"{name} ({trained.MODEL}), which has none")

    # Measure it on its test images.
    dataset, missing = load_images(trained, given, (network.image_shape, class_names))
    dataset = in_order_of(loaded.run, dataset)
    check_fit(loaded, dataset)
    predictor = Predictor(network, trained, config.EVAL["BATCH_SIZE"].default)
    measured = measure.measure(predictor, dataset)
    samples, titles = choose_samples(dataset, trained)
    images = f"{measured.images:,} test images of {dataset.name}"
    if has_capsules:
        described["ranges"] = measured.ranges.round(5).tolist()
        source = (f"Each slider spans what the dimension takes on {images}; the band is its 5th to "
                  "95th percentile.")
    else:
        source = f"A drawing is scaled and centred as {images} are."
    if missing:
        source = f"The images of {Path(trained.DATASET).stem} were not at hand. {source}"

    # Write the page.
    about = {**described, "name": name, "trainedOn": Path(trained.DATASET).stem,
             "classNames": class_names, "labels": dataset.test.labels.shape[1],
             "frame": measured.frame, "samples": titles, "source": source}
    content = assemble.page(about, {**arrays, "samples": samples})
    with writing(out, "--out"):
        write_whole(out, content)
    if missing:
        measures = "ranges and samples" if has_capsules else "samples"
        say(f"{measures} are those of {dataset.name}: {missing}")
    say(f"{out}: {len(content) / 1e6:.1f} MB; open it in a browser: {out.as_uri()}")


def load_images(trained: Config, given: dict, kind: tuple) -> tuple[Dataset, str | None]:
    """Returns the dataset, and why it is not the one of the training, or None.

    kind: image_shape and class_names of the training. Where its dataset cannot be had, the glyphs
    take its place. InputError instead if they are of another kind, if the user named the images, or
    if the training had the user's own: what those call "0" to "9" need not be digits.
    """
    named = {name: value for name, value in given.items() if name in config.DATA}
    try:
        return data.load(trained.changed(**named), test_only_ok=True), None
    except InputError as error:
        if named or kind != GLYPHS or trained.DATASET not in config.DATASETS:
            raise
        return data.load(trained.changed(DATASET="glyphs")), str(error)


def choose_samples(dataset: Dataset, trained: Config) -> tuple[np.ndarray, list[str]]:
    """Returns images to start from, uint8 [n, H, W, C], and their titles.

    Test images, and glyphs beside those of a named dataset of digits, if they are of the same size.
    """
    sources = [dataset]
    kind = dataset.image_shape, dataset.class_names
    if dataset.name != "glyphs" and dataset.name in config.DATASETS and kind == GLYPHS:
        sources.append(data.load(trained.changed(DATASET="glyphs")))
    images, titles = [], []
    for source in sources:
        labels = source.test.labels[:, 0]
        chosen = spread_evenly(labels, SAMPLES, 0)
        split = source.test.take(chosen[np.argsort(labels[chosen], kind="stable")])
        images.append(split.images)
        for labels in split.labels:
            names = " and ".join(source.class_names[label] for label in labels)
            titles.append(f"{source.name}, test image: {names}")
    return np.concatenate(images), titles
