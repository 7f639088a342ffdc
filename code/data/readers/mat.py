"""MATLAB files of version 5: affNIST's own, plain or in a .zip, and named arrays of others."""
import io
import zipfile
from typing import Any

import numpy as np
from scipy.io import loadmat

from data.dataset import Split
from data.readers.files import damage, expect
from settings import InputError

VARIABLE, SIDE = "affNISTdata", 40


def arrays(content: bytes, where: Any, names: list[str]) -> dict[str, np.ndarray]:
    """Returns the arrays of these names. InputError, beginning with `where`, if one is missing.

    (SciPy may crash on damaged content: it should be verified before.)
    """
    try:
        found = loadmat(io.BytesIO(content), variable_names=names)
        return {name: np.asarray(found[name]) for name in names}
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make SciPy raise a dozen kinds
        raise InputError(f"{where}: expected an undamaged .mat file with {' and '.join(names)}, "
                         f"received: {damage(error)}") from None


def parse(content: bytes, where: Any) -> Split:
    """Returns the images [N, 40, 40, 1] of a .mat file of affNIST, or of a .zip with one such file.

    Its images are uint8 [1600, N]: the 40 rows of an image, one after the other, are a column. Its
    labels label_int [1, N] are 0 to 9. InputError, beginning with `where`, if it is anything else.
    (A damaged file that is not in a .zip, which has a checksum, may crash SciPy.)
    """
    try:
        stream = io.BytesIO(content)
        if zipfile.is_zipfile(stream):
            stream = unzip(stream, where)
        fields = loadmat(stream, variable_names=[VARIABLE])[VARIABLE]
        images, labels = fields["image"][0, 0], fields["label_int"][0, 0]
    except (InputError, MemoryError):
        raise
    except Exception as error:  # damaged bytes make SciPy and zipfile raise a dozen kinds
        raise InputError(f"{where}: expected an undamaged .mat file with a structure {VARIABLE} of "
                         f"image and label_int, received: {damage(error)}") from None

    expect(images.dtype == np.uint8 and images.ndim == 2 and images.shape[0] == SIDE ** 2
           and images.shape[1] > 0, where, f"image uint8 [{SIDE ** 2}, N]",
           f"{images.dtype} {list(images.shape)}")
    expect(labels.shape == (1, images.shape[1]), where,
           f"label_int [1, N], N = {images.shape[1]:,} as of the images", list(labels.shape))
    whole = np.isin(labels, np.arange(10))
    expect(whole.all(), where, "labels from 0 to 9", f"the label {labels[~whole][:1]}")
    return Split(images.T.reshape(-1, SIDE, SIDE, 1), labels.T.real.astype(np.int32))


def unzip(stream: io.BytesIO, where: Any) -> io.BytesIO:
    """Returns the one .mat file in the archive. InputError if there is not exactly one."""
    with zipfile.ZipFile(stream) as archive:
        members = [name for name in archive.namelist() if name.endswith(".mat")]
        expect(len(members) == 1, where, "an archive with one .mat file", archive.namelist()[:5])
        return io.BytesIO(archive.read(members[0]))
