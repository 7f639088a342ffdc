"""Content is verified, and a refusal is one line of limited length."""
import hashlib

from data.readers.files import expect, is_there, verify
from untrusted import refusal


def test_where_the_system_does_not_say_what_is_there_it_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert is_there(tmp_path / "file") and not is_there(tmp_path / "none") and not is_there(tmp_path / "file" / "none")
    assert refusal(is_there, tmp_path / ("a" * 300)).endswith("cannot be read: File name too long")


def test_content_of_another_digest_is_refused():
    for algorithm in ("md5", "sha256"):
        digest = hashlib.new(algorithm, b"one").hexdigest()
        verify("a file", b"one", algorithm, digest)
        message = refusal(verify, "a file", b"two", algorithm, digest)
        assert message.startswith("a file: expected") and algorithm.upper() in message and digest in message


def test_a_refusal_quotes_no_more_than_300_characters():
    expect(True, "a file", "nothing", "nothing")
    message = refusal(expect, False, "a file", "less", "x" * 1000)
    assert message == "a file: expected less, received " + "x" * 300
