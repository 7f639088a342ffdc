"""The folder of one training run: config.json, log.txt, metrics.jsonl, tensorboard/, checkpoints and results.json."""
import json
import os
import platform
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import checkpoints
from config import InputError, load_config, save_config, write_whole


def create(folder, cfg, dataset):
    """Makes the folder of a new run. InputError if it holds one already or cannot be written."""
    folder = Path(folder)
    if (folder / "config.json").exists():
        raise InputError(f"{folder} already holds a run; continue it with --ckpt {folder}, or name another --train_dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_config(folder, cfg, dataset.image_shape, dataset.classes)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; name another --train_dir") from None


def settings_to_continue(folder, given):
    """-> the settings of the run in `folder`, with those of `given` that may change. InputError for the others."""
    cfg, _, _ = load_config(folder)
    for name, value in given.items():
        if value != cfg[name] and not cfg.__table__[name].may_change:
            raise InputError(f"--{name.lower()} {value}: the run in {folder} has {cfg[name]}, and a continued run "
                             "keeps it; leave the flag out, or begin a new run")
    cfg.update(given)
    return cfg


def check_dataset(folder, dataset):
    """InputError if the images or classes are not those that the run in `folder` began with."""
    _, *began = load_config(folder)
    if began != [dataset.image_shape, dataset.classes]:
        raise InputError(f"{folder} is a run on images of [H, W, C] {began[0]} and {began[1]} classes; {dataset.name} "
                         f"now has {dataset.image_shape} and {dataset.classes}")


def about():
    """What a results.json says of how it was made: the command, the versions and the hardware."""
    return {"command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "versions": {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__},
            "hardware": f"{os.cpu_count()} CPU cores ({platform.machine()}), "
                        f"{len(tf.config.list_physical_devices('GPU'))} GPUs"}


class Run:
    """An open run folder: what the training loop writes to, and where a network and its optimizer are restored from."""

    def __init__(self, folder, cfg, model, optimizer):
        """Restores the newest checkpoint, if there is one, into `model` and `optimizer`."""
        self.folder, self.cfg = Path(folder), cfg
        self.best = tf.Variable(-1.0, dtype=tf.float64)  # best validation accuracy so far
        optimizer.build(model.trainable_variables)
        self.objects = {"model": model, "optimizer": optimizer, "best": self.best}
        if checkpoints.steps(self.folder):
            checkpoints.read(checkpoints.find(self.folder), **self.objects)
        step = int(optimizer.iterations)
        self.log = open(self.folder / "log.txt", "a")  # noqa: SIM115 - open as long as the run is
        self._forget_after(step)
        self.writers = {split: tf.summary.create_file_writer(str(self.folder / "tensorboard" / split))
                        for split in ("train", "val")}
        self.say(f"run in {self.folder}" + (f", continued from step {step}" if step else ""))

    def _forget_after(self, step):
        """Drops what was kept of steps that will be done again: a killed run had gone on past its last checkpoint."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
        write_whole(path, "".join(line + "\n" for line in kept).encode())
        for later in checkpoints.steps(self.folder, "best"):
            if later > step:
                checkpoints.remove(self.folder, "best", later)

    def say(self, line):
        """One line to the screen, above the progress bar, and to log.txt."""
        tqdm.write(line)
        sys.stdout.flush()  # train.sh reads it through a pipe
        print(line, file=self.log, flush=True)

    def record(self, step, split, **metrics):
        """One line of metrics to metrics.jsonl, TensorBoard and the log; those of validation to the screen as well."""
        with open(self.folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps({"step": step, "split": split, **metrics}) + "\n")
        with self.writers[split].as_default():
            for name, value in metrics.items():
                tf.summary.scalar(name, value, step)
        line = f"step {step} {split}: " + ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        if split == "val":
            self.say(line)
        else:
            print(line, file=self.log, flush=True)

    def images(self, step, images, reconstruction):
        """Inputs and reconstructions side by side to TensorBoard. Both [B, H, W, C] in [0, 1]"""
        pairs = np.clip(np.concatenate([images[: len(reconstruction)], reconstruction], axis=2), 0, 1)
        with self.writers["train"].as_default():
            tf.summary.image("input and reconstruction", pairs if pairs.shape[-1] == 3 else pairs[..., :1], step,
                             max_outputs=len(pairs))

    def save(self, step):
        checkpoints.write(self.folder, "ckpt", step, self.cfg.KEEP, **self.objects)

    def save_best(self, step, accuracy):
        self.best.assign(accuracy)
        checkpoints.write(self.folder, "best", step, 1, model=self.objects["model"])

    def save_results(self, results):
        """results.json: the given numbers, and what is needed to get them again."""
        text = json.dumps({**results, "seed": self.cfg.SEED, **about()}, indent=1) + "\n"
        write_whole(self.folder / "results.json", text.encode())

    def close(self):
        for writer in self.writers.values():
            writer.close()
        self.log.close()
