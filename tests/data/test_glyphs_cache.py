"""The glyphs are drawn once for each seed and version of the drawing; a bad cache is made again."""
from types import SimpleNamespace

import numpy as np

import data
from data.datasets import glyphs
from data.splits import PARTS
from untrusted import refusal, settings


def arrays_of(seed: int) -> dict[str, np.ndarray]:
    images = np.random.default_rng(seed).integers(0, 256, (20, 28, 28), np.uint8)
    return {f"{kind}_{part}": array for part in PARTS for kind, array in (("x", images), ("y", np.arange(20) % 10))}


def test_glyphs_are_drawn_once_and_a_bad_cache_is_made_again(monkeypatch, tmp_path):
    def load(seed=3):
        dataset = data.load(settings(DATASET="glyphs", SEED=seed))
        assert (dataset.name, dataset.image_shape, dataset.class_names) == ("glyphs", (28, 28, 1), tuple("0123456789"))
        np.testing.assert_array_equal(dataset.test.images[..., 0], arrays_of(seed)["x_test"])
        return drawn

    drawn, source, folder = [], tmp_path / "glyphs.py", tmp_path / "repository" / "data" / "glyphs"
    source.write_text("version 1")
    drawing = SimpleNamespace(make=lambda seed: drawn.append(seed) or arrays_of(seed), __file__=str(source))
    monkeypatch.setattr(glyphs, "glyphs", drawing)
    monkeypatch.setattr(glyphs, "ROOT", tmp_path / "repository")
    assert load() == [3]
    assert load() == [3], "the second time from the cache"
    assert load(seed=4) == [3, 4]
    for cache in folder.iterdir():
        cache.write_bytes(cache.read_bytes()[:-100])
    assert load() == load() == [3, 4, 3], "damaged"
    source.write_text("version 2")
    assert load() == [3, 4, 3, 3], "drawn by other code"
    for cache in folder.iterdir():
        np.savez(cache, x_train=arrays_of(3)["x_train"], y_train=np.arange(20) % 10)
    assert load() == [3, 4, 3, 3, 3], "incomplete"
    monkeypatch.setattr(glyphs, "ROOT", source)  # not a folder: no cache can be written
    assert load() == [3, 4, 3, 3, 3, 3]
    assert "--shift" in refusal(data.load, settings(DATASET="glyphs", SHIFT=28)), "the training images are shifted"
