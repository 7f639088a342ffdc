"""Checkpoints: written whole or not at all, found, and refused when damaged or of another run."""
import os

import numpy as np
import pytest
import tensorflow as tf

import toy
import toy_runs
from runs import checkpoints
from settings import InputError

WHO = {"ROUTING_ITERS": 3, "classes": 3}


def test_a_checkpoint_is_on_the_disk_before_it_counts(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(checkpoints, "wait_for_disk", lambda path: done.append(("on the disk", path.name)))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda path, to: (done.append(("moved", path.name)), replace(path, to)))
    checkpoints.write(tmp_path, "ckpt", 7, WHO, model=tf.Variable(1.0))
    files = ["ckpt-7.data-00000-of-00001", "ckpt-7.index"]
    moves = [done.index(("moved", file)) for file in files]
    assert moves == sorted(moves) and len(done) == 4
    assert all(done.index(("on the disk", file)) < move for file, move in zip(files, moves, strict=True))


def test_find_takes_a_folder_or_a_prefix_and_refuses_the_rest(tmp_path):
    with pytest.raises(InputError, match="no checkpoint at"):
        checkpoints.find(tmp_path)
    for name in ("ckpt-9", "ckpt-10", "best-11"):
        (tmp_path / f"{name}.index").touch()
    assert checkpoints.find(tmp_path) == tmp_path / "ckpt-10"
    assert checkpoints.find(tmp_path / "ckpt-9") == tmp_path / "ckpt-9"
    for path in (tmp_path / "ckpt-1", "/"):
        with pytest.raises(InputError, match="no checkpoint at"):
            checkpoints.find(path)


def test_a_foreign_checkpoint_is_refused(tmp_path):
    checkpoints.write(tmp_path, "ckpt", 1, WHO, model=toy.network())
    with pytest.raises(InputError, match="config.json is missing"):
        checkpoints.load(tmp_path)
    for other in ({"DIGIT_DIM": 5}, {"PRIOR_TRAINING": True}):
        with pytest.raises(InputError, match="does not hold model as they are here"):
            checkpoints.read(tmp_path / "ckpt-1", WHO, model=toy.network(**other))


@pytest.mark.parametrize("name, theirs", [("ROUTING_ITERS", 5), ("classes", 4), ("image_shape", [20, 20, 1]),
                                          ("data", "0123")])
def test_a_checkpoint_of_another_run_is_refused_with_both_values(tmp_path, name, theirs):
    mine = {**WHO, "image_shape": [18, 17, 1], "data": "4567"}
    checkpoints.write(tmp_path, "ckpt", 1, {**mine, name: theirs}, model=tf.Variable(1.0))
    with pytest.raises(InputError) as refusal:
        checkpoints.read(tmp_path / "ckpt-1", mine, model=tf.Variable(0.0))
    assert f"it has {name} {theirs}, expected {mine[name]}" in str(refusal.value)
    assert not isinstance(refusal.value, checkpoints.Damaged), "it would be passed over"


def test_no_damage_goes_unnoticed(tmp_path):
    """300 seeded mutations: each is refused, or harmless, as in bytes that pad the index."""
    random = np.random.default_rng(0)
    checkpoints.write(tmp_path, "ckpt", 1, WHO, model=toy.network(), extra=tf.Variable(random.random(500)))
    expected, refused, network = toy_runs.variables(tmp_path), 0, toy.network()  # which has no `extra`
    files = sorted(tmp_path.glob("ckpt-1.*"))
    assert len(files) == 2
    for _ in range(300):
        path = files[random.integers(2)]
        content = path.read_bytes()
        place = random.integers(len(content))
        if random.random() < 0.3:
            path.write_bytes(content[:place])
        else:
            flipped = bytes([content[place] ^ 1 << random.integers(8)])
            path.write_bytes(content[:place] + flipped + content[place + 1:])
        try:
            checkpoints.read(tmp_path / "ckpt-1", WHO, model=network)
            for name, value in toy_runs.variables(tmp_path).items():
                np.testing.assert_array_equal(value, expected[name])
        except checkpoints.Damaged as error:
            assert str(tmp_path / "ckpt-1") in str(error) and "\n" not in str(error)
            refused += 1
        path.write_bytes(content)
    assert refused > 250
    files[0].unlink()
    with pytest.raises(checkpoints.Damaged):
        checkpoints.read(tmp_path / "ckpt-1", WHO, model=network)


@pytest.mark.parametrize("survives", [0, 1])
def test_a_half_written_checkpoint_does_not_count(tmp_path, monkeypatch, survives):
    """Cut off before or after the first of its two files has its name."""
    saved, restored = tf.Variable(1.0), tf.Variable(0.0)
    checkpoints.write(tmp_path, "ckpt", 1, WHO, model=saved)
    replace, calls = os.replace, []

    def cut_off(*paths):
        calls.append(paths)
        if len(calls) > survives:
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr(os, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.write(tmp_path, "ckpt", 2, WHO, model=saved)
    assert checkpoints.steps(tmp_path) == [1] and checkpoints.find(tmp_path).name == "ckpt-1"
    monkeypatch.undo()
    checkpoints.write(tmp_path, "ckpt", 2, WHO, model=saved)
    checkpoints.read(tmp_path / "ckpt-2", WHO, model=restored)
    assert restored == 1
