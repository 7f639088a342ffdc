"""IDX files are read raw or gzipped; damaged ones are refused without the memory they claim."""
import gzip
import io
import itertools
import struct
import tracemalloc

import numpy as np
import pytest

from data.readers.idx import parse as parse_idx
from settings import InputError
from untrusted import IMAGES, LABELS, idx, mutate, peak_of, refusal


def parse(content: bytes, ndim: int = 3) -> np.ndarray:
    return parse_idx(io.BytesIO(content), "some-file", ndim)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_is_read_raw_and_gzipped(pack):
    np.testing.assert_array_equal(parse(pack(idx(IMAGES))), IMAGES)
    np.testing.assert_array_equal(parse(pack(idx(LABELS)), ndim=1), LABELS)


GOOD = idx(IMAGES)
HEAD = GOOD[:16]


@pytest.mark.parametrize("content, ndim, words", [
    (b"", 3, ["16 bytes", "0 bytes"]),
    (GOOD[:15], 3, ["16 bytes", "15 bytes"]),
    (GOOD[:-1], 3, ["14,400", "14,399", "truncated"]),
    (GOOD + b"\0", 3, ["14,400", "more"]),
    (idx(LABELS), 3, ["0x00000803", "0x00000801"]),
    (GOOD, 1, ["0x00000801", "0x00000803"]),
    (b"<!DOCTYPE html><html>", 3, ["0x00000803", "0x3c21444f"]),
    (struct.pack(">4I", 0x803, 2 ** 31, 28, 28), 3, ["2147483648, 28, 28"]),
    # 2 ** 64 bytes are not 0.
    (struct.pack(">4I", 0x803, 2 ** 16, 2 ** 24, 2 ** 24), 3, ["65536, 16777216, 16777216"]),
    (struct.pack(">4I", 0x803, 0, 28, 28), 3, ["[0, 28, 28]"]),
    (gzip.compress(GOOD)[:-9], 3, ["gzip", "end-of-stream"]),
    (gzip.compress(GOOD)[:-8] + b"12345678", 3, ["gzip", "CRC"]),
    (gzip.compress(GOOD)[:5000] + b"~" * 9 + gzip.compress(GOOD)[5009:], 3, ["gzip"]),
    (gzip.compress(GOOD) + b"tail", 3, ["gzip"]),
    (gzip.compress(GOOD) + gzip.compress(b"tail"), 3, ["14,400", "more"]),
    (b"\x1f\x8b", 3, ["gzip"]),
])
def test_damaged_idx_is_refused(content, ndim, words):
    message = refusal(parse, content, ndim)
    assert all(word in message for word in ["some-file", "expected", "received", *words]), message


def test_a_file_may_have_one_byte_of_content():
    np.testing.assert_array_equal(parse(idx([7]), ndim=1), [7])


def test_any_bytes_are_labels():
    """A dataset knows how many classes it has; the format does not."""
    np.testing.assert_array_equal(parse(idx([3, 10, 255]), ndim=1), [3, 10, 255])


def test_a_file_may_have_the_most_that_is_read_and_not_one_byte_more(monkeypatch):
    monkeypatch.setattr("data.readers.idx.MAX_BYTES", IMAGES.size)
    parse(GOOD)
    monkeypatch.setattr("data.readers.idx.MAX_BYTES", IMAGES.size - 1)
    assert "1 to 14,399 bytes" in refusal(parse, GOOD)


@pytest.mark.parametrize("content", [
    struct.pack(">4I", 0x803, 2 ** 31, 28, 28) + bytes(784),        # claims 1.6 TB
    struct.pack(">4I", 0x803, 80_000, 28, 28) + bytes(784),         # claims a believable 60 MB
    gzip.compress(struct.pack(">4I", 0x803, 80_000, 28, 28) + bytes(784)),
    gzip.compress(struct.pack(">4I", 0x803, 1, 28, 28) + bytes(2 ** 26)),        # has 64 MB
    gzip.compress(struct.pack(">4I", 0x803, 2 ** 20, 28, 28) + bytes(2 ** 26)),  # claims 822 MB
], ids=["claim", "modest claim", "gzipped claim", "bomb", "bomb that says so"])
def test_idx_gets_no_memory_for_claims(content):
    assert peak_of(refusal, parse, content) < 2 ** 20 + 2 * len(content)


# ---- fuzz ----

def mutations(kind: str, rng: np.random.Generator):
    """Endless: a mutation of a valid file: raw, inside its compression, or compressed."""
    while True:
        if kind == "idx":
            yield mutate(GOOD, rng, head=16)
        elif kind == "gz":
            yield mutate(gzip.compress(GOOD), rng, head=16)
        else:
            yield gzip.compress(mutate(GOOD, rng, head=16), 1)


@pytest.mark.parametrize("kind", ["idx", "gz", "idx in gz"])
def test_no_mutation_gives_anything_but_data_or_a_refusal(kind):
    """400 mutations: InputError, or the right shape and type, and no memory beyond it."""
    outcomes = []
    for content in itertools.islice(mutations(kind, np.random.default_rng(1)), 400):
        tracemalloc.start()
        try:
            array = parse(content)
            assert array.dtype == np.uint8 and array.ndim == 3 and array.size == IMAGES.size
            outcomes.append("data")
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
            outcomes.append("refusal")
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 4 * len(GOOD) + 2 ** 18  # what 40 images need; the rest is Python's own
    assert outcomes.count("refusal") > 200 and "data" in outcomes
