"""config.json comes back as it was, or is refused."""
import pytest

import runconfig
from config import TRAIN, Config, InputError


def test_saved_settings_come_back(tmp_path):
    settings = Config(TRAIN, {"LR": 0.01, "PRIOR_TRAINING": True})
    run = runconfig.RunConfig(settings, (28, 28, 1), 10, "0123")
    runconfig.save_config(tmp_path, run)
    assert runconfig.load_config(tmp_path) == run


@pytest.mark.parametrize("content", [
    "", "{", "[]", "{}", "\xff", '{"settings": 3}', '{"settings": {}, "classes": 10}',
    '{"settings": {}, "image_shape": [28, 28], "classes": 10, "data": ""}',
    '{"settings": {}, "image_shape": [28, 28, 1], "classes": 10}',
    '{"settings": {"ROUTING_ITER": 3}, "image_shape": [28, 28, 1], "classes": 10}',
    '{"settings": {"ROUTING_ITERS": "3"}, "image_shape": [28, 28, 1], "classes": 10}'])
def test_a_damaged_config_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="config.json"):
        runconfig.load_config(tmp_path)
    with pytest.raises(InputError, match="config.json is missing"):
        runconfig.load_config(tmp_path / "nowhere")
