"""The folder of a run before it is one, and what is said where it cannot be written to."""
import errno
import os

import pytest
import tensorflow as tf

from runs import checkpoints, claim
from settings import InputError


def test_two_runs_of_one_second_get_folders_of_their_own(tmp_path):
    folders = {claim.make_folder(str(tmp_path / "mine.npz"), tmp_path / "output") for _ in range(5)}
    assert len(folders) == 5 and all(folder.name.startswith("mine-2") for folder in folders)
    assert set((tmp_path / "output").iterdir()) == folders


def test_a_folder_gets_a_name_that_tensorflow_can_read(tmp_path):
    folder = claim.make_folder("we[ird]\\.npz", tmp_path)
    assert folder.name.startswith("we_ird]_-2")
    checkpoints.check_path(folder)


def test_a_folder_whose_name_is_too_long_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot write to .*File name too long"), claim.locked(tmp_path / ("a" * 300)):
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


def test_a_folder_that_was_made_for_nothing_is_removed(tmp_path):
    with pytest.raises(InputError, match="refused"), claim.locked(tmp_path / "new"):
        raise InputError("refused")
    assert not (tmp_path / "new").exists()
    folder = claim.make_folder("mine", tmp_path)
    with pytest.raises(InputError, match="refused"), claim.locked(folder, is_new=True):
        raise InputError("refused")
    assert not folder.exists()


def test_a_folder_of_the_user_or_with_files_stays(tmp_path):
    with pytest.raises(InputError, match="refused"), claim.locked(tmp_path):
        raise InputError("refused")
    assert list(tmp_path.iterdir()) == [], "without the log"
    with pytest.raises(InputError, match="refused"), claim.locked(tmp_path / "new") as log:
        (tmp_path / "new" / "config.json").touch()
        raise InputError("refused")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["config.json"] and log.closed


@pytest.mark.parametrize("number, advice", [
    (errno.ENOSPC, "make room"), (errno.EDQUOT, "make room"), (errno.EFBIG, "make room"),
    (errno.EACCES, "mend that"), (errno.EIO, "mend that")])
def test_only_a_full_disk_needs_room(tmp_path, number, advice):
    (tmp_path / "config.json").touch()
    reason = os.strerror(number)
    for error in (OSError(number, reason), tf.errors.UnknownError(None, None, f"x.part/ckpt-1; {reason} [Op:SaveV2]")):
        with pytest.raises(InputError) as refusal, claim.writing(tmp_path):
            raise error
        expected = f"cannot write to {tmp_path}: {reason}; {advice}, then continue with --ckpt {tmp_path}"
        assert str(refusal.value) == expected


def test_where_nothing_was_begun_there_is_nothing_to_continue(tmp_path):
    with pytest.raises(InputError) as refusal, claim.writing(tmp_path):
        raise PermissionError(13, "Permission denied")
    assert str(refusal.value) == f"cannot write to {tmp_path}: Permission denied"
