"""One PNG, JPEG or BMP file -> an array."""
import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from data.readers.files import damage
from settings import InputError

KINDS = ("PNG", "JPEG", "BMP")  # as Pillow calls them


def read(path: Path, size: int, colour: bool) -> np.ndarray:
    """-> uint8 [size, size, C], C = 3 for colour and 1 for grey.

    The image is turned upright as its camera says, made as large as fits, centred and padded with
    black. Its proportions stay. Transparent parts become black. InputError, the reason alone, if
    the file is no image, is damaged, or would expand to more than Pillow's MAX_IMAGE_PIXELS.
    """
    with opened(path) as image:
        # A large JPEG is decoded at a half, a quarter or an eighth, which saves most of the time.
        image.draft(None, (2 * size, 2 * size))
        return fitted(in_8_bits(image, "RGB" if colour else "L", "black"), size)


def read_grey(path: Path, most: int) -> np.ndarray:
    """-> uint8 [H, W], upright and whole. The longer side is at most `most`.

    Transparent parts become white, unless what is drawn is white. InputError as `read`.
    """
    with opened(path) as image:
        image.draft(None, (most, most))
        grey = in_8_bits(image, "L", "white")
        if grey.getextrema() == (255, 255):
            grey = in_8_bits(image, "L", "black")
        grey.thumbnail((most, most), Image.Resampling.BILINEAR)
        return np.asarray(grey)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The image in the file. InputError, the reason alone, if it cannot be read as one."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError("not a file")  # opening a pipe would wait for ever
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=KINDS) as image:
                yield image
    except MemoryError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise InputError(f"expected at most {Image.MAX_IMAGE_PIXELS:,} pixels, "
                         "received more") from None
    except UnidentifiedImageError:
        raise InputError("not a PNG, JPEG or BMP image") from None
    except Exception as error:  # damaged bytes make Pillow raise a dozen kinds
        raise InputError(getattr(error, "strerror", None) or damage(error)) from None


def in_8_bits(image: Image.Image, mode: str, background: str) -> Image.Image:
    """-> the image upright, in 8 bits: of red, green and blue ("RGB") or of grey ("L")."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip
        shades, transparent = np.asarray(image), image.info.get("transparency")
        image = Image.fromarray((shades >> 8).astype(np.uint8))
        if transparent is not None:  # one of the shades
            opaque = np.where(shades == transparent, 0, 255).astype(np.uint8)
            image.putalpha(Image.fromarray(opaque))
    if "A" in image.getbands() or "transparency" in image.info:
        behind = Image.new("RGBA", image.size, background)
        image = Image.alpha_composite(behind, image.convert("RGBA"))
    return image.convert(mode)


def fitted(image: Image.Image, size: int) -> np.ndarray:
    """-> uint8 [size, size, C], the image as `read` says."""
    # The longer side fits, and at least one pixel of the other.
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)  # averages where it shrinks
    canvas = Image.new(image.mode, (size, size))                        # black
    canvas.paste(resized, ((size - width) // 2, (size - height) // 2))
    return np.asarray(canvas).reshape(size, size, -1)
