"""Times one row of the benchmark's table, in a process of its own, which worker.py starts.

Every line on standard input is a question, every line on what was standard output the answer, in
JSON. All else that this process prints, such as the notes of a network's file, goes to standard
error.
"""
import contextlib
import json
import os
import resource
import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import model
from config import TRAIN, Config
from data.dataset import Batch
from timing import machine, parts
from timing.clock import median_ms, timed
from timing.rows import Row
from training.devices import Devices
from training.optimizer import make_optimizer
from training.step import make_test_step, make_train_step

CLASSES = 10


def main():
    """Answers the questions about the row on the command line, in JSON, until they end."""
    # It may be that nobody listens any more.
    with (contextlib.suppress(BrokenPipeError),
          open(os.dup(1), "w", encoding="utf-8") as listener):
        os.dup2(2, 1)  # from here on, standard output is standard error
        answer = answers(Row(**json.loads(sys.argv[1])))
        for question in sys.stdin:
            print(json.dumps(answer[question.strip()]()), file=listener, flush=True)


def answers(row: Row) -> dict[str, Callable]:
    """Builds the row's network, and images of random pixels.

    -> {question: a function that finds the answer}
    """
    cfg = Config(TRAIN, row.settings)
    tf.keras.utils.set_random_seed(cfg.SEED)
    network = model.build(cfg, (row.side, row.side, 1), CLASSES)
    optimizer, devices = make_optimizer(cfg), Devices()
    train_step = make_train_step(network, optimizer, cfg, devices)
    test_step = make_test_step(network, cfg, devices)
    batch = random_batch(cfg.BATCH_SIZE, row)

    def compile_s():
        """The first step, less what a step takes."""
        first, second = (timed(lambda: train_step(batch)) for _ in range(2))
        timed(lambda: test_step(batch))
        return (first - second) / 1000

    return {"compile": compile_s,
            "train": lambda: median_ms(lambda: train_step(batch)),
            "infer": lambda: median_ms(lambda: test_step(batch)),
            "memory": lambda: {"peak_mib": peak_mib()},
            "parts": lambda: parts.times(network, optimizer, cfg, batch),
            "machine": machine.speed}


def random_batch(size: int, row: Row) -> Batch:
    """Images of random pixels with random labels. Where there are several, each has a source."""
    random = np.random.default_rng(0)
    images = random.uniform(size=(size, row.side, row.side, 1)).astype(np.float32)
    labels = random.integers(0, CLASSES, (size, row.labels), np.int32)
    if row.labels == 1:
        return Batch(images, labels)
    return Batch(images, labels, np.stack([images] * row.labels, axis=1))


def peak_mib() -> float:
    """-> the most memory that this process has had, in MiB"""
    unit = 2 ** 20 if sys.platform == "darwin" else 2 ** 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
