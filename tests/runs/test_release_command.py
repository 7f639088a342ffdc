"""The released weights: they are what their README says, and as good."""
import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest
import tensorflow as tf

import data
from runs import checkpoints
from settings import ROOT
from training.devices import Devices
from training.evaluate import evaluate
from training.step import make_test_step

FOLDER = ROOT / "checkpoints"
DATA_DIR = Path(os.environ.get("CAPSNET_DATA_DIR", "nowhere"))
MNIST_IS_THERE = any(DATA_DIR.glob("**/t10k-images-idx3-ubyte*"))


class Released(NamedTuple):
    parameters: int     # of the whole network
    most_bytes: float   # of the folder
    digests: dict[str, str]


RELEASED = {
    "mnist": Released(8_215_568, 40e6, {
        "ckpt-13200.data-00000-of-00001": "aad794801ed294a0218aee3099d43ec158a75e7c15a82ee7b8ed54faef92adb6",
        "ckpt-13200.index": "a8c43816f437627eaa435108d7a5599da86831799f05eb72ac60695e90a271f4"}),
    "multimnist": Released(11_361_808, 25e6, {
        "ckpt-20000.data-00000-of-00001": "1caff6f49a0fa7b0bb5d34787e73b8b9d60a6d5062ad6ee90dcd555a4a64170f",
        "ckpt-20000.index": "d06532adde17b1a06ea9771f12906a79411e666c506d97d3e2fa44235cfd9614"}),
}
every_network = pytest.mark.parametrize("name", RELEASED)


@every_network
def test_the_files_are_those_released(name):
    for file, digest in RELEASED[name].digests.items():
        assert hashlib.sha256((FOLDER / name / file).read_bytes()).hexdigest() == digest
    assert sum(path.stat().st_size for path in (FOLDER / name).iterdir()) < RELEASED[name].most_bytes


@every_network
def test_they_are_the_papers_network_without_an_optimizer(name):
    network, trained, prefix = checkpoints.load(FOLDER / name)
    cfg = trained.settings
    assert f"{prefix.name}.index" in RELEASED[name].digests and cfg.ROUTING_ITERS == 3
    assert sum(variable.shape.num_elements() for variable in network.trainable_variables) == RELEASED[name].parameters
    saved = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    assert not [name for name in saved if "optimizer" in name]


@pytest.mark.skipif(not MNIST_IS_THERE, reason="CAPSNET_DATA_DIR has no MNIST")
@pytest.mark.parametrize("name, stated, term, every, least, near", [
    ("mnist", "test", "loss", 1, 1e-4, 1e-3),                     # at most one image, on another processor
    ("multimnist", "average", "reconstruction", 10, 0.03, 0.05)])  # on a tenth of the pairs, so about as accurate
def test_the_networks_are_as_accurate_as_they_are_said_to_be(name, stated, term, every, least, near):
    network, trained, _ = checkpoints.load(FOLDER / name)
    dataset = data.load(trained.settings)
    assert trained.data == dataset.digest
    test_step = make_test_step(network, trained.settings, Devices())
    found = evaluate(test_step, dataset.test.take(slice(0, None, every)), 100)
    results = json.loads((FOLDER / name / "results.json").read_text())[stated]
    assert found["accuracy"] == pytest.approx(results["accuracy"], abs=least)
    assert found[term] == pytest.approx(results[term], rel=near)
