"""IDX files are read raw or gzipped; anything damaged is one line."""
import gzip
import struct

import numpy as np
import pytest

from data.readers import idx as idx_reader
from untrusted import IMAGES, LABELS, idx, mutate, outcomes, refusal


def parse(content: bytes, ndim: int = 3) -> np.ndarray:
    return idx_reader.parse(idx_reader.unpacked(content, "some-file"), "some-file", ndim)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_is_read_raw_and_gzipped(pack):
    np.testing.assert_array_equal(parse(pack(idx(IMAGES))), IMAGES)
    np.testing.assert_array_equal(parse(pack(idx([3, 10, 255])), ndim=1), [3, 10, 255])


GOOD = idx(IMAGES)


@pytest.mark.parametrize("content, ndim, words", [
    (b"", 3, ["16 bytes", "0 bytes"]),
    (GOOD[:15], 3, ["16 bytes", "15 bytes"]),
    (GOOD[:-1], 3, ["14,400", "14,399", "truncated"]),
    (GOOD + b"\0", 3, ["14,400", "14,401", "more"]),
    (idx(LABELS), 3, ["0x00000803", "0x00000801"]),
    (GOOD, 1, ["0x00000801", "0x00000803"]),
    (b"<!DOCTYPE html><html>", 3, ["0x00000803", "0x3c21444f"]),
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


def test_a_file_may_have_the_most_that_is_read_and_not_one_byte_more(monkeypatch):
    monkeypatch.setattr(idx_reader, "MAX_BYTES", IMAGES.size)
    parse(GOOD)
    assert len(idx_reader.unpacked(gzip.compress(bytes(2 ** 20)), "a bomb")) == IMAGES.size + 1
    monkeypatch.setattr(idx_reader, "MAX_BYTES", IMAGES.size - 1)
    assert "1 to 14,399 bytes" in refusal(parse, GOOD)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, "inside"])
def test_no_mutation_gives_anything_but_data_or_a_refusal(pack):
    def read(content):
        array = parse(content)
        assert array.dtype == np.uint8 and array.ndim == 3 and array.size == IMAGES.size

    rng = np.random.default_rng(1)
    changed = [gzip.compress(mutate(GOOD, rng, head=16), 1) if pack == "inside" else mutate(pack(GOOD), rng, head=16)
               for _ in range(200)]
    found = outcomes(read, changed)
    assert found.count("refusal") > 80 and (pack is gzip.compress or "data" in found)
