"""config.json comes back as it was, or is refused."""
import pytest

import runconfig
from config import ROOT, TRAIN, Config, InputError


def test_saved_settings_come_back(tmp_path):
    settings = Config(TRAIN, {"LR": 0.01, "PRIOR_TRAINING": True})
    run = runconfig.RunConfig(settings, (28, 28, 1), 10, "0123")
    runconfig.save_config(tmp_path, run)
    assert runconfig.load_config(tmp_path) == run


@pytest.mark.parametrize("content", [
    "", "{", "[]", "{}", "\xff", '{"settings": 3}', '{"settings": {}, "classes": 10}',
    '{"settings": {}, "image_shape": [28, 28], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": 10}',
    '{"settings": {"ROUTING_ITER": 3}, "image_shape": [28, 28, 1], "classes": 10, "data": ""}',
    '{"settings": {"ROUTING_ITERS": "3"}, "image_shape": [28, 28, 1], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [8, 28, 1], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 0], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": 0, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": Infinity, "data": ""}'])
def test_a_damaged_config_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="config.json"):
        runconfig.load_config(tmp_path)
    with pytest.raises(InputError, match="config.json is missing"):
        runconfig.load_config(tmp_path / "nowhere")


def test_the_folder_of_mnist_is_this_machines(tmp_path, monkeypatch):
    """CAPSNET_DATA_DIR, else where the run had it if that is still there, else the default."""
    def data_dir(recorded):
        run = runconfig.RunConfig(Config(TRAIN, {"DATA_DIR": str(recorded)}), (28, 28, 1), 10, "0123")
        runconfig.save_config(tmp_path, run)
        return runconfig.load_config(tmp_path).settings.DATA_DIR

    monkeypatch.delenv("CAPSNET_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    assert data_dir(tmp_path) == str(tmp_path)
    assert data_dir(tmp_path / "gone") == TRAIN["DATA_DIR"].default
    assert data_dir("code") == str(ROOT / "code"), "relative to the repository, wherever the user stands"
    monkeypatch.setenv("CAPSNET_DATA_DIR", "elsewhere")
    assert data_dir(tmp_path) == TRAIN["DATA_DIR"].default, "which config.py takes from the environment"
