"""config.json comes back as it was, or is refused."""
import json

import pytest

from config import TRAIN, settings_of_others
from runs import config as run_config
from settings import ROOT, Config, InputError

DIGITS = tuple("0123456789")


def test_saved_settings_come_back(tmp_path):
    settings = Config(TRAIN, {"LR": 0.01, "PRIOR_TRAINING": True})
    run = run_config.RunConfig(settings, (28, 28, 1), 10, "0123", DIGITS)
    run_config.save_config(tmp_path, run)
    assert run_config.load_config(tmp_path) == run


def test_a_run_older_than_a_setting_did_what_there_was_then(tmp_path):
    run = run_config.RunConfig(Config(TRAIN, {"INIT": "small", "WARMUP": 9}), (28, 28, 1), 10, "0123", DIGITS)
    run_config.save_config(tmp_path, run)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert (saved["settings"].pop("INIT"), saved["settings"].pop("WARMUP")) == ("small", 9)
    (tmp_path / "config.json").write_text(json.dumps(saved))
    found = run_config.load_config(tmp_path).settings
    assert (found.INIT, found.WARMUP) == ("keras", 0)


@pytest.mark.parametrize("content", [
    "", "{", "[]", "{}", "\xff", '{"settings": 3}', '{"settings": {}, "classes": 10}',
    '{"settings": {}, "image_shape": [28, 28], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": 10}',
    '{"settings": {"ROUTING_ITER": 3}, "image_shape": [28, 28, 1], "classes": 10, "data": ""}',
    '{"settings": {"ROUTING_ITERS": "3"}, "image_shape": [28, 28, 1], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [8, 28, 1], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 0], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": 0, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": Infinity, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": 2, "data": "", "class_names": ["a"]}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": 2, "data": "", "class_names": "ab"}',
    100_000 * "["])
def test_a_damaged_config_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="config.json"):
        run_config.load_config(tmp_path)
    with pytest.raises(InputError, match="config.json is missing"):
        run_config.load_config(tmp_path / "nowhere")


def test_the_folder_of_mnist_is_this_machines(tmp_path, monkeypatch):
    """CAPSNET_DATA_DIR, else where the run had it if that is still there, else the default."""
    def data_dir(recorded):
        run = run_config.RunConfig(Config(TRAIN, {"DATA_DIR": str(recorded)}), (28, 28, 1), 10, "0123", DIGITS)
        run_config.save_config(tmp_path, run)
        return run_config.load_config(tmp_path).settings.DATA_DIR

    monkeypatch.delenv("CAPSNET_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    assert data_dir(tmp_path) == str(tmp_path)
    assert data_dir(tmp_path / "gone") == TRAIN["DATA_DIR"].default
    assert data_dir(tmp_path / ("a" * 300)) == TRAIN["DATA_DIR"].default, "nobody may look there"
    assert data_dir("code") == str(ROOT / "code"), "relative to the repository, wherever the user stands"
    monkeypatch.setenv("CAPSNET_DATA_DIR", "elsewhere")
    assert data_dir(tmp_path) == TRAIN["DATA_DIR"].default, "which config.py takes from the environment"


def test_a_run_outlives_the_files_of_other_datasets_and_networks(tmp_path, monkeypatch):
    run = run_config.RunConfig(Config(TRAIN), (28, 28, 1), 10, "0123", DIGITS)
    run_config.save_config(tmp_path, run)
    recorded = json.loads((tmp_path / "config.json").read_text())["settings"]
    assert "ROUTING_ITERS" in recorded and not {"OVERLAY_SHIFT", "CNN_LAYERS", "IMAGE_SIZE"} & recorded.keys()
    for name in ("OVERLAY_SHIFT", "CNN_LAYERS"):
        monkeypatch.delitem(TRAIN, name)
    assert run_config.load_config(tmp_path).settings.ROUTING_ITERS == 3


def test_a_setting_of_another_file_that_was_set_is_recorded(tmp_path):
    """A dataset of one's own may load a folder of images with formats/folder.py."""
    run = run_config.RunConfig(Config(TRAIN, {"IMAGE_SIZE": 40}), (40, 40, 1), 10, "0123", DIGITS)
    run_config.save_config(tmp_path, run)
    assert run_config.load_config(tmp_path) == run and run.identity()["IMAGE_SIZE"] == 40


def test_a_setting_that_is_newer_than_the_run_takes_its_default(tmp_path):
    """As the network's name, in the config.json of a run from before there were several."""
    run = run_config.RunConfig(Config(TRAIN, {"LR": 0.01}), (28, 28, 1), 10, "0123", DIGITS)
    run_config.save_config(tmp_path, run)
    saved = json.loads((tmp_path / "config.json").read_text())
    del saved["settings"]["MODEL"], saved["settings"]["LAMBDA"]
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert run_config.load_config(tmp_path) == run
    assert run.settings.MODEL == "capsnet"


def test_classes_without_recorded_names_are_numbers(tmp_path):
    run = run_config.RunConfig(Config(TRAIN), (28, 28, 1), 2, "0123", ("cat", "dog"))
    run_config.save_config(tmp_path, run)
    assert run_config.load_config(tmp_path).class_names == ("cat", "dog")
    saved = json.loads((tmp_path / "config.json").read_text())
    del saved["class_names"]
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert run_config.load_config(tmp_path).class_names == ("0", "1")


def test_a_run_keeps_what_makes_it_and_may_change_the_rest():
    run = run_config.RunConfig(Config(TRAIN, {"LR": 0.01}), (28, 28, 1), 10, "0123", DIGITS)
    changed = run.resumed("runs/1", {"LR": 0.1, "MAX_ITERS": 7, "SEED": 0})
    assert (changed.LR, changed.MAX_ITERS, run.settings.LR) == (0.1, 7, 0.01)
    for name, value in (("SEED", 1), ("BATCH_SIZE", 50), ("M_POS", 0.8), ("SHIFT", 0), ("DECODER_UNITS", 8)):
        with pytest.raises(InputError, match=f"--{name.lower()} {value}: the run in runs/1 has {TRAIN[name].default}"):
            run.resumed("runs/1", {name: value})
    kept = {name for name, setting in TRAIN.items() if not setting.may_change} - settings_of_others(run.settings)
    assert run.identity().keys() == kept | {"image_shape", "classes", "data"}
    assert json.loads(json.dumps(run.identity())) == run.identity(), "a checkpoint holds it as JSON"


def test_a_config_that_cannot_be_read_is_not_called_damaged(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(InputError, match="config.json cannot be read: Is a directory"):
        run_config.load_config(tmp_path)
