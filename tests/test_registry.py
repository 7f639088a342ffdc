"""A thing is found by the name of its file, and stands in no list."""
import pytest

import registry
from settings import POSITIVE, InputError, Setting


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder `things` with two modules of which one has settings."""
    monkeypatch.setattr(registry, "CODE", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    things = tmp_path / "some_wing" / "things"
    things.mkdir(parents=True)
    (things / "apple.py").write_text("COLOUR = 'red'")
    (things / "pear.py").write_text("from test_registry_settings import SETTINGS")
    (things / "_helper.py").write_text("")
    (things / ".#apple.py").symlink_to("someone@somewhere.1:2")  # of an editor, whose file is not saved yet
    (tmp_path / "test_registry_settings.py").write_text("SETTINGS = {'WEIGHT': 3}")
    return "some_wing.things"


def test_a_file_is_found_by_its_name(folder):
    assert registry.names(folder) == ["apple", "pear"]
    assert registry.module(folder, "apple").COLOUR == "red"
    assert registry.settings(folder) == {"WEIGHT": 3}


def test_a_misspelt_name_is_refused_with_a_suggestion(folder):
    with pytest.raises(InputError, match="expected one of apple, pear, received appel; did you mean apple?"):
        registry.module(folder, "appel")
    with pytest.raises(InputError):
        registry.module(folder, "_helper")


def test_the_settings_of_the_real_modules_are_settings():
    for name, setting in registry.settings("evaluation.modes").items():
        assert name.isupper() and isinstance(setting, Setting)
    assert POSITIVE.holds(1)


def test_the_settings_of_a_network_are_read_without_importing_it(folder, tmp_path):
    networks = tmp_path / "model" / "networks"
    networks.mkdir(parents=True)
    (networks / "plain.py").write_text("import nothing_of_this_name")
    (networks / "fancy.py").write_text("import nothing_of_this_name\nSETTINGS = {\n"
                                       "    'HEADS': Setting(4, 'how many', 'ours', at_least(1)),\n}\n")
    found = registry.settings("model.networks")
    assert list(found) == ["HEADS"] and found["HEADS"].default == 4 and not found["HEADS"].rule.holds(0)


def test_the_settings_of_a_network_use_only_what_settings_has(folder, tmp_path):
    networks = tmp_path / "model" / "networks"
    networks.mkdir(parents=True)
    (networks / "fancy.py").write_text("HEADS = 4\nSETTINGS = {'HEADS': Setting(HEADS, '', '', at_least(1))}\n")
    with pytest.raises(ValueError, match="fancy.py: expected SETTINGS made of what settings.py has.*HEADS"):
        registry.settings("model.networks")


def test_two_settings_of_one_name_are_an_error(folder, tmp_path):
    (tmp_path / "some_wing" / "things" / "quince.py").write_text("SETTINGS = {'WEIGHT': 4}")
    with pytest.raises(ValueError, match="the setting WEIGHT is in two tables"):
        registry.settings(folder)
