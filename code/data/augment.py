"""Ways in which training varies its images. Each makes an Augment of dataset.py."""
import numpy as np

from data.dataset import Augment, Split
from settings import InputError


def random_shift(most: int, image_shape: tuple[int, int, int]) -> Augment:
    """Moves every image by whole pixels, uniform in -most..most in each direction (paper, sec. 5).

    Zeros come in, nothing wraps. InputError if images [H, W, C] could be shifted out of sight.
    """
    height, width, _ = image_shape
    if most >= min(height, width):
        raise InputError(f"--shift: expected less than the images' {height}x{width} pixels, "
                         f"received {most}")

    def shift(split: Split, index: np.ndarray, rng: np.random.Generator) -> Split:
        examples = split.take(index)
        if most == 0:
            return examples
        # Cut each image out of a larger black one, at a place of its own.
        rows, columns = rng.integers(0, 2 * most + 1, (2, len(index)))
        border = (0, 0), (most, most), (most, most), (0, 0)
        padded = np.pad(examples.images, border)            # [B, H + 2 most, W + 2 most, C]
        shifted = [image[row:row + height, column:column + width]
                   for image, row, column in zip(padded, rows, columns, strict=True)]
        return examples._replace(images=np.stack(shifted))

    return shift
