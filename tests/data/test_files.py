"""What is there, and that a refusal is one line of limited length."""
from data.readers.files import expect, is_there
from untrusted import refusal


def test_where_the_system_does_not_say_what_is_there_it_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert is_there(tmp_path / "file") and not is_there(tmp_path / "none") and not is_there(tmp_path / "file" / "none")
    assert refusal(is_there, tmp_path / ("a" * 300)).endswith("cannot be read: File name too long")


def test_a_refusal_quotes_no_more_than_300_characters():
    expect(True, "a file", "nothing", "nothing")
    message = refusal(expect, False, "a file", "less", "x" * 1000)
    assert message == "a file: expected less, received " + "x" * 300
