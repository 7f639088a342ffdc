"""The folder of a run before it is one, and what is said where it cannot be written to."""
import os

import pytest
import tensorflow as tf

from runs import checkpoints, claim
from settings import InputError


def test_two_runs_of_one_second_get_folders_of_their_own_that_tensorflow_can_read(tmp_path):
    folders = {claim.make_folder(str(tmp_path / "m[in]e\\.npz"), tmp_path / "output") for _ in range(5)}
    assert len(folders) == 5 and all(folder.name.startswith("m_in]e_-2") for folder in folders)
    assert set((tmp_path / "output").iterdir()) == folders
    checkpoints.check_path(folders.pop())


@pytest.mark.parametrize("name, reason", [("a" * 300, "File name too long"), ("file/run", "Not a directory")])
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, name, reason):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"cannot write to .*{reason}"), claim.locked(tmp_path / name):
        pass


def test_a_log_takes_any_text_whatever_the_locale(tmp_path):
    with claim.locked(tmp_path) as log:
        print("caf\xe9 \udcff", file=log, flush=True)
    assert (tmp_path / "log.txt").read_bytes() == b"caf\xc3\xa9 \\udcff\n"


@pytest.mark.parametrize("again", [True, False], ids=["and made a new one", "and no more"])
def test_a_log_that_its_last_owner_removes_meanwhile_is_not_taken(tmp_path, monkeypatch, again):
    def remove(log, operation):
        os.unlink(log.name)
        if again:
            (tmp_path / "log.txt").touch()

    monkeypatch.setattr(claim.fcntl, "flock", remove)
    with pytest.raises(InputError, match="another process is training there"), claim.locked(tmp_path):
        pass


def test_a_folder_that_was_made_for_nothing_is_removed_and_one_with_files_stays(tmp_path):
    folder = tmp_path / "new"
    with pytest.raises(InputError, match="refused"), claim.locked(folder):
        raise InputError("refused")
    assert not folder.exists()
    with pytest.raises(InputError, match="refused"), claim.locked(folder) as log:
        (folder / "config.json").touch()
        raise InputError("refused")
    assert [path.name for path in folder.iterdir()] == ["config.json"] and log.closed


def test_only_a_run_can_be_continued(tmp_path):
    errors = OSError(28, "No space"), tf.errors.UnknownError(None, None, "x.part/ckpt-1; No space [Op:SaveV2]")
    for error in errors:
        with pytest.raises(InputError, match="No space$"), claim.writing(tmp_path):
            raise error
    (tmp_path / "config.json").touch()
    for error in errors:
        with pytest.raises(InputError) as refusal, claim.writing(tmp_path):
            raise error
        assert str(refusal.value) == (f"cannot write to {tmp_path}: No space; make room or mend that, "
                                      f"then continue with --ckpt {tmp_path}")
