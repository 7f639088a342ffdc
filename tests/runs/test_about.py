"""What every results.json says of how it was made."""
import shutil
import subprocess

import pytest

from runs.about import commit


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_commit_is_named_and_whether_the_code_has_changed_since(tmp_path):
    def git(*words):
        identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
        ended = subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return ended.stdout.strip()

    assert commit(tmp_path) is None, "no clone"
    git("init")
    assert commit(tmp_path) is None, "no commit yet"
    (tmp_path / "code").mkdir()
    for name in ("code/a.py", "notes"):
        (tmp_path / name).write_text("before")
    git("add", ".")
    git("commit", "-m", "all")
    name = git("rev-parse", "--short", "HEAD")
    assert len(name) >= 7 and commit(tmp_path) == name
    (tmp_path / "notes").write_text("after")
    assert commit(tmp_path) == name, "figures and notes are no code"
    (tmp_path / "code" / "a.py").write_text("after")
    assert commit(tmp_path) == f"{name}, and changes since"
    git("checkout", "code")
    (tmp_path / "code" / "new.py").write_text("a network of one's own")
    assert commit(tmp_path) == f"{name}, and changes since"


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(tmp_path) is None
