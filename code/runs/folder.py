"""The folder of a run: config.json, log.txt, metrics.jsonl, tensorboard/, checkpoints, results."""
import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import tensorflow as tf

from model.network import Network
from output import say, write_whole
from runs import checkpoints, records
from runs.about import COMMIT, about
from runs.claim import writing
from runs.config import RunConfig, load_config, save_config
from runs.rewind import rewind
from settings import InputError


class Run:
    """An open folder to which training writes. InputError, saying how to resume, if it cannot."""

    def __init__(self, folder: str | Path, config: RunConfig, log: TextIO, network: Network,
                 optimizer):
        """Restores the newest whole checkpoint, or saves the first one of a new run.

        log: the open log.txt of claim.locked; optimizer: has its variables already.
        """
        self.folder, self.config, self.log = Path(folder), config, log
        self.cfg, self.identity = config.settings, config.identity()
        self.best = tf.Variable(-math.inf, dtype=tf.float64)  # best score so far
        self.network = network
        self.objects = {"model": network, "optimizer": optimizer, "best": self.best}

        # restore; nothing in the folder is changed yet
        damaged = self._restore()
        step = int(optimizer.iterations.numpy())
        if step > self.cfg.MAX_ITERS:
            raise InputError(f"--max_iters: expected {step} or more, the step that {self.folder} "
                             f"has reached, received {self.cfg.MAX_ITERS}")

        # remove what was recorded after this step
        changes = config.changes(load_config(self.folder)) if step else ""
        with writing(self.folder):
            save_config(self.folder, config)
            rewind(folder, step)
            splits = ["train", "val", "health"] + (["val_average"] if self.cfg.EMA else [])
            self.writers = {
                split: tf.summary.create_file_writer(str(self.folder / "tensorboard" / split))
                for split in splits}

        # say so
        for error in damaged:
            self.say(f"{error}: passed over")
        continued = f", continued from step {step}{changes}" if step else ""
        self.say(f"run in {self.folder}{continued}")
        self.note(f"commit of the code: {COMMIT}")

        # A new run saves its step 0. So there is always a checkpoint to continue from, and a full
        # disk is known before the first step.
        self.save(step)

    def _restore(self) -> list[InputError]:
        """Restores the newest whole checkpoint, if any. Returns the errors of newer ones, damaged.

        InputError, and nothing is changed, if all are damaged, or if this is no new run.
        """
        damaged = []
        for step in reversed(checkpoints.steps(self.folder)):
            try:
                checkpoints.read(self.folder / f"ckpt-{step}", self.identity, **self.objects)
                return damaged
            except checkpoints.Damaged as error:
                damaged.append(error)
        if damaged:
            raise InputError(f"no checkpoint in {self.folder} is whole: {damaged[0]}")

        # a new run, unless there is what a run has only after its first ckpt-*
        has_records = any(path.stat().st_size for path in self.folder.glob("metrics.jsonl"))
        if has_records or checkpoints.steps(self.folder, "best"):
            raise InputError(f"{self.folder}: expected a ckpt-* to continue from, received only "
                             "what a run has later, which a new run would replace")
        if self.config.init_from and (self.folder / "config.json").exists():
            raise InputError(f"{self.folder}: expected a ckpt-* with the weights of --init_from, "
                             "received none: it ended too early; begin anew in another --train_dir")
        return []

    # ---- lines ----

    def say(self, line: str):
        """Writes a line to log.txt and to the screen, above the progress bar."""
        self.show(self.note(line))

    def show(self, line: str):
        """Writes a line to the screen alone."""
        say(line, f"; continue with --ckpt {self.folder}")

    def note(self, line: str) -> str:
        """Writes a line to log.txt alone. Returns it."""
        with writing(self.folder):
            print(line, file=self.log, flush=True)
        return line

    def record(self, step: int, split: str, **metrics: float) -> str:
        """Keeps the metrics in metrics.jsonl, TensorBoard and log.txt. Returns the log's line."""
        with writing(self.folder):
            with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, "split": split, **metrics}) + "\n")
            with self.writers[split].as_default():
                for name, value in metrics.items():
                    tf.summary.scalar(name, value, step)
        values = ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        return self.note(f"step {step} {split}: {values}")

    def reached(self, accuracy: float) -> dict[str, float] | None:
        """Returns step and accuracy of the first validation that reached `accuracy`, or None.

        Of the weights that are trained, not of their average.
        """
        for record in records.read(self.folder)["val"]:
            if record["accuracy"] >= accuracy:
                return {"step": record["step"], "accuracy": record["accuracy"]}
        return None

    def images(self, step: int, images: np.ndarray, reconstructions: np.ndarray):
        """Shows images [B, H, W, C] beside their reconstructions [B, K, H, W, C] in TensorBoard."""
        columns = [images, *np.moveaxis(reconstructions, 1, 0)]            # K + 1 of [B, H, W, C]
        rows = np.clip(np.concatenate(columns, axis=2), 0, 1)              # [B, H, (K + 1) W, C]
        if rows.shape[-1] != 3:  # TensorBoard shows 1 channel or 3
            rows = rows[..., :1]
        with writing(self.folder), self.writers["train"].as_default():
            tf.summary.image("input and reconstruction", rows, step, max_outputs=len(rows))

    # ---- checkpoints ----

    def save(self, step: int):
        """Saves a checkpoint of this step, unless there is one. Of all the newest KEEP stay.

        Each of them keeps the best network of its time: the newest best-* of its step or before.
        """
        if step in checkpoints.steps(self.folder):
            return
        with writing(self.folder):
            checkpoints.write(self.folder, "ckpt", step, self.identity, **self.objects)
            every = checkpoints.steps(self.folder)
            kept = every[-self.cfg.KEEP:]
            checkpoints.remove(self.folder, "ckpt", every[:-self.cfg.KEEP])
            best = checkpoints.steps(self.folder, "best")
            until_oldest = [number for number in best if number <= kept[0]]
            checkpoints.remove(self.folder, "best", until_oldest[:-1])

    def save_if_best(self, step: int, validated: dict[str, float]):
        """Saves the network alone, if it is better on validation than all before, by BEST_BY."""
        score = validated["accuracy"] if self.cfg.BEST_BY == "accuracy" else -validated["loss"]
        if score > float(self.best):
            self.save_network("best", step)
            self.best.assign(score)

    def save_network(self, name: str, step: int):
        """Saves the network alone, as it is now."""
        with writing(self.folder):
            checkpoints.write(self.folder, name, step, self.identity, model=self.network)

    def restore_best(self) -> int | None:
        """Restores the best network on validation. Returns its step, None if there is none."""
        found = checkpoints.steps(self.folder, "best")
        if not found:  # nothing was validated
            return None
        try:
            prefix = self.folder / f"best-{found[-1]}"
            checkpoints.read(prefix, self.identity, model=self.network)
            return found[-1]
        except checkpoints.Damaged as error:
            self.say(f"{error}: not tested")
            return None

    def save_results(self, results: dict[str, Any]):
        """Writes results.json: the given numbers, and all that is needed to get them again."""
        text = json.dumps({**results, "seed": self.cfg.SEED, **about()}, indent=1) + "\n"
        with writing(self.folder):
            write_whole(self.folder / "results.json", text.encode())

    def close(self):
        """Closes TensorBoard's files."""
        for writer in self.writers.values():
            with contextlib.suppress(OSError, tf.errors.OpError):  # of a full disk: reported before
                writer.close()


class Follower:
    """Stands in for a Run on workers that are not the chief: it prints, and writes no files."""
    say = staticmethod(say)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **metrics: None
