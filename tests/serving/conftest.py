"""Runs of toy networks, as predict.py and export.py find them."""
import pytest

import cli
import toy
from browsing import save


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory):
    """toy_run(image_shape, **settings) -> the folder of an untrained network with three classes."""
    def make(image_shape=toy.IMAGE_SHAPE, **settings):
        network = toy.network(image_shape, **settings)
        network.set_weights([5 * value for value in network.get_weights()])   # so that capsules have some length
        folder = tmp_path_factory.mktemp("run") / "net"
        return save(folder, network, toy.settings(**settings), ("cat", "dog", "eel"))
    return make


@pytest.fixture
def command(monkeypatch, capsys):
    """command(main, words) -> exit status, output, errors"""
    def command(main, *words):
        monkeypatch.setattr("sys.argv", [f"{main.__module__}.py", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.run(main)
        return stop.value.code, *capsys.readouterr()
    return command
