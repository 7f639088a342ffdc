"""Common corruptions (Hendrycks and Dietterich 2019): noise, blur, low contrast, occlusion.

CORRUPTIONS has them by name. Each is a function

    corruption(images, strength, random) -> images

images     float32 [N, H, W, C] in [0, 1]; the result has the same shape and range
strength   one of STRENGTHS: 1 hardly shows, and at 5 people still recognise a digit
random     a generator of random numbers, which blur and contrast do not need
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
    sigma = 0.5 * strength
    return ndimage.gaussian_filter(images, (0, sigma, sigma, 0))  # images and channels stay apart


def contrast(images: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Shrinks differences from the image's mean by 15 % times the strength: to 0.85 ... 0.25."""
    mean = images.mean(axis=(1, 2, 3), keepdims=True)                          # [N, 1, 1, 1]
    kept = 1 - 0.15 * strength
    return (mean + kept * (images - mean)).astype(np.float32)


def occlusion(images: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Covers a random place of each image with a grey square.

    Its side is a tenth of the image's shorter side times the strength.
    """
    N, H, W, _ = images.shape
    side = round(0.1 * strength * min(H, W))
    top, left = random.integers(0, H - side + 1, N), random.integers(0, W - side + 1, N)
    covered = images.copy()
    for image, row, column in zip(covered, top, left, strict=True):
        image[row:row + side, column:column + side] = 0.5
    return covered


CORRUPTIONS = {"noise": noise, "blur": blur, "contrast": contrast, "occlusion": occlusion}
