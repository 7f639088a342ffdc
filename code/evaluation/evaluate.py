"""One evaluation from its settings to its report."""
from pathlib import Path
from types import ModuleType

import numpy as np

import config
import data
import registry
from data.dataset import Dataset
from evaluation.network.predictor import Predictor
from evaluation.report import Report
from output import say
from runs import checkpoints
from runs.checkpoints import Loaded
from settings import Config, InputError, split_paths

FOLDER = "evaluation.modes"


def evaluate(given: dict) -> int:
    """Runs the mode on the networks and the test split that the settings name -> exit status

    What a mode may have, such as `check` and COMPARES, is in modes/__init__.py.

    given: the settings that the user gave. InputError if networks or images cannot be had.
    """
    cfg = Config(config.EVAL_ALL, given)
    registry.check_owned(given, FOLDER, "--mode", cfg.MODE)
    of_attacks = sorted(given.keys() & registry.settings("evaluation.attacks").keys())
    if of_attacks and cfg.MODE != "adversarial":
        raise InputError(f"--{of_attacks[0].lower()}: expected --mode adversarial, which has this "
                         f"setting, received --mode {cfg.MODE}")
    mode = registry.module(FOLDER, cfg.MODE)
    if hasattr(mode, "check"):
        mode.check(cfg)
    paths = split_paths(cfg.CKPT)
    check_count(len(paths), mode, cfg.MODE)

    # the networks
    loaded = [checkpoints.load(path) for path in paths]
    for one in loaded:
        check_needs(needs_of(mode), one, cfg.MODE)

    # The images: settings that the user does not give are those of the first network's training.
    # So is the seed by which they are split.
    first = loaded[0].run.settings
    as_trained = {name: first[name] for name in config.DATA.keys() - given.keys()}
    cfg = cfg.changed(**as_trained, CKPT=",".join(str(one.prefix) for one in loaded))
    images = {name: cfg[name] for name in config.DATA}
    dataset = data.load(first.changed(**images))
    for one in loaded:
        check_fit(one, dataset)
    # The user's own images are split by a seed. A network of another seed may have seen these.
    for other in loaded[1:]:
        if cfg.DATASET not in config.DATASETS and other.run.settings.SEED != first.SEED:
            check_unseen(other, images, dataset)
    if hasattr(mode, "check_dataset"):
        mode.check_dataset(dataset, cfg)
    for one in loaded:
        say_differences(one, first.changed(**images), dataset)

    # measure
    predictors = {name: Predictor(one.network, one.run.settings, cfg.BATCH_SIZE)
                  for name, one in zip(names_of(loaded), loaded, strict=True)}
    folder = mode.folder(cfg) if hasattr(mode, "folder") else ""
    report = Report(Path(cfg.FIG_DIR) / cfg.MODE / folder, cfg)
    compares = getattr(mode, "COMPARES", False)
    subjects = predictors if compares else next(iter(predictors.values()))
    numbers, details = mode.run(subjects, dataset, cfg, report)
    # the names of the datasets, each once
    trained_on = {Path(one.run.settings.DATASET).stem: None for one in loaded}
    subject = {"checkpoint": ", ".join(one.name for one in loaded),
               "trained_on": ", ".join(trained_on), "evaluated_on": dataset.name}
    report.close(subject, numbers, details)
    return 0


def check_count(count: int, mode: ModuleType, name: str):
    """InputError, with the modes that work, if there are several networks and the mode takes one.

    name: of the mode
    """
    if count > 1 and not getattr(mode, "COMPARES", False):
        able = [other for other in registry.names(FOLDER)
                if getattr(registry.module(FOLDER, other), "COMPARES", False)]
        raise InputError(f"--ckpt: expected one network for --mode {name}, received {count}; "
                         f"several go with --mode {', '.join(able)}")


def names_of(loaded: list[Loaded]) -> list[str]:
    """Returns a name for each network, no two alike.

    All are named by their folders, or by folder and checkpoint, or by the whole path: the first of
    these that tells them apart. InputError if two are the same network.
    """
    short = [one.prefix.parent.name for one in loaded]
    longer = [one.name for one in loaded]
    full = [str(one.prefix) for one in loaded]
    for names in (short, longer, full):
        if len(set(names)) == len(names):
            return names
    twice = next(name for name in full if full.count(name) > 1)
    raise InputError(f"--ckpt: expected different networks, received {twice} twice")


def needs_of(mode: ModuleType) -> frozenset[str]:
    return getattr(mode, "NEEDS", frozenset())


def check_needs(needs: frozenset[str], loaded: Loaded, mode: str):
    """InputError, with the modes that work, if the network lacks anything of what the mode needs.
    """
    lacks = needs - loaded.network.capabilities
    if lacks:
        working = [other for other in registry.names(FOLDER)
                   if needs_of(registry.module(FOLDER, other)) <= loaded.network.capabilities]
        raise InputError(f"--mode {mode}: expected a network with {' and '.join(sorted(lacks))}, "
                         f"received {loaded.prefix} ({loaded.run.settings.MODEL}) without; "
                         f"--mode {' or '.join(working)} works")


def check_unseen(loaded: Loaded, images: dict, dataset: Dataset):
    """InputError if the network was trained on test images of `dataset`, the user's own images.

    Without a test split of their own, the seed of the training splits them. So test images of one
    seed are training images of another.

    images: the settings by which `dataset` was loaded
    """
    run = loaded.run
    seen = data.load(run.settings.changed(**images))
    trained_on_it = seen.digest == run.data
    if trained_on_it and not np.array_equal(seen.test.images, dataset.test.images):
        raise InputError(
            f"{loaded.prefix}: expected a network that has not seen the test images, received one of "
            f"--seed {run.settings.SEED}, which splits {images['DATASET']} otherwise; give these "
            "images a test split of their own, or compare networks of one seed")


def say_differences(loaded: Loaded, cfg: Config, dataset: Dataset):
    """Says where the network may not be meant for this dataset, although the shapes fit.

    cfg: the settings by which the dataset was loaded
    """
    run, prefix = loaded.run, loaded.prefix
    # Classes have no names but numbers to a network.
    if run.class_names != dataset.class_names:
        say(f"{prefix} has other classes, {shown(run.class_names)}, than {dataset.name}, "
            f"{shown(dataset.class_names)}: they are compared in this order")

    # Without a test split of their own, other images are split in another way, too.
    own = cfg.DATASET not in config.DATASETS
    alike = all(cfg[name] == run.settings[name]
                for name in ("DATASET", *config.OF_DATASETS, "SEED"))
    if own and alike and run.data != dataset.digest:
        say(f"{prefix}: {cfg.DATASET} has changed since the training. Unless it has a test split "
            "of its own, the network may have been trained on some of these test images")


def shown(names: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def check_fit(loaded: Loaded, dataset: Dataset):
    """InputError unless the network is one for images of that size and that many classes."""
    network = loaded.network
    if (network.image_shape, network.classes) != (dataset.image_shape, dataset.classes):
        raise InputError(
            f"{loaded.prefix}: expected a network for images of [H, W, C] {dataset.image_shape} and "
            f"{dataset.classes} classes, as {dataset.name} has, received one for "
            f"{network.image_shape} and {network.classes}")
