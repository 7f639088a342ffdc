"""A table of settings refuses every name that is not in it and every value against its rule."""
import os

import pytest

from settings import PATHS, POSITIVE, SWITCH, Config, InputError, Setting, at_least, one_of, split_paths, suggestion

TABLE = {
    "ROUTING_ITERS": Setting(3, "iterations", "paper", at_least(1)),
    "LR": Setting(0.001, "learning rate", "paper", POSITIVE),
    "WAY": Setting("dynamic", "loop", "ours", one_of(["dynamic", "static"])),
    "PRIOR": Setting(False, "logits", "paper", SWITCH),
}


def test_a_misspelt_name_is_an_error_read_or_written():
    settings = Config(TABLE)
    with pytest.raises(InputError, match="ROUTING_ITER; did you mean ROUTING_ITERS"):
        settings.ROUTING_ITER = 5
    with pytest.raises(InputError, match="ROUTING_ITER"):
        settings["ROUTING_ITER"] = 5
    with pytest.raises(InputError, match="ROUTING_ITER"):
        settings.update(ROUTING_ITER=5)
    with pytest.raises(AttributeError):
        settings.ROUTING_ITER  # noqa: B018


@pytest.mark.parametrize("name, value", [
    ("ROUTING_ITERS", 0), ("ROUTING_ITERS", 2.5), ("ROUTING_ITERS", True), ("WAY", "loop"), ("LR", 0.0),
    ("LR", float("nan")), ("LR", float("inf")), ("LR", "0.1"), ("PRIOR", 1)])
def test_an_unsuitable_value_is_an_error(name, value):
    with pytest.raises(InputError, match=f"{name}: expected .*, received"):
        Config(TABLE, {name: value})


def test_a_whole_number_is_good_for_a_float_and_a_changed_copy_leaves_the_original_alone():
    settings = Config(TABLE, {"LR": 1})
    assert settings.LR == 1.0 and type(settings.LR) is float
    changed = settings.changed(ROUTING_ITERS=5)
    assert (changed.LR, changed.ROUTING_ITERS, settings.ROUTING_ITERS) == (1.0, 5, 3)
    with pytest.raises(InputError):
        settings.changed(WAY="loop")


def test_suggestions():
    assert suggestion("mnits", ["mnist", "glyphs"]) == "; did you mean mnist?"
    assert suggestion("svhn", ["mnist", "glyphs"]) == ""


def test_commas_separate_paths_unless_the_whole_is_one(tmp_path):
    """A folder, or the prefix of a checkpoint."""
    (tmp_path / "a,folder").mkdir()
    (tmp_path / "one,two.index").touch()
    assert split_paths("one,three") == ["one", "three"]
    for path in (f"{tmp_path}/one,two", f"{tmp_path}/a,folder"):
        assert split_paths(path) == [path] and PATHS.convert(path) == path
    assert PATHS.convert(f"{tmp_path}/one,three") == f"{tmp_path}/one,{os.getcwd()}/three"
