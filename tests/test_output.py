"""Lines, bars and files: whole or not at all, and no failing output is a surprise."""
import os
import subprocess
import sys
from unittest.mock import Mock

import pytest
import tensorflow as tf

import output
from settings import ROOT, InputError

SAYS = "import cli, output; cli.run(lambda: output.say('line', '; a way'))"
BAR = """
import cli, output
def main():
    for n in output.progress(range(3), 'title', mininterval=0):
        output.say(f'line {n}')
    return 0
cli.run(main)
"""


def python(program, redirection):
    """Runs the program from `code/` with its output redirected by the shell -> status, output, error lines."""
    ended = subprocess.run(["bash", "-c", f'"$0" -c "$1" {redirection}', sys.executable, program],
                           cwd=ROOT / "code", capture_output=True)
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()  # not text=True, for which \r ends a line


@pytest.mark.parametrize("redirection, reason", [
    (">/dev/full", "No space left on device"), (">&-", "it is closed"), ("> >(true); wait", "Broken pipe")])
def test_an_output_that_takes_no_more_is_one_line(redirection, reason):
    """As in `python eval.py > file` on a full disk, and in `python eval.py | head -1`."""
    if "full" in redirection and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    if "true" in redirection:
        program = "import time; time.sleep(0.3)\n" + SAYS  # until the reader has gone
        status, out, err = python(program, "| true; exit ${PIPESTATUS[0]}")
    else:
        status, out, err = python(SAYS, redirection)
    assert (status, out) == (2, "")
    assert err == f"-c: error: cannot write to standard output: {reason}; a way\n"


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2> >(true)"])
def test_a_progress_bar_never_ends_what_it_shows(redirection):
    status, out, _ = python(BAR, redirection)
    assert (status, out) == (0, "line 0\nline 1\nline 2\n")


def test_an_error_never_comes_to_standard_output():
    """It would be a line of `predict.py --json`."""
    unknown = "import sys, cli, eval\nsys.argv = ['eval.py', '--\\udcff']\ncli.run(eval.main)"  # UTF-8 lacks it
    assert python(unknown, "2>&-") == (2, "", "")


def test_a_bar_makes_room_for_a_line_and_goes_away_in_the_end():
    status, _, err = python(BAR, "1>&2")
    shown = [line.rpartition("\r")[2].strip() for line in err.split("\n")]  # what a terminal still shows of each line
    assert (status, shown) == (0, ["line 0", "line 1", "line 2", ""])
    assert "title" in err
    status, _, err = python(BAR.replace("'title'", "None"), "1>/dev/null")
    assert (status, err) == (0, ""), "without a title there is no bar"


def test_a_character_that_the_output_lacks_does_not_end_the_run():
    program = "import cli, output; cli.run(lambda: output.say('caf\\u00e9 \\udcff') or 0)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "code", capture_output=True,
                           env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"caf\\xe9 \\udcff\n", b"")


def test_a_file_is_written_whole_or_not_at_all_and_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, done, fsync, replace = tmp_path / "new" / "file", [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("on the disk"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("renamed"), replace(*paths)))
    output.write_whole(path, b"first")
    assert done == ["on the disk", "renamed"] and path.read_bytes() == b"first"
    monkeypatch.setattr(os, "replace", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError):
        output.write_whole(path, b"second")
    assert path.read_bytes() == b"first" and [found.name for found in path.parent.iterdir()] == ["file"]


def test_what_cannot_be_written_is_one_line_with_its_flag_and_a_way_out():
    reason = "No space left on device"
    for error in (OSError(28, reason), tf.errors.UnknownError(None, None, f"a; {reason}")):
        with pytest.raises(InputError) as refusal, output.writing("DIR", "--to", lambda reason: f"; after {reason}"):
            raise error
        assert str(refusal.value) == f"--to: cannot write to DIR: {reason}; after {reason}"
    with pytest.raises(ZeroDivisionError), output.writing("DIR"):
        raise ZeroDivisionError
