"""Networks, images and whole runs of eval.py that several tests of the evaluation ask about."""
import contextlib
import io
import json
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.image import imread

import cli
import data
import eval as command
import model
import toy
from data.dataset import training_batch
from evaluation import evaluate
from evaluation.figures import style
from runs import checkpoints
from runs.config import RunConfig, save_config
from training.devices import Devices
from training.optimizer import make_optimizer
from training.step import make_train_step


class Ended(NamedTuple):
    """How a run of eval.py ended."""
    status: int
    out: str
    errors: list[str]    # lines on standard error
    results: dict | None
    files: dict          # of the folder with results.json, bytes by name


@pytest.fixture(scope="module")
def network():
    """With decision boundaries among random images: the weights as drawn hardly react to an image."""
    network = toy.network(PRIMARY_CAPS_CHANNELS=4)
    network.digit_caps.W.assign(network.digit_caps.W * 8)
    return network


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((11, *toy.IMAGE_SHAPE), np.float32)


@pytest.fixture(scope="session")
def make_run():
    """make_run(folder, cfg, steps, network) -> the network after so many steps, saved in `folder`, and its dataset."""
    def make(folder, cfg, steps=0, network=None):
        dataset = data.load(cfg)
        tf.keras.utils.set_random_seed(0)
        network = network or model.build(cfg, dataset.image_shape, dataset.classes)
        step = make_train_step(network, make_optimizer(cfg), cfg, Devices())
        for number in range(steps):
            step(training_batch(dataset, 0, number, cfg.BATCH_SIZE))
        folder.mkdir(exist_ok=True)
        run = RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest, dataset.class_names)
        save_config(folder, run)
        checkpoints.write(folder, "ckpt", steps, run.identity(), model=network)
        return network, dataset
    return make


@pytest.fixture(scope="session")
def run_eval():
    """run_eval(fig_dir, flags, draw) -> Ended.

    What takes the time is left out or kept: without draw, figures are empty files; a checkpoint that was loaded, and
    what was compiled of its network, stay for the next call.
    """
    find, load, make = checkpoints.find, checkpoints.load, evaluate.Predictor
    networks, predictors = {}, {}

    def load_once(path):
        prefix = find(path)
        if prefix not in networks:
            networks[prefix] = load(path)
        return networks[prefix]

    def make_once(network, trained, batch_size):
        if (network, batch_size) not in predictors:
            predictors[network, batch_size] = make(network, trained, batch_size)
        return predictors[network, batch_size]

    def call(fig_dir, *flags, draw=False):
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), \
                pytest.raises(SystemExit) as exit:
            patch.setattr("sys.argv", ["eval.py", "--fig_dir", str(fig_dir), *map(str, flags)])
            patch.setattr(evaluate, "Predictor", make_once)
            if checkpoints.load is load:
                patch.setattr(checkpoints, "load", load_once)
            if not draw:
                patch.setattr(style, "png", lambda figure: b"")
            cli.run(command.main)
        errors = [line for line in err.getvalue().replace("\r", "\n").splitlines() if "error: " in line]
        found = next(fig_dir.rglob("results.json"), None) if fig_dir.is_dir() else None
        if not found:
            return Ended(exit.value.code, out.getvalue(), errors, None, {})
        files = {path.name: path.read_bytes() for path in found.parent.iterdir()}
        results = json.loads(found.read_text(), parse_constant=pytest.fail)  # no NaN, no Infinity
        if draw:
            assert sorted(files) == sorted([*results["figures"], *results["tables"], "results.json"])
            for name in results["figures"]:
                assert imread(io.BytesIO(files[name])).std() > 0.02, name
        return Ended(exit.value.code, out.getvalue(), errors, results, files)
    return call


@pytest.fixture
def calls(monkeypatch):
    """calls(module, name) -> a list that gets the arguments of each call of that function."""
    def record(module, name):
        function, made = getattr(module, name), []
        monkeypatch.setattr(module, name, lambda *given, **named: (
            made.append(given), function(*given, **named))[1])
        return made
    return record
