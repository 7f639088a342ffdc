"""One evaluation from its settings to its report."""
from pathlib import Path
from typing import TYPE_CHECKING

import catalog
import cli
import config
import data
from data.dataset import Dataset
from evaluation.report import Report
from settings import Config, InputError

if TYPE_CHECKING:  # imports TensorFlow
    from model.network import Network

FOLDER = "evaluation.modes"

# The settings of all modes; and those of datasets, which are as in training if not given.
OF_MODES = catalog.settings(FOLDER)
OF_DATASETS = {name: row for name, row in config.DATA.items() if name not in config.EVAL}
TABLE = {**config.EVAL, **OF_MODES, **OF_DATASETS}


def evaluate(given: dict) -> int:
    """Runs the mode on the network and the test split that the settings name -> exit status

    given: the settings that the user gave. InputError if they cannot be had.
    """
    cfg = Config(TABLE, given)
    mode = catalog.module(FOLDER, cfg.MODE)
    if hasattr(mode, "check"):
        mode.check(cfg)

    # the network
    cli.start_tensorflow()
    from evaluation.predictor import Predictor
    from training import checkpoints
    network, trained, prefix = checkpoints.load(cfg.CKPT)
    check_needs(mode.NEEDS, network, f"{prefix} ({trained.MODEL})", cfg.MODE)

    # the images: those of its training, split by its seed, unless the user says otherwise
    as_trained = {name: trained[name] for name in config.DATA.keys() - given.keys()}
    cfg = cfg.changed(**as_trained, CKPT=str(prefix))
    dataset = data.load(trained.changed(**{name: cfg[name] for name in config.DATA}))
    check_fit(network, prefix, dataset)
    if hasattr(mode, "check_dataset"):
        mode.check_dataset(dataset, cfg)

    # measure
    folder = mode.folder(cfg) if hasattr(mode, "folder") else ""
    report = Report(Path(cfg.FIG_DIR) / cfg.MODE / folder, cfg)
    predictor = Predictor(network, trained, cfg.BATCH_SIZE)
    numbers, details = mode.run(predictor, dataset, cfg, report)
    subject = {"checkpoint": f"{prefix.parent.name}/{prefix.name}",
               "trained_on": Path(trained.DATASET).stem, "evaluated_on": dataset.name}
    report.close(subject, numbers, details)
    return 0


def check_needs(needs: frozenset[str], network: "Network", name: str, mode: str):
    """InputError, with the modes that work, if the network lacks anything of what the mode needs.

    name: of the network
    """
    lacks = needs - network.capabilities
    if lacks:
        working = [other for other in catalog.names(FOLDER)
                   if network.capabilities.issuperset(catalog.module(FOLDER, other).NEEDS)]
        raise InputError(f"--mode {mode}: expected a network with {' and '.join(sorted(lacks))}, "
                         f"received {name} without; --mode {' or '.join(working)} works")


def check_fit(network: "Network", prefix: Path, dataset: Dataset):
    """InputError unless the network is one for images of that size and that many classes."""
    if (network.image_shape, network.classes) != (dataset.image_shape, dataset.classes):
        raise InputError(
            f"{prefix}: expected a network for images of [H, W, C] {dataset.image_shape} and "
            f"{dataset.classes} classes, as {dataset.name} has, received one for "
            f"{network.image_shape} and {network.classes}")
