"""Digits drawn from fonts: 10,000 / 1,000 / 2,000 images [28, 28, 1], without any download."""
import hashlib
from pathlib import Path

from data.dataset import Dataset
from data.formats import npz
from data.making import handwriting
from settings import ROOT

prepare = handwriting.as_mnist  # for pictures from elsewhere


def load(cfg) -> Dataset:
    """Drawn once for each seed and version of the drawing, then read from ROOT/data/glyphs."""
    from data import glyphs  # only here, because other data do not need matplotlib

    # The cache's name changes with the code that draws.
    version = hashlib.sha256(Path(glyphs.__file__).read_bytes()).hexdigest()[:8]
    cache = ROOT / "data" / "glyphs" / f"seed-{cfg.SEED}-{version}.npz"
    arrays = npz.read_cache(cache, npz.NAMES)
    if arrays is None:
        arrays = glyphs.make(cfg.SEED)
        npz.write_cache(cache, arrays)
    return npz.as_dataset("glyphs", "glyphs", arrays, cfg)
