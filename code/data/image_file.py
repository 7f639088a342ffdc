"""One PNG, JPEG or BMP file -> an array of the wanted size. The only module that imports Pillow."""
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from settings import InputError

KINDS = ("PNG", "JPEG", "BMP")  # as Pillow calls them


def read(path: Path, size: int, colour: bool) -> np.ndarray:
    """-> uint8 [size, size, C], C = 3 for colour and 1 for grey.

    The image is turned upright as its camera says, made as large as fits, centred and padded with
    black. Its proportions stay. Transparent parts become black. InputError, the reason alone, if
    the file is no image, is damaged, or would expand to more than Pillow's MAX_IMAGE_PIXELS.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError("not a file")  # opening a pipe would wait for ever
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=KINDS) as image:
                return fitted(image, size, colour)
    except MemoryError:
        raise
    except UnidentifiedImageError:
        raise InputError("not a PNG, JPEG or BMP image") from None
    except Exception as error:  # damaged bytes make Pillow raise a dozen kinds
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:100]
        raise InputError(reason or type(error).__name__) from None


def fitted(image: Image.Image, size: int, colour: bool) -> np.ndarray:
    """-> the opened image as `read` says."""
    # A large JPEG is decoded at a half, a quarter or an eighth, which saves most of the time.
    image.draft(None, (2 * size, 2 * size))
    image = ImageOps.exif_transpose(image)

    # Any kind of pixel becomes 8 bits of red, green and blue, or of grey.
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    image = image.convert("RGB" if colour else "L")

    # Fit the longer side, and at least one pixel of the other.
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)  # averages where it shrinks
    canvas = Image.new(image.mode, (size, size))                        # black
    canvas.paste(resized, ((size - width) // 2, (size - height) // 2))
    return np.asarray(canvas).reshape(size, size, -1)
