"""Digits drawn from fonts: 10,000 / 1,000 / 2,000 images [28, 28, 1], without any download."""
import hashlib
from pathlib import Path

from data.dataset import Dataset
from data.formats import npz
from data.making import glyphs, handwriting
from data.readers import numpy_file
from settings import ROOT

prepare = handwriting.as_mnist  # for pictures from elsewhere


def load(cfg) -> Dataset:
    """Returns the digits, drawn once for each seed and drawing, then from ROOT/data/glyphs."""
    # The cache's name changes with the code that draws.
    version = hashlib.sha256(Path(glyphs.__file__).read_bytes()).hexdigest()[:8]
    cache = ROOT / "data" / "glyphs" / f"seed-{cfg.SEED}-{version}.npz"
    arrays = numpy_file.cached(cache, npz.NAMES, lambda: glyphs.make(cfg.SEED))
    return npz.from_arrays("glyphs", "glyphs", arrays, cfg)
