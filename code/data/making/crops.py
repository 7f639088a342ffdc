"""Random crops in random light to train on, the central crop to test on (paper, section 7).

The settings CROP, FLIP, BRIGHTNESS and CONTRAST are in datasets/cifar10.py.
"""
import numpy as np

from data.dataset import Augment, Dataset, Split
from data.readers.files import expect
from data.remarks import say_lacking
from data.splits import hold_out


def as_dataset(name: str, train: Split, test: Split, class_names: tuple[str, ...], cfg) -> Dataset:
    """Returns a dataset whose network sees CROP x CROP pixels of the images [N, H, H, C].

    The last cfg.VALIDATION training images are the validation split. Each split has the central
    crops, so the digest is that of these. InputError if the crop or the validation is too large.
    """
    side = train.images.shape[1]
    expect(side >= cfg.CROP, "--crop", f"at most the {side} pixels of {name}'s images", cfg.CROP)
    splits = {**hold_out(train, cfg.VALIDATION), "test": test}
    seen = {part: split._replace(images=central(split.images, cfg.CROP))
            for part, split in splits.items()}
    dataset = Dataset(name=name, **seen, class_names=class_names,
                      augment=random_crops(splits["train"].images, cfg))
    say_lacking(dataset, name)
    return dataset


def central(images: np.ndarray, side: int) -> np.ndarray:
    """Returns the middle of images [..., H, H, C], [..., side, side, C], as a view."""
    first = (images.shape[-2] - side) // 2
    return images[..., first:first + side, first:first + side, :]


def random_crops(whole: np.ndarray, cfg) -> Augment:
    """Returns an Augment that crops, mirrors, and then changes brightness and contrast.

    whole uint8 [N, H, H, C]: the training images before they are cropped, in their order. The place
    of the crop is uniform, and FLIP mirrors half of the crops. BRIGHTNESS adds a number up to this
    large, of 255. CONTRAST multiplies each pixel's difference from the mean of its channel by a
    factor that is at most that far from 1. Only the result is rounded, and clipped to 0 to 255.

    The authors' code does the same, then gives each image the mean 0 and the deviation 1. This is
    left out: the decoder draws, attacks measure and figures show pixels from 0 to 1.
    """
    side, room = cfg.CROP, whole.shape[1] - cfg.CROP
    flip, brightness, contrast = cfg.FLIP, cfg.BRIGHTNESS, cfg.CONTRAST

    def vary(split: Split, index: np.ndarray, rng: np.random.Generator) -> Split:
        """split: the training split, whose images are the middle of `whole`"""
        # Draw for each image, also what a setting switches off.
        count = len(index)
        rows, columns = rng.integers(0, room + 1, (2, count))
        mirrored = (rng.random(count) < 0.5) & flip
        added = rng.uniform(-brightness, brightness, (count, 1, 1, 1))
        factors = rng.uniform(1 - contrast, 1 + contrast, (count, 1, 1, 1))

        # Cut out and mirror.
        images = np.stack([whole[n, row:row + side, column:column + side]
                           for n, row, column in zip(index, rows, columns, strict=True)])
        images[mirrored] = images[mirrored, :, ::-1]

        # Change the light.
        means = images.mean(axis=(1, 2), keepdims=True)                        # [B, 1, 1, C]
        images = means + added + factors * (images - means)
        images = np.clip(np.rint(images), 0, 255).astype(np.uint8)
        return Split(images, split.labels[index])

    return vary
