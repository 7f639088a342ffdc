"""One page from a checkpoint: the network, what its test images say of it, and the code."""
import math
from pathlib import Path

import numpy as np

import config
import data
from data.dataset import Dataset, batches
from data.readers.files import expect
from evaluation.evaluate import check_fit, in_order_of
from evaluation.network.predictor import Predictor
from evaluation.sampling import spread_evenly
from output import check_writable, progress, say, write_whole, writing
from page import assemble, effects, measure, weights
from runs import checkpoints
from settings import Config

MOST_IMAGES = 10_000  # test images measured, spread evenly over the classes
PIECE = 1_000         # images measured at a time
SAMPLES = 10          # images of a dataset to start from, of as many classes as there are
GLYPHS = (28, 28, 1), tuple("0123456789")  # image_shape and class_names of the glyphs


def explore(given: dict, out: str, effects_file: str | None):
    """Writes the page of the network given["CKPT"] to `out`, and says how to open it.

    given: CKPT, and settings of the images that the user gave
    effects_file: a results.json of cap_tweak, or None. InputError if anything cannot be loaded.
    """
    out = Path(out)
    check_writable("--out", out)

    # Read the network.
    loaded = checkpoints.load(given["CKPT"])
    network, trained = loaded.network, loaded.run.settings
    about, arrays = weights.describe(network, f"{loaded.prefix} ({trained.MODEL})")
    has_capsules = about["kind"] == "capsules"
    expect(has_capsules or effects_file is None, "--effects", "a network with capsules",
           f"{loaded.name} ({trained.MODEL}), which has none")
    if has_capsules:
        about["effects"] = effects.read(effects_file, network, loaded.name, about["classDim"])

    # Measure it on its test images.
    named = {name: value for name, value in given.items() if name in config.DATA}
    dataset = in_order_of(loaded.run, data.load(trained.changed(**named), test_only_ok=True))
    check_fit(loaded, dataset)
    chosen = np.sort(spread_evenly(dataset.test.labels[:, 0], MOST_IMAGES, 0))
    split = dataset.test.take(chosen)
    source = f"{len(chosen):,} test images of {dataset.name}"
    if has_capsules:
        predictor = Predictor(network, trained, config.EVAL["BATCH_SIZE"].default)
        parts = progress(batches(split, PIECE), "test images", math.ceil(len(chosen) / PIECE))
        capsules = np.concatenate([predictor.predict(part.images).capsules for part in parts])
        about["ranges"] = measure.ranges_of(capsules, split.labels).round(5).tolist()
        about["source"] = (f"Each slider spans what the dimension takes on {source}; the band is "
                           "its 5th to 95th percentile.")
    else:
        about["source"] = f"A drawing is scaled and centred as {source} are."

    # Write the page.
    samples, titles = choose_samples(dataset, trained)
    about |= {"name": loaded.name, "trainedOn": Path(trained.DATASET).stem,
              "classNames": loaded.run.class_names, "labels": split.labels.shape[1],
              "frame": measure.frame_of(split), "samples": titles}
    content = assemble.page(about, {**arrays, "samples": samples})
    with writing(out, "--out"):
        write_whole(out, content)
    say(f"{out}: {len(content) / 1e6:.1f} MB; open it in a browser: {out.as_uri()}")


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
