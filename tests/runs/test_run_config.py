"""config.json comes back as it was, or is refused."""
import json

import pytest

from config import TRAIN, settings_of_others
from runs.config import RunConfig, load_config, save_config
from settings import ROOT, Config, InputError

DIGITS = tuple("0123456789")


def run_with(**settings):
    return RunConfig(Config(TRAIN, settings), (28, 28, 1), 10, "0123", DIGITS)


def edited(folder, edit):
    """-> the run of a config.json that `edit` has changed."""
    content = json.loads((folder / "config.json").read_text())
    edit(content)
    (folder / "config.json").write_text(json.dumps(content))
    return load_config(folder)


@pytest.mark.parametrize("run", [
    run_with(LR=0.01, PRIOR_TRAINING=True), run_with()._replace(init_from={"path": "a/ckpt-1", "sha256": "45"}),
    run_with(IMAGE_SIZE=40)])  # a dataset of one's own may load a folder of images with formats/folder.py
def test_what_was_saved_comes_back(tmp_path, run):
    save_config(tmp_path, run)
    assert load_config(tmp_path) == run


def test_what_older_runs_did_not_record_is_what_there_was_then(tmp_path):
    save_config(tmp_path, run_with(INIT="small", WARMUP=9, LR=0.01))

    def older(content):
        for name in ("INIT", "WARMUP", "MODEL", "LAMBDA"):
            del content["settings"][name]
        del content["class_names"]

    assert edited(tmp_path, older) == run_with(INIT="keras", WARMUP=0, LR=0.01)


@pytest.mark.parametrize("content", [
    "", "[]", "{}", "\xff", '{"settings": 3}', '{"settings": {}, "image_shape": [28, 28, 1], "classes": 10}',
    '{"settings": {"ROUTING_ITER": 3}, "image_shape": [28, 28, 1], "classes": 10, "data": ""}',
    '{"settings": {"ROUTING_ITERS": "3"}, "image_shape": [28, 28, 1], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [8, 28, 1], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": Infinity, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": 2, "data": "", "class_names": ["a"]}',
    100_000 * "["])
def test_a_damaged_config_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="config.json"):
        load_config(tmp_path)


def test_a_config_that_cannot_be_read_is_not_called_damaged(tmp_path):
    with pytest.raises(InputError, match="config.json is missing"):
        load_config(tmp_path / "nowhere")
    (tmp_path / "config.json").mkdir()
    with pytest.raises(InputError, match="config.json cannot be read: Is a directory"):
        load_config(tmp_path)


def test_the_folder_of_mnist_is_this_machines(tmp_path, monkeypatch):
    """CAPSNET_DATA_DIR, else where the run had it if that is still there, else the default."""
    def data_dir(recorded):
        save_config(tmp_path, run_with(DATA_DIR=str(recorded)))
        return load_config(tmp_path).settings.DATA_DIR

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
    save_config(tmp_path, run_with())
    recorded = json.loads((tmp_path / "config.json").read_text())["settings"]
    assert "ROUTING_ITERS" in recorded and not {"OVERLAY_SHIFT", "CNN_LAYERS", "IMAGE_SIZE"} & recorded.keys()
    for name in ("OVERLAY_SHIFT", "CNN_LAYERS"):
        monkeypatch.delitem(TRAIN, name)
    assert load_config(tmp_path).settings.ROUTING_ITERS == 3


def test_a_run_keeps_what_makes_it_and_may_change_the_rest():
    run = run_with(LR=0.01, IMAGE_SIZE=40)
    changed = run.resumed("runs/1", {"LR": 0.1, "MAX_ITERS": 7, "SEED": 0})
    assert (changed.LR, changed.MAX_ITERS, run.settings.LR) == (0.1, 7, 0.01)
    for name, value in (("SEED", 1), ("BATCH_SIZE", 50), ("M_POS", 0.8), ("SHIFT", 0), ("DECODER_UNITS", 8)):
        with pytest.raises(InputError, match=f"--{name.lower()} {value}: the run in runs/1 has {TRAIN[name].default}"):
            run.resumed("runs/1", {name: value})
    kept = {name for name, setting in TRAIN.items() if not setting.may_change} - settings_of_others(run.settings)
    assert run.identity().keys() == kept | {"image_shape", "classes", "data", "IMAGE_SIZE"}
    assert json.loads(json.dumps(run.identity())) == run.identity(), "a checkpoint holds it as JSON"
