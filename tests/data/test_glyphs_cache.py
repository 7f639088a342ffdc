"""The glyphs are drawn once for each seed and version of the drawing; a bad cache is made again."""
import types

import numpy as np
import pytest

import data
from data.datasets import glyphs
from data.splits import PARTS
from untrusted import refusal, settings


@pytest.fixture
def drawing(tmp_path, monkeypatch):
    """Another drawing, which notes the seeds in `drawn`, with a file `source`."""
    def make(seed):
        drawing.drawn.append(seed)
        return arrays_of(seed)

    drawing = types.SimpleNamespace(make=make, drawn=[], source=tmp_path / "glyphs.py")
    drawing.__file__ = str(drawing.source)
    drawing.source.write_text("version 1")
    monkeypatch.setattr(glyphs, "glyphs", drawing)
    monkeypatch.setattr(glyphs, "ROOT", tmp_path / "repository")
    return drawing


def arrays_of(seed: int) -> dict[str, np.ndarray]:
    rng, arrays = np.random.default_rng(seed), {}
    for part in PARTS:
        arrays[f"x_{part}"] = rng.integers(0, 256, (20, 28, 28), np.uint8)
        arrays[f"y_{part}"] = np.arange(20) % 10
    return arrays


def test_glyphs_are_drawn_once_and_a_bad_cache_is_made_again(drawing, monkeypatch, tmp_path):
    def load(seed=3):
        dataset = data.load(settings(DATASET="glyphs", SEED=seed))
        assert dataset.name == "glyphs" and dataset.image_shape == (28, 28, 1)
        assert dataset.class_names == tuple("0123456789")
        np.testing.assert_array_equal(dataset.test.images[..., 0], arrays_of(seed)["x_test"])
        return drawing.drawn

    folder = tmp_path / "repository" / "data" / "glyphs"
    assert load() == [3]
    assert load() == [3], "the second time from the cache"
    assert load(seed=4) == [3, 4]
    for cache in folder.iterdir():
        cache.write_bytes(cache.read_bytes()[:-100])
    assert load() == [3, 4, 3], "damaged"
    assert load() == [3, 4, 3]
    drawing.source.write_text("version 2")
    assert load() == [3, 4, 3, 3], "drawn by other code"
    for cache in folder.iterdir():
        np.savez(cache, x_train=arrays_of(3)["x_train"], y_train=np.arange(20) % 10)
    assert load() == [3, 4, 3, 3, 3], "incomplete"
    monkeypatch.setattr(glyphs, "ROOT", drawing.source)  # not a folder: no cache can be written
    assert load() == [3, 4, 3, 3, 3, 3]


def test_the_training_images_are_shifted(drawing):
    assert "--shift" in refusal(data.load, settings(DATASET="glyphs", SHIFT=28))
