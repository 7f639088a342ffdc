"""The examples of CONTRIBUTING.md are complete: each is one file, and works as it stands there."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import toy
from settings import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLES = re.findall(r"\*\*An? (\w+)\*\*: .*?`code/([\w/]+\.py)`.*?```python\n(.*?)```", TEXT, re.S)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the code with the examples added, as it says."""
    root = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "code", root / "code", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    assert [kind for kind, _, _ in EXAMPLES] == ["dataset", "network", "routing", "mode", "attack"]
    for _, path, text in EXAMPLES:
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
    for kind, _, text in EXAMPLES:
        assert len([line for line in text.splitlines() if line.strip()]) <= 18, kind
    run(house, "-m", "ruff", "check", "code")


COMMANDS = f"""
train --dataset stripes --model linear --max_iters 30 --train_dir run
train --dataset stripes --routing loudest --sharpness 2 --max_iters 2 --train_dir routed {" ".join(toy.FLAGS[:10])}
eval --ckpt run --fig_dir figs --num_images 20 --mode hardest
eval --ckpt run --fig_dir figs --num_images 20 --mode adversarial --attack noise --no-targeted
"""
ONE_BY_ONE = """
import importlib, sys
sys.path.insert(0, "code")
for line in sys.stdin.read().strip().splitlines():
    sys.argv = line.split()
    assert importlib.import_module(sys.argv[0]).main() == 0
"""


def test_the_added_dataset_network_routing_mode_and_attack_work(house):
    """The network has neither capsules nor a decoder. One process does all: to import TensorFlow takes seconds."""
    output = run(house, "-c", ONE_BY_ONE, input=COMMANDS)
    assert json.loads((house / "run" / "results.json").read_text())["last"]["accuracy"] > 0.9
    assert "lowest score" in output and "success rate" in output
    assert (house / "figs" / "hardest" / "hardest.png").stat().st_size > 1000


def test_the_added_names_are_in_the_help(house):
    train, evaluation = (run(house, f"code/{name}.py", "--help") for name in ("train", "eval"))
    assert all(name in train for name in ("stripes", "linear", "loudest"))
    assert "hardest" in evaluation and "noise" in evaluation
