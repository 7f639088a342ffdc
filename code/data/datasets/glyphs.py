"""Digits drawn from fonts: 10,000 / 1,000 / 2,000 images [28, 28, 1], without any download."""
import hashlib
from pathlib import Path

import numpy as np

from data import handwriting
from data.dataset import Dataset
from data.formats import npz
from settings import ROOT, InputError

prepare = handwriting.as_mnist  # for pictures from elsewhere


def load(cfg) -> Dataset:
    """Drawn once for each seed and version of the drawing, then read from ROOT/data/glyphs."""
    from data import glyphs  # only here, because other data do not need matplotlib

    # The cache's name changes with the code that draws.
    version = hashlib.sha256(Path(glyphs.__file__).read_bytes()).hexdigest()[:8]
    cache = ROOT / "data" / "glyphs" / f"seed-{cfg.SEED}-{version}.npz"
    arrays = read_cache(cache)
    if arrays is None:
        arrays = glyphs.make(cfg.SEED)
        npz.write_cache(cache, arrays)
    return npz.as_dataset("glyphs", "glyphs", arrays, cfg)


def read_cache(path: Path) -> dict[str, np.ndarray] | None:
    """-> the arrays, or None if they are not there, or damaged."""
    try:
        arrays = npz.read(path)
    except InputError:
        return None
    return arrays if arrays.keys() == set(npz.NAMES) else None
