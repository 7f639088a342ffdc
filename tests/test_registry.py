"""A thing is found by the name of its file, and stands in no list."""
import pytest

import registry
from settings import InputError

SETTING = "import nothing_of_this_name\nSETTINGS = {{\n    '{}': Setting(4, 'how many', 'ours', at_least(1)),\n}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder `things` with two modules of which one has settings."""
    monkeypatch.setattr(registry, "CODE", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    things = tmp_path / "some_wing" / "things"
    things.mkdir(parents=True)
    (things / "apple.py").write_text("COLOUR = 'red'")
    (things / "pear.py").write_text(SETTING.format("WEIGHT"))
    (things / "_helper.py").write_text("")
    (things / ".#apple.py").symlink_to("someone@somewhere.1:2")  # of an editor, whose file is not saved yet
    return "some_wing.things"


def test_a_file_is_found_by_its_name(folder):
    assert registry.names(folder) == ["apple", "pear"]
    assert registry.module(folder, "apple").COLOUR == "red"


def test_settings_are_read_without_importing_their_file(folder):
    found = registry.settings(folder)
    assert list(found) == ["WEIGHT"] and found["WEIGHT"].default == 4 and not found["WEIGHT"].rule.holds(0)


@pytest.mark.parametrize("text, error", [
    ("HEADS = 4\nSETTINGS = {'HEADS': Setting(HEADS, '', '', at_least(1))}\n", NameError),
    (SETTING.format("WEIGHT"), ValueError)])
def test_settings_use_only_what_settings_py_has_and_have_names_of_their_own(folder, tmp_path, text, error):
    (tmp_path / "some_wing" / "things" / "quince.py").write_text(text)
    with pytest.raises(error, match="'HEADS' is not defined|the setting WEIGHT is in two tables"):
        registry.settings(folder)


def test_a_setting_of_another_file_than_the_chosen_one_is_refused(folder):
    registry.check_owned(["WEIGHT", "SEED"], folder, "--thing", "pear")
    with pytest.raises(InputError, match="--weight: expected --thing pear, which has this setting, received.*apple"):
        registry.check_owned(["WEIGHT"], folder, "--thing", "apple")
