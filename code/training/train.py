"""A training from its flags to its results. What is refused is refused before the first step."""
import shlex
import sys
from pathlib import Path

import data
from config import TRAIN
from runs import claim
from runs.config import RunConfig, load_config
from settings import ROOT, Config, InputError
from training import session
from training.devices import devices_of


def train(given: dict, train_dir: str | None = None, ckpt: str | None = None,
          strategy: str = "none", devices: int = 0) -> int:
    """Begins the run in `train_dir`, or resumes the one in `ckpt`. -> the command's exit status.

    given: settings of config.TRAIN by name; train_dir: None for a new folder in output/; strategy,
    devices: see devices.devices_of. InputError if something does not fit.
    """
    # settings and images
    began = load_config(ckpt) if ckpt else None
    cfg = began.resumed(ckpt, given) if began else Config(TRAIN, given)
    for name in ("COOLDOWN", "WARMUP"):
        if cfg[name] > cfg.MAX_ITERS:
            raise InputError(f"--{name.lower()}: expected at most --max_iters, {cfg.MAX_ITERS}, "
                             f"received {cfg[name]}")
    if cfg.LR_FLOOR > cfg.LR:
        raise InputError(f"--lr_floor: expected at most --lr, {cfg.LR}, received {cfg.LR_FLOOR}")
    dataset = data.load(cfg)
    config = RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest,
                       dataset.class_names)

    # devices
    used = devices_of(strategy, devices)
    session.check_batch(cfg, used)
    session.check_validation(cfg, dataset)

    # the run's folder, which the chief alone has
    named = ckpt or train_dir
    folder = Path(named or claim.make_folder(cfg.DATASET))
    again = command(folder, strategy, devices)
    if not used.is_chief:
        return session.train(folder, config, dataset, again, used)
    with claim.locked(folder, is_new=not named) as log:
        if began:
            session.check_same_images(folder, began, config, dataset.name)
        else:
            claim.check_new(folder)
        return session.train(folder, config, dataset, again, used, log)


def command(folder: Path, strategy: str, devices: int) -> str:
    """-> the command that resumes the run."""
    words = [sys.executable, str(ROOT / "code" / "train.py"), "--ckpt", str(folder)]
    if strategy != "none":
        words += ["--strategy", strategy]
    if devices:
        words += ["--devices", str(devices)]
    return shlex.join(words)
