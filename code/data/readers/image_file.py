"""One picture, in a file of any format below -> an array."""
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from data.readers.files import damage
from settings import InputError

KINDS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")  # as Pillow calls them
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
LEFT_BEHIND = ("thumbs.db", "desktop.ini", "__macosx")


def is_hidden(name: str) -> bool:
    """Returns whether a file or folder is hidden, or one that an operating system leaves behind."""
    return name.startswith(".") or name.lower() in LEFT_BEHIND


def read(path: Path, size: int, colour: bool) -> np.ndarray:
    """Returns the picture as uint8 [size, size, C], C = 3 for colour and 1 for grey.

    It is as `fitted` and `upright` say. InputError, the reason alone, if the file is no picture, is
    damaged, or would expand to more than Pillow's MAX_IMAGE_PIXELS.
    """
    return fitted(upright(path, colour, 2 * size), size)


def read_whole(path: Path, most: int, colour: bool) -> np.ndarray:
    """Returns uint8 [H, W], or [H, W, 3] in colour, with its longer side of at most `most` pixels.

    InputError as `read`.
    """
    picture = upright(path, colour, most)
    picture.thumbnail((most, most), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def upright(path: Path, colour: bool, side: int) -> Image.Image:
    """Returns the picture in 8 bits, turned as its camera says, at its own size.

    A large JPEG comes at a half, a quarter or an eighth of it, at least `side` pixels wide, which
    saves most of the time. Transparent parts show white paper behind them, or black if the picture
    would be nothing but white. InputError as `read`.
    """
    mode = "RGB" if colour else "L"
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError("not a file")  # opening a pipe would wait for ever
    try:
        # Read it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=KINDS) as image:
                image.draft(None, (side, side))
                image = in_8_bits(ImageOps.exif_transpose(image))

        # Lay it on paper.
        if "A" not in image.getbands() and "transparency" not in image.info:
            return image.convert(mode)
        image = image.convert("RGBA")
        on_white, on_black = (
            Image.alpha_composite(Image.new("RGBA", image.size, behind), image).convert(mode)
            for behind in ("white", "black"))
        return on_white if np.asarray(on_white).min() < 255 else on_black
    except (MemoryError, InputError):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise InputError(f"expected at most {Image.MAX_IMAGE_PIXELS:,} pixels, "
                         "received more") from None
    except UnidentifiedImageError:
        raise InputError("not a PNG, JPEG, BMP, TIFF or WebP image") from None
    except Exception as error:  # damaged bytes make Pillow raise a dozen kinds
        raise InputError(getattr(error, "strerror", None) or damage(error)) from None


def in_8_bits(image: Image.Image) -> Image.Image:
    """Returns the image with 8 bits for each channel. InputError if it has more than 16."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    shades, transparent = np.asarray(image), image.info.get("transparency")
    if image.mode == "F" or shades.min() < 0 or shades.max() >= 2 ** 16:
        raise InputError("expected 8 or 16 bits for each pixel, received 32")
    image = Image.fromarray((shades >> 8).astype(np.uint8))  # Pillow would clip
    if transparent is not None:  # one of the shades
        image.putalpha(Image.fromarray(np.where(shades == transparent, 0, 255).astype(np.uint8)))
    return image


def is_blank(image: np.ndarray) -> bool:
    """Returns whether all pixels of [H, W] or [H, W, C] have a single shade."""
    return bool((image == image[0, 0]).all())


def fitted(image: Image.Image, size: int) -> np.ndarray:
    """Returns uint8 [size, size, C]: the image as large as fits, centred on black, not stretched.

    ImageOps.pad rounds some places to another pixel, which would change the digest of older runs.
    """
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)  # averages where it shrinks
    canvas = Image.new(image.mode, (size, size))                        # black
    canvas.paste(resized, ((size - width) // 2, (size - height) // 2))
    return np.asarray(canvas).reshape(size, size, -1)
