"""One evaluation from its settings to its report."""
import dataclasses
from pathlib import Path
from types import ModuleType

import numpy as np

import config
import data
import registry
from data.check import is_light
from data.dataset import Dataset
from data.remarks import some
from evaluation.network.predictor import Predictor
from evaluation.report import Report
from output import say
from runs import checkpoints
from runs.checkpoints import Loaded
from runs.config import RunConfig
from settings import Config, InputError, split_paths

FOLDER = "evaluation.modes"


def evaluate(given: dict) -> int:
    """Runs the mode on the networks and the test split that the settings name; returns the status.

    What a mode may have, such as `check` and COMPARES, is in modes/__init__.py.

    given: the settings that the user gave. InputError if networks or images cannot be loaded.
    """
    cfg = Config(config.EVAL_ALL, given)
    registry.check_owned(given, FOLDER, "--mode", cfg.MODE)
    if cfg.ATTACK != "all":
        attack = cfg.ATTACK if cfg.MODE == "adversarial" else "none"
        registry.check_owned(given, "evaluation.attacks", "--attack", attack)
    mode = registry.module(FOLDER, cfg.MODE)
    if hasattr(mode, "check"):
        mode.check(cfg)

    # the networks
    loaded = [checkpoints.load(path) for path in split_paths(cfg.CKPT)]
    first = loaded[0].run.settings
    names = names_of(loaded)
    if hasattr(mode, "check_networks"):
        mode.check_networks(loaded, cfg)

    # The images: settings that the user does not give are those of the first network's training.
    # So is the seed by which they are split.
    as_trained = {name: first[name] for name in config.DATA.keys() - given.keys()}
    cfg = cfg.changed(**as_trained, CKPT=",".join(str(one.prefix) for one in loaded))
    images = first.changed(**{name: cfg[name] for name in config.DATA})
    found = data.load(images, test_only_ok=True)
    dataset = in_order_of(loaded[0].run, found)
    for one in loaded:
        check_fit(one, dataset)
        check_order(one, loaded[0], dataset)
        check_unseen(one, images, dataset)
    check_mode(mode, loaded, dataset, cfg)
    for one in loaded:
        say_differences(one, images, found, dataset)

    # measure
    predictors = {name: Predictor(one.network, one.run.settings, cfg.BATCH_SIZE)
                  for name, one in zip(names, loaded, strict=True)}
    folder = mode.folder(cfg) if hasattr(mode, "folder") else ""
    report = Report(Path(cfg.FIG_DIR) / cfg.MODE / folder, cfg)
    compares = getattr(mode, "COMPARES", False)
    subjects = predictors if compares else predictors[names[0]]
    numbers, details = mode.run(subjects, dataset, cfg, report)
    # the names of the datasets, each once
    trained_on = {Path(one.run.settings.DATASET).stem: None for one in loaded}
    subject = {"checkpoint": ", ".join(one.name for one in loaded),
               "trained_on": ", ".join(trained_on), "evaluated_on": dataset.name}
    report.close(subject, numbers, {"class_names": dataset.class_names, **details})
    return 0


def names_of(loaded: list[Loaded]) -> list[str]:
    """Returns their folders, folders and checkpoints, or paths: the first that are all different.

    InputError if two are the same network.
    """
    folders = [one.prefix.parent.name for one in loaded]
    with_checkpoints = [one.name for one in loaded]
    paths = [str(one.prefix) for one in loaded]
    for names in (folders, with_checkpoints, paths):
        if len(set(names)) == len(names):
            return names
    raise InputError(f"--ckpt: expected different networks, received {', '.join(paths)}")


# ---- do mode, networks and images go together? ----

def check_mode(mode: ModuleType, loaded: list[Loaded], dataset: Dataset, cfg):
    """InputError, with the modes that work, if this one does not take these networks and images."""
    if reason := refusal(mode, loaded, dataset, cfg):
        others = {name: registry.module(FOLDER, name) for name in registry.names(FOLDER)}
        able = [name for name, other in others.items()
                if not refusal(other, loaded, dataset, cfg)]
        raise InputError(f"{reason}; --mode {' or '.join(able)} works")


def refusal(mode: ModuleType, loaded: list[Loaded], dataset: Dataset, cfg) -> str:
    """Returns why the mode does not take these networks and images; an empty string if it does."""
    name = mode.__name__.rpartition(".")[2]
    if len(loaded) > 1 and not getattr(mode, "COMPARES", False):
        return f"--ckpt: expected one network for --mode {name}, received {len(loaded)}"
    for one in loaded:
        lacks = getattr(mode, "NEEDS", frozenset()) - one.network.capabilities
        if lacks:
            return (f"--mode {name}: expected a network with {' and '.join(sorted(lacks))}, "
                    f"received {one.prefix} ({one.run.settings.MODEL}) without")
    try:
        if hasattr(mode, "check_dataset"):
            mode.check_dataset(dataset, cfg)
    except InputError as error:
        return str(error)
    return ""


def check_fit(loaded: Loaded, dataset: Dataset):
    """InputError unless the network is one for images of that size and that many classes."""
    network = loaded.network
    if (network.image_shape, network.classes) != (dataset.image_shape, dataset.classes):
        raise InputError(
            f"{loaded.prefix}: expected a network for images of [H, W, C] {dataset.image_shape} "
            f"and {dataset.classes} classes, as {dataset.name} has, received one for "
            f"{network.image_shape} and {network.classes}")


def in_order_of(run: RunConfig, dataset: Dataset) -> Dataset:
    """Returns the dataset with the network's classes, in its order, if it has no other names."""
    names = run.class_names
    if names == dataset.class_names or not set(dataset.class_names) <= set(names):
        return dataset
    if names[:dataset.classes] == dataset.class_names:  # the labels are the same
        return dataclasses.replace(dataset, class_names=names)
    place = np.array([names.index(name) for name in dataset.class_names], np.int32)  # [J]
    train, val, test = (split._replace(labels=place[split.labels])
                        for split in (dataset.train, dataset.val, dataset.test))
    return dataclasses.replace(dataset, train=train, val=val, test=test, class_names=names)


def check_order(loaded: Loaded, first: Loaded, dataset: Dataset):
    """InputError if the network has the classes of the dataset in another order than the first."""
    if in_order_of(loaded.run, dataset) is not dataset:
        raise InputError(f"{loaded.prefix}: expected the classes in the order of {first.prefix}, "
                         f"{some(first.run.class_names)}, received "
                         f"{some(loaded.run.class_names)}; evaluate them one by one")


def check_unseen(loaded: Loaded, images: Config, dataset: Dataset):
    """InputError if the network was trained on test images of `dataset`, loaded by `images`.

    The seed of the training splits images of the user's own that have no test split. So test images
    of one seed are training images of another.
    """
    run = loaded.run
    if images.DATASET in config.DATASETS or run.settings.SEED == images.SEED:
        return
    seen = data.load(run.settings.changed(**{name: images[name] for name in config.DATA}))
    trained_on_it = in_order_of(run, seen).digest == run.data
    if trained_on_it and not np.array_equal(seen.test.images, dataset.test.images):
        raise InputError(
            f"{loaded.prefix}: expected a network that has not seen the test images, received one "
            f"of --seed {run.settings.SEED}, which splits {images.DATASET} otherwise; give these "
            "images a test split of their own, or compare networks of one seed")


# ---- what looks like a mistake ----

def say_differences(loaded: Loaded, images: Config, found: Dataset, dataset: Dataset):
    """Says where the network may not be meant for these images, although the shapes fit.

    images: the settings by which they were loaded; found: as loaded; dataset: as evaluated
    """
    run, prefix = loaded.run, loaded.prefix
    if run.class_names != found.class_names:
        matched = run.class_names == dataset.class_names
        say(f"{prefix} has other classes, {some(run.class_names)} ({len(run.class_names)}), than "
            f"{found.name}, {some(found.class_names)} ({found.classes}): they are "
            f"{'matched by name' if matched else 'compared in this order'}")

    # Without a test split of their own, other images are split in another way, too.
    own = images.DATASET not in config.DATASETS
    split_by = ("DATASET", *config.OF_DATASETS, "SEED")
    alike = all(images[name] == run.settings[name] for name in split_by)
    if own and alike and run.data != dataset.digest:
        say(f"{prefix}: {images.DATASET} has changed since the training. Unless it has a test "
            "split of its own, the network may have been trained on some of these test images")

    # ink and paper
    if images.DATASET == run.settings.DATASET:
        return
    light = is_light(dataset.test)
    if run.settings.DATASET in config.DATASETS:
        if run.image_shape[2] > 1:  # photographs are both
            return
        trained = False             # grey ones are dark at their borders
    else:
        try:
            trained = is_light(data.load(run.settings).train)
        except InputError:  # they are gone
            return
    if light != trained:
        words = ("light", "dark") if light else ("dark", "light")
        say(f"{prefix}: {dataset.name} has a {words[0]} background, the training images had a "
            f"{words[1]} one. The numbers say little unless the images are inverted, 255 - x; "
            "predict.py inverts pictures for networks of handwriting, eval.py takes them as they "
            "are")
