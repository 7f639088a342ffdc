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


def run(house, *command):
    """Runs a command in the house. -> its output"""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run([sys.executable, *map(str, command)], cwd=house, env=environment, text=True,
                           capture_output=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_no_example_is_longer_than_it_has_to_be():
    for kind, _, text in EXAMPLES:
        assert len([line for line in text.splitlines() if line.strip()]) <= 18, kind


def test_the_examples_pass_the_linter(house):
    run(house, "-m", "ruff", "check", "code")


def test_the_added_dataset_network_mode_and_attack_work(house):
    """The network has neither capsules nor a decoder."""
    run(house, "code/train.py", "--dataset", "stripes", "--model", "linear", "--max_iters", 30, "--train_dir", "run")
    results = json.loads((house / "run" / "results.json").read_text())
    assert results["last"]["accuracy"] > 0.9

    run(house, "code/train.py", "--dataset", "stripes", "--routing", "loudest", "--sharpness", 2, "--max_iters", 2,
        "--train_dir", "routed", *toy.FLAGS[:10])

    evaluate = ["code/eval.py", "--ckpt", "run", "--fig_dir", "figs", "--num_images", 20]
    assert "lowest score" in run(house, *evaluate, "--mode", "hardest")
    assert (house / "figs" / "hardest" / "hardest.png").stat().st_size > 1000
    output = run(house, *evaluate, "--mode", "adversarial", "--attack", "noise", "--no-targeted")
    assert "success rate" in output


def test_the_added_names_are_in_the_help(house):
    train, evaluation = (run(house, f"code/{name}.py", "--help") for name in ("train", "eval"))
    assert all(name in train for name in ("stripes", "linear", "loudest"))
    assert "hardest" in evaluation and "noise" in evaluation
