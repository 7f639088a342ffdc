"""Common corruptions (Hendrycks and Dietterich 2019): noise, blur, low contrast, occlusion.

CORRUPTIONS has them by name:

    corruption(images, strength, random) -> images

images float32 [N, H, W, C] in [0, 1] -> the same shape and range; strength: one of STRENGTHS, from
1, which hardly shows, to 5, at which people still recognise a digit; random: a generator
"""
import numpy as np
from scipy import ndimage

STRENGTHS = 1, 2, 3, 4, 5


def noise(images: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Adds normal noise with a standard deviation of 0.1 times the strength."""
    added = random.normal(scale=0.1 * strength, size=images.shape)
    return np.clip(images + added, 0, 1).astype(np.float32)


def blur(images: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Applies a Gaussian filter whose standard deviation is 0.5 pixels times the strength."""
    width = 0.5 * strength
    return ndimage.gaussian_filter(images, (0, width, width, 0))


def contrast(images: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Shrinks differences from the image's mean to 0.85, 0.7, 0.55, 0.4 and 0.25 of themselves."""
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return (mean + (1 - 0.15 * strength) * (images - mean)).astype(np.float32)


def occlusion(images: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Covers a random place with a grey square; its side is 0.1 of the image's per strength."""
    N, H, W, _ = images.shape
    side = round(0.1 * strength * min(H, W))
    top, left = random.integers(0, H - side + 1, N), random.integers(0, W - side + 1, N)
    covered = images.copy()
    for image, row, column in zip(covered, top, left, strict=True):
        image[row:row + side, column:column + side] = 0.5
    return covered


CORRUPTIONS = {"noise": noise, "blur": blur, "contrast": contrast, "occlusion": occlusion}
