"""Images and labels: MNIST, the embedded glyphs or the user's own .npz; batches as a pure function of (seed, step).

Images rest as uint8 in [0, 255] and become float32 in [0, 1] only in the batch that the network sees. Whatever is
wrong with a file or a download is one InputError: where, what was expected, what was received.
"""
import contextlib
import functools
import hashlib
import http.client
import io
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from config import ROOT, InputError, write_whole
from formats import MAX_IDX, PARTS, expect, parse_idx, read_at_most, read_npz

MIRRORS = ["https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"]
DIGESTS = {  # the files in the order in which they are read, and SHA-256 of their decompressed content
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
VALIDATION = 5_000    # the last training images of MNIST
TIMEOUT = 20          # seconds without an answer after which a mirror is given up
MIN_SIDE = 17         # pixels that two 9x9 convolutions, the second with stride 2, need
MAX_CLASSES = 1_000


class Split(NamedTuple):
    images: np.ndarray  # uint8 [N, H, W, C], 0 to 255
    labels: np.ndarray  # int32 [N], 0 to classes - 1


class Dataset(NamedTuple):
    name: str
    train: Split
    val: Split
    test: Split
    classes: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)"""
        return self.train.images.shape[1:]

    @property
    def digest(self) -> str:
        """SHA-256 of all images and labels: a run continues only on what it began with."""
        digest = hashlib.sha256()
        for array in (*self.train, *self.val, *self.test):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()


def load(dataset: str, data_dir: str | Path, seed: int) -> Dataset:
    """dataset: mnist (in data_dir), glyphs, or the path of an .npz; seed: of the glyphs, and of splits of an .npz.

    InputError if a file is missing and cannot be downloaded, or is not what it should be.
    """
    if dataset == "mnist":
        return load_mnist(Path(data_dir))
    if dataset == "glyphs":
        return load_glyphs(seed)
    return assemble(Path(dataset).stem, dataset, read_npz(Path(dataset)), seed)


# ---- MNIST ----

def fetch(url: str) -> bytes:
    """What stands at the address, with a progress bar. OSError or HTTPException if it cannot be had."""
    with (urllib.request.urlopen(url, timeout=TIMEOUT) as reply,
          tqdm.wrapattr(reply, "read", total=reply.length, desc=url.rsplit("/", 1)[-1]) as stream):
        return read_at_most(stream, MAX_IDX)


def download(folder: Path, name: str, ndim: int) -> np.ndarray:
    """The first mirror's copy that has the right content, kept as folder/name.gz -> as parse_idx.

    Nothing is written before it is verified, so an interrupted download leaves nothing: the next call begins that
    file again. (keras.utils.get_file writes under the final name from the first byte and waits without a timeout.)
    """
    failures = []
    for mirror in MIRRORS:
        url = f"{mirror}{name}.gz"
        try:
            content = fetch(url)
            array = parse_idx(io.BytesIO(content), "its reply", ndim, DIGESTS[name])
        except (OSError, http.client.HTTPException, InputError) as error:
            failures.append(f"{url} ({error or type(error).__name__})")
            continue
        try:
            write_whole(folder / f"{name}.gz", content)
        except OSError as error:
            raise InputError(f"--data_dir: expected a folder to write in, received {folder} ({error})") from None
        return array
    raise InputError(f"MNIST could not be downloaded: tried {' and '.join(failures)}. Ways out: place the files "
                     f"{', '.join(DIGESTS)}, each raw or as .gz, in {folder}, or use --dataset glyphs")


def load_mnist(folder: Path) -> Dataset:
    """55,000 / 5,000 / 10,000 images [28, 28, 1]; files that are not in the folder are downloaded into it."""
    arrays = []
    for name in DIGESTS:
        ndim = 3 if "images" in name else 1
        path = next((path for path in (folder / f"{name}.gz", folder / name) if os.path.exists(path)), None)
        if path is None:
            arrays.append(download(folder, name, ndim))
            continue
        try:
            with open(path, "rb") as stream:
                arrays.append(parse_idx(stream, path, ndim, DIGESTS[name]))
        except (OSError, InputError) as error:
            raise InputError(f"{error}; delete the file to have it downloaded again") from None
    x_train, y_train, x_test, y_test = (array[..., None] if array.ndim == 3 else array.astype(np.int32)
                                        for array in arrays)  # [N, H, W, 1], [N]
    return Dataset("mnist", Split(x_train[:-VALIDATION], y_train[:-VALIDATION]),
                   Split(x_train[-VALIDATION:], y_train[-VALIDATION:]), Split(x_test, y_test), classes=10)


# ---- glyphs and the user's own images ----

def load_glyphs(seed: int) -> Dataset:
    """Drawn once per seed and version of glyphs.py, then read from the cache in data/glyphs."""
    import glyphs  # here, because matplotlib is not needed for other data
    version = hashlib.sha256(Path(glyphs.__file__).read_bytes()).hexdigest()[:8]
    cache = ROOT / "data" / "glyphs" / f"seed-{seed}-{version}.npz"
    with contextlib.suppress(InputError):  # not there yet, or damaged: draw
        return assemble("glyphs", cache, read_npz(cache), seed)
    arrays = glyphs.make(seed)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, not results
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        write_whole(cache, content.getvalue())
    return assemble("glyphs", "glyphs", arrays, seed)


def assemble(name: str, where: Any, arrays: dict[str, np.ndarray], seed: int) -> Dataset:
    """Checks the arrays and makes the splits; a tenth of x_train each for validation and test if they are not there.

    x_*: uint8 [N, H, W] or [N, H, W, C], H and W at least 17, alike in all splits; y_*: integers [N]. There are as
    many classes as the largest label says. InputError, beginning with `where`, for anything else.
    """
    splits = {}
    for part in PARTS:
        names = {f"x_{part}", f"y_{part}"}
        if part == "train" or names & arrays.keys():
            expect(names <= arrays.keys(), where, f"both x_{part} and y_{part}",
                   f"only {', '.join(sorted(arrays)) or 'an empty archive'}")
            splits[part] = check(arrays[f"x_{part}"], arrays[f"y_{part}"], part, where)
            expect(splits[part].images.shape[1:] == splits["train"].images.shape[1:], where,
                   f"x_{part} of [H, W, C] {splits['train'].images.shape[1:]} as x_train",
                   splits[part].images.shape[1:])
    classes = 1 + max(int(split.labels.max()) for split in splits.values())
    examples = sum(len(split.labels) for split in splits.values())
    expect(classes <= min(MAX_CLASSES, examples), where, f"labels below {MAX_CLASSES:,} and below the number of "
           f"examples, {examples:,}", f"the label {classes - 1:,}; number the classes from 0")

    absent = [part for part in PARTS if part not in splits]
    images, labels = splits["train"]
    order, tenth = np.random.default_rng([seed, 0, 2]).permutation(len(labels)), len(labels) // 10
    expect(tenth or not absent, where, "10 examples or more in x_train, to split validation and test off",
           len(labels))
    for part in absent:
        mine, order = order[:tenth], order[tenth:]
        splits[part] = Split(images[mine], labels[mine])
    if absent:
        splits["train"] = Split(images[order], labels[order])
    expect(len(np.unique(splits["train"].labels)) > 1, where, "two classes or more to train on",
           f"only the label {splits['train'].labels[0]}")
    return Dataset(name, splits["train"], splits["val"], splits["test"], classes)


def check(images: np.ndarray, labels: np.ndarray, part: str, where: Any) -> Split:
    """Arrays as they come -> uint8 [N, H, W, C] and int32 [N]. InputError if they are not as `assemble` says."""
    expect(images.dtype == np.uint8 and images.ndim in (3, 4), where,
           f"x_{part} uint8 [N, H, W] or [N, H, W, C], 0 to 255 (for floats in [0, 1]: (255 * x).astype('uint8'))",
           f"{images.dtype} {list(images.shape)}")
    images = images if images.ndim == 4 else images[..., None]
    n, height, width, channels = images.shape
    expect(min(height, width) >= MIN_SIDE and channels, where,
           f"images in x_{part} of {MIN_SIDE}x{MIN_SIDE} pixels or more", f"{height}x{width}x{channels}")
    expect(labels.dtype.kind in "iu" and labels.ndim == 1, where, f"y_{part} integers [N]",
           f"{labels.dtype} {list(labels.shape)}")
    expect(n == len(labels) > 0, where, f"as many images in x_{part} as labels in y_{part}, one or more",
           f"{n:,} and {len(labels):,}")
    low, high = int(labels.min()), int(labels.max())
    expect(low >= 0 and high < MAX_CLASSES, where, f"labels in y_{part} from 0 to at most {MAX_CLASSES - 1}",
           f"{low} to {high}; number the classes from 0")
    return Split(images, labels.astype(np.int32))


# ---- batches ----

def scale(images: np.ndarray) -> np.ndarray:
    """uint8, 0 to 255 -> float32 in [0, 1], of the same shape."""
    return np.divide(images, 255, dtype=np.float32)


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, n: int) -> np.ndarray:
    order = np.random.default_rng([seed, epoch, 0]).permutation(n)
    order.flags.writeable = False  # the cache's own copy
    return order


def batch(split: Split, seed: int, step: int, batch_size: int, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """The training batch of a step -> images float32 [B, H, W, C] in [0, 1], labels int32 [B]; pure in (seed, step).

    Step s takes places s B to (s + 1) B of an endless stream of epochs, each a fresh permutation of the split. Every
    image moves by a whole number of pixels, uniform in -shift..shift in each direction; zeros come in, nothing wraps.
    InputError if images would be shifted out of sight.
    """
    n, height, width, _ = split.images.shape
    expect(shift < min(height, width), "--shift", f"less than the images' {height}x{width} pixels", shift)
    epoch, place = np.divmod(np.arange(step * batch_size, (step + 1) * batch_size), n)  # [B], [B]
    index = np.concatenate([_order(seed, e, n)[place[epoch == e]] for e in range(epoch[0], epoch[-1] + 1)])
    images = split.images[index]  # [B, H, W, C]
    if shift:
        rows, columns = np.random.default_rng([seed, step, 1]).integers(0, 2 * shift + 1, (2, batch_size))
        images = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))  # [B, H + 2 shift, W + 2 shift, C]
        images = np.stack([image[row:row + height, column:column + width]
                           for image, row, column in zip(images, rows, columns, strict=True)])
    return scale(images), split.labels[index]


def batches(split: Split, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The whole split once, in order, as it is -> images float32 [b, H, W, C] in [0, 1], labels [b]; b <= B."""
    for start in range(0, len(split.labels), batch_size):
        part = slice(start, start + batch_size)
        yield scale(split.images[part]), split.labels[part]
