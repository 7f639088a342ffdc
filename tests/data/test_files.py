"""A stream is read no further than its limit, and content is verified piece by piece."""
import hashlib
import io

import numpy as np
import pytest

from data.readers.files import PIECE, expect, is_there, read_at_most, verify
from untrusted import refusal


@pytest.mark.parametrize("limit", [0, 1, 2, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 4, 10 ** 6])
def test_a_stream_is_read_to_its_end_or_to_the_limit(limit):
    content = np.random.default_rng(0).bytes(2 * PIECE + 5)
    stream = io.BytesIO(content)
    assert read_at_most(stream, limit) == content[:limit]
    assert stream.tell() == min(limit, len(content))


def test_no_piece_is_larger_than_it_needs_to_be():
    asked = []

    class Endless:
        def read(self, size):
            asked.append(size)
            return bytes(size)

    read_at_most(Endless(), PIECE + 3)
    assert asked == [PIECE, 3]


def test_where_the_system_does_not_say_what_is_there_it_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert is_there(tmp_path / "file") and not is_there(tmp_path / "none") and not is_there(tmp_path / "file" / "none")
    message = refusal(is_there, tmp_path / ("a" * 300))
    assert message.endswith("cannot be read: File name too long")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_the_digest_is_that_of_all_parts_in_order(algorithm):
    parts = b"one", np.array([[1, 2], [3, 4]], np.uint8)
    digest = hashlib.new(algorithm, b"one\1\2\3\4").hexdigest()
    verify("a file", parts, algorithm, digest)
    message = refusal(verify, "a file", parts[::-1], algorithm, digest)
    assert message.startswith("a file: expected") and algorithm.upper() in message
    assert digest in message


def test_a_refusal_quotes_no_more_than_300_characters():
    expect(True, "a file", "nothing", "nothing")
    message = refusal(expect, False, "a file", "less", "x" * 1000)
    assert message == "a file: expected less, received " + "x" * 300
