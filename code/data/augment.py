"""Ways in which training varies its images. Each makes an Augment of dataset.py."""
import numpy as np

from data.dataset import Augment, Split
from settings import InputError


def random_shift(most: int, image_shape: tuple[int, int, int]) -> Augment:
    """Returns an Augment that moves images by whole pixels, up to `most` in each direction.

    Shifts are uniform (paper, sec. 5). Zeros come in, nothing wraps. InputError if images
    [H, W, C] could be shifted out of sight.
    """
    height, width, _ = image_shape
    if most >= min(height, width):
        raise InputError(f"--shift: expected less than the images' {height}x{width} pixels, "
                         f"received {most}")

    def shift(split: Split, index: np.ndarray, rng: np.random.Generator) -> Split:
        images, labels, sources = split.take(index)
        rows, columns = rng.integers(0, 2 * most + 1, (2, len(index)))
        images = cut(images, rows, columns, most)
        sources = None if sources is None else cut(sources, rows, columns, most)
        return Split(images, labels, sources)

    return shift


def cut(images: np.ndarray, rows: np.ndarray, columns: np.ndarray, border: int) -> np.ndarray:
    """Cuts each image out of a larger black one, whose border is that many pixels wide.

    images [B, ..., H, W, C]; rows [B], columns [B]: of the upper left corner -> the same shape
    """
    height, width = images.shape[-3:-1]
    around = [(0, 0)] * (images.ndim - 3) + [(border, border), (border, border), (0, 0)]
    padded = np.pad(images, around)
    pieces = np.empty_like(images)
    for piece, image, row, column in zip(pieces, padded, rows, columns, strict=True):
        piece[:] = image[..., row:row + height, column:column + width, :]
    return pieces
