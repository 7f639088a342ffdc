"""The table of settings: every default, and that each is a flag with a meaning and a source."""
import pytest

import config
from cli import Parser
from config import EVAL, TRAIN, Config, cfg
from settings import InputError

MODES = {**EVAL, **config.OF_MODES}

# Numbers that results and older runs depend on. Whoever changes one has to say so here, too.
TRAIN_DEFAULTS = {
    "MODEL": "capsnet", "CONV1_CHANNELS": 256, "PRIMARY_CAPS_CHANNELS": 32, "PRIMARY_DIM": 8, "DIGIT_DIM": 16,
    "ROUTING_ITERS": 3, "ROUTING_WAY": "dynamic", "CONV_WAY": "auto", "PRIOR_TRAINING": False, "DECODER_UNITS": 512,
    "INIT": "keras", "CNN_LAYERS": "mnist", "ROUTING": "dynamic", "NONE_OF_THE_ABOVE": False, "MAX_MIN_ITERS": 3,
    "M_POS": 0.9, "M_NEG": 0.1, "LAMBDA": 0.5, "RECONSTRUCT_W": 0.0005,
    "DATASET": "mnist", "VALIDATION": 5000, "IMAGE_SIZE": 28, "COLOUR": False, "SKIP_BAD_IMAGES": False,
    "OVERLAY_OF": "mnist", "OVERLAY_SHIFT": 4, "PAIRS_PER_DIGIT": 10,
    "AFFNIST_DOWNLOAD": False,
    "SEED": 0, "MAX_ITERS": 5000, "STOP_AT": 0.0, "BATCH_SIZE": 100, "SHIFT": 2, "LR": 0.001, "STEP_SIZE": 1000,
    "DECAY_RATIO": 0.5, "STAIRCASE": True, "LR_FLOOR": 0.0, "WARMUP": 0, "COOLDOWN": 0, "EMA": 0.0,
    "PRINT_EVERY": 10, "VAL_EVERY": 500, "SAVE_EVERY": 500, "KEEP": 3, "JIT": "auto",
}
MODES_DEFAULTS = {
    "MODE": "test", "DATASET": "mnist", "SEED": 0, "BATCH_SIZE": 100, "NUM_IMAGES": 1000, "MAX_ITERS": 100,
    "SHOW": "errors", "MASK": "predicted", "TWEAK_TARGET": "-1", "TWEAK_RANGE": 0.25, "TWEAK_STRIDE": 0.05,
    "ATTACK": "original", "TARGETED": True, "LR": 1.0, "NORM": "linf", "EPSILON": 0.3, "EPSILON_L2": 4.0,
    "RESTARTS": 2,
    "AFFNIST_IMAGES": 10000,
}
OF_THIS_MACHINE = {"DATA_DIR", "CKPT", "FIG_DIR"}
MAY_CHANGE = {"ROUTING_WAY", "CONV_WAY", "DATASET", "DATA_DIR", "MAX_ITERS", "LR", "STEP_SIZE", "DECAY_RATIO",
              "STAIRCASE", "LR_FLOOR", "WARMUP", "COOLDOWN", "PRINT_EVERY", "VAL_EVERY", "SAVE_EVERY", "KEEP", "JIT",
              "SKIP_BAD_IMAGES", "STOP_AT", "AFFNIST_DOWNLOAD"}


@pytest.mark.parametrize("table, defaults", [(TRAIN, TRAIN_DEFAULTS), (MODES, MODES_DEFAULTS)])
def test_the_defaults(table, defaults):
    found = {name: setting.default for name, setting in table.items() if name not in OF_THIS_MACHINE}
    known = {name: found[name] for name in defaults}  # there may be more, of files that were added
    assert known == defaults and cfg == Config(TRAIN)
    assert [type(value) for value in known.values()] == [type(value) for value in defaults.values()]


def test_training_on_images_of_the_user_begins_with_a_warm_up():
    found = {name: config.filled_in("original", name).get("WARMUP", 0) for name in ("mnist", "folder", "mine.npz")}
    assert found == {"mnist": 0, "folder": 100, "mine.npz": 100}


def test_the_settings_that_a_continued_run_may_change():
    may_change = {name for name, setting in TRAIN.items() if setting.may_change}
    assert may_change & (TRAIN_DEFAULTS.keys() | OF_THIS_MACHINE) == MAY_CHANGE


def test_a_run_records_no_settings_of_other_files():
    """A run of the CapsNet on MNIST is readable when all files that were added have gone."""
    others = config.settings_of_others(Config(TRAIN, {"DATASET": "multimnist", "MODEL": "cnn"}))
    assert "AFFNIST_DOWNLOAD" in others and not {"OVERLAY_OF", "CNN_LAYERS", "VALIDATION", "ROUTING_ITERS"} & others
    assert {"OVERLAY_OF", "CNN_LAYERS", "IMAGE_SIZE"} <= config.settings_of_others(cfg)
    assert "IMAGE_SIZE" not in config.settings_of_others(Config(TRAIN, {"DATASET": "/somewhere/photos"}))


@pytest.mark.parametrize("table", [TRAIN, MODES])
def test_every_setting_is_a_flag_with_a_meaning_and_a_source(monkeypatch, table):
    Config(table, dict(Config(table)))  # every default passes its own rule
    for name, setting in table.items():
        assert setting.help and setting.source and setting.rule.words
        words = [f"--{name.lower()}"] + ([] if isinstance(setting.default, bool) else [str(setting.default)])
        monkeypatch.setattr("sys.argv", ["train.py", *words])
        parser = Parser(prog="train.py")
        parser.add_settings("settings", table)
        given, _ = parser.parse(table)
        assert given == {name: setting.default or type(setting.default) is bool}


@pytest.mark.parametrize("name, low, high, beyond", [
    ("SEED", 0, 2 ** 32 - 1, [-1, 2 ** 32]), ("LR", 1e-9, 1e9, [0.0, -1.0, float("inf"), float("nan")]),
    ("DECAY_RATIO", 1e-9, 1.0, [0.0, 1.01]), ("M_POS", 0.0, 1.0, [-0.01, 1.01]), ("LAMBDA", 0.0, 1e9, [-0.1]),
    ("BATCH_SIZE", 1, 2 ** 31 - 1, [0, 2 ** 31]), ("SHIFT", 0, 2 ** 31 - 1, [-1])])
def test_the_ends_of_the_ranges(name, low, high, beyond):
    for value in (low, high):
        assert Config(TRAIN, {name: value})[name] == value
    for value in beyond:
        with pytest.raises(InputError, match=f"{name}: expected"):
            Config(TRAIN, {name: value})


def test_a_dataset_is_a_name_or_says_where_images_are(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "mnist"):
        (tmp_path / folder).mkdir()
    for text in config.DATASETS:  # a folder of the same name is not taken for it
        assert config.dataset_path(text) == text
    for text in ("photos", "mine.npz", "./mnist", "../elsewhere/photos"):
        path = config.dataset_path(text)
        assert path.startswith("/") and path == Config(TRAIN, {"DATASET": path}).DATASET
    for text in ("emnist", "fashon_mnist", "mine.txt"):
        assert config.dataset_path(text) == text
        with pytest.raises(InputError, match="DATASET: expected one of"):
            Config(TRAIN, {"DATASET": text})
