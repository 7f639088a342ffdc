"""The released weights: they are what their README says, and as good."""
import hashlib
import json
import os
from pathlib import Path

import pytest
import tensorflow as tf

import data
from settings import ROOT
from training import checkpoints
from training.devices import Devices
from training.evaluate import evaluate
from training.run_config import load_config
from training.step import make_test_step

FOLDER = ROOT / "checkpoints" / "mnist"
DIGESTS = {
    "ckpt-13200.data-00000-of-00001": "aad794801ed294a0218aee3099d43ec158a75e7c15a82ee7b8ed54faef92adb6",
    "ckpt-13200.index": "a8c43816f437627eaa435108d7a5599da86831799f05eb72ac60695e90a271f4",
}
DATA_DIR = Path(os.environ.get("CAPSNET_DATA_DIR", "nowhere"))
MNIST_IS_THERE = any(DATA_DIR.glob("**/t10k-images-idx3-ubyte*"))


def test_the_files_are_those_released():
    for name, digest in DIGESTS.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 40e6


def test_they_are_the_papers_network_without_an_optimizer():
    network, cfg, prefix = checkpoints.load(FOLDER)
    assert prefix.name == f"ckpt-{cfg.MAX_ITERS}" and cfg.ROUTING_ITERS == 3
    assert sum(variable.shape.num_elements() for variable in network.trainable_variables) == 8_215_568
    saved = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    assert not [name for name in saved if "optimizer" in name]


@pytest.mark.skipif(not MNIST_IS_THERE, reason="CAPSNET_DATA_DIR has no MNIST")
def test_they_are_as_accurate_as_they_are_said_to_be():
    network, cfg, _ = checkpoints.load(FOLDER)
    dataset = data.load(cfg)
    assert load_config(FOLDER).data == dataset.digest
    found = evaluate(make_test_step(network, cfg, Devices()), dataset.test, 100)
    stated = json.loads((FOLDER / "results.json").read_text())["test"]
    assert found["accuracy"] == pytest.approx(stated["accuracy"], abs=1e-4)  # one image, on another processor
    assert found["loss"] == pytest.approx(stated["loss"], rel=1e-3)
