"""The examples of CONTRIBUTING.md are complete: each is one file, and works as it stands there."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import toy
from browsing import ask, open_page
from settings import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLES = re.findall(r"`code/([\w/]+\.(?:py|js))`.*?```\w+\n(.*?)```", TEXT, re.S)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the code with the examples added, as it says."""
    root = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "code", root / "code", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    assert [Path(path).name for path, _ in EXAMPLES] == [
        "stripes.py", "linear.py", "loudest.py", "loudest.js", "hardest.py", "noise.py"]
    for path, text in EXAMPLES:
        (root / "code" / path).write_text(text)
    return root


def run(house, *command, **options):
    """Runs a command in the house. -> its output"""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run([sys.executable, *map(str, command)], cwd=house, env=environment, text=True,
                           capture_output=True, **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_examples_are_short_and_pass_the_linter(house):
    for path, text in EXAMPLES:
        assert len([line for line in text.splitlines() if line.strip()]) <= 18, path
    run(house, "-m", "ruff", "check", "code")


COMMANDS = f"""
train --dataset stripes --model linear --max_iters 30 --train_dir run
train --dataset stripes --routing loudest --sharpness 2 --max_iters 30 --train_dir routed {" ".join(toy.FLAGS[:12])}
eval --ckpt run --fig_dir figs --num_images 20 --mode hardest
eval --ckpt run --fig_dir figs --num_images 20 --mode adversarial --attack noise --no-targeted
eval --ckpt routed --fig_dir routed/figs --mode test
eval --ckpt routed --fig_dir routed/figs --num_images 20 --mode adversarial --attack noise --no-targeted
eval --ckpt routed --fig_dir routed/figs --num_images 20 --mode routing
export --ckpt routed --format tflite --out routed.tflite
explore --ckpt routed --out routed.html
"""
ONE_BY_ONE = """
import importlib, sys
sys.path.insert(0, "code")
for line in sys.stdin.read().strip().splitlines():
    sys.argv = line.split()
    assert importlib.import_module(sys.argv[0]).main() == 0

import numpy as np
from model.routing import votes
from runs import checkpoints
network = checkpoints.load("routed").network
network.set_weights([np.float32(np.float16(value)) for value in network.get_weights()])  # as in the page
image, layer = np.random.default_rng(0).random((1, *network.image_shape), np.float32), network.digit_caps
u_hat = votes(network.primary_caps(network.conv1(image)), layer.W)
np.savez("routed.npz", image=image, c=layer.routing.couplings(u_hat, layer)[-1], scores=network(image).scores)
"""


@pytest.fixture(scope="module")
def output(house):
    """What the commands print. One process does all: to import TensorFlow takes seconds."""
    return run(house, "-c", ONE_BY_ONE, input=COMMANDS)


def test_the_added_dataset_network_routing_mode_and_attack_work(house, output):
    """The network has neither capsules nor a decoder."""
    assert json.loads((house / "run" / "results.json").read_text())["last"]["accuracy"] > 0.9
    assert "lowest score" in output and "success rate" in output
    assert (house / "figs" / "hardest" / "hardest.png").stat().st_size > 1000


def test_the_page_of_the_added_routing_has_its_couplings(house, output, browser):
    open_page(browser, house / "routed.html")
    numbers = np.load(house / "routed.npz")
    received = ask(browser, "predict", {"image": numbers["image"].ravel().tolist()})
    step, = received["history"]
    assert np.abs(numbers["c"] - 1 / 2).max() > 0.01, "nothing has been routed"
    np.testing.assert_allclose(step["c"], numbers["c"].ravel(), atol=1e-5)
    np.testing.assert_allclose(received["scores"], numbers["scores"][0], atol=1e-5)
    assert "the largest value is" in browser.find_element("id", "coupling-words").text


def test_the_added_names_are_in_the_help(house):
    train, evaluation = (run(house, f"code/{name}.py", "--help") for name in ("train", "eval"))
    assert all(name in train for name in ("stripes", "linear", "loudest"))
    assert "hardest" in evaluation and "noise" in evaluation
