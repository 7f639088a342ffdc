"""A network that starts from the weights of another one."""
import json

import numpy as np
import pytest

import toy
import toy_runs
from runs import checkpoints
from runs.config import load_config
from runs.release import release
from runs.transfer import transfer
from settings import InputError

CONVOLUTIONS = ["conv1", "primary_caps/conv"]
OF_CLASSES = ["digit_caps", "decoder/hidden1"]  # whose shapes depend on the number of classes


def kernel(network):
    return network.primary_caps.conv.kernel.numpy()


def test_a_network_for_other_classes_takes_the_layers_that_fit(tmp_path):
    """Whole layers by name and shapes, from a release in float16. The others are as they were."""
    source = tmp_path / "released"
    assert release(str(toy_runs.finished("--ema", 0.7, "--lr", 0.01)), str(source)) == 0
    given, network, fresh = checkpoints.load(source), toy.network(classes=5), toy.network(classes=5)
    inherited = transfer(str(source), network)
    np.testing.assert_array_equal(kernel(network), kernel(given.network))
    assert np.any(kernel(network) != kernel(fresh))
    np.testing.assert_array_equal(network.decoder.pixels.bias, given.network.decoder.pixels.bias)
    np.testing.assert_array_equal(network.digit_caps.W, fresh.digit_caps.W)
    np.testing.assert_array_equal(network.decoder.hidden1.bias, fresh.decoder.hidden1.bias, "no half layer")
    assert inherited.source == {"path": str(source / "ckpt-6"), "sha256": given.network.digest()}
    taken, left = inherited.line.split("took ")[1].split("; did not take ")
    assert taken.split(", ") == [*CONVOLUTIONS, "decoder/hidden2", "decoder/pixels"] and left.split(", ") == OF_CLASSES


def test_where_no_layer_fits_it_is_refused_before_anything_is_changed():
    network = toy.network(MODEL="cnn")
    before = network.digest()
    with pytest.raises(InputError, match=r"--init_from .* same name and shape.*; received conv1 \[9, 9, 4, 1\], prim"):
        transfer(str(toy_runs.finished()), network)
    assert network.digest() == before


def test_a_run_begins_with_them_and_goes_on_without_their_source(tmp_path, capsys):
    source, folder = toy_runs.finished("--ema", 0.7, "--lr", 0.01), tmp_path / "run"
    pixels, labels = toy.images(classes=2)
    np.savez(tmp_path / "bars.npz", x_train=pixels, y_train=labels)
    straight = tmp_path / "straight"
    flags = "--init_from", source / "average-6", "--keep", 9
    assert toy_runs.start(straight, *flags) == 0
    assert "weights of" in (straight / "log.txt").read_text() and "did not take digit_caps" in capsys.readouterr().out
    given, began = (checkpoints.load(prefix).network for prefix in (source / "average-6", straight / "ckpt-0"))
    np.testing.assert_array_equal(kernel(began), kernel(given))
    assert load_config(straight).init_from == {"path": str(source / "average-6"), "sha256": given.digest()}

    with toy_runs.in_step(3, toy_runs.send(15)):
        toy_runs.start(folder, *flags)
    config = json.loads((folder / "config.json").read_text())
    config["init_from"]["path"] = "gone"
    (folder / "config.json").write_text(json.dumps(config))
    assert toy_runs.run("--ckpt", folder) == 0
    assert toy_runs.same(folder, straight) and load_config(folder).init_from["path"] == "gone"

    # a release says what it was, and no path of this machine
    assert release(str(straight), str(tmp_path / "released")) == 0
    assert load_config(tmp_path / "released").init_from == {"path": "average-6", "sha256": given.digest()}

    # without its first checkpoint it would begin with other weights
    for path in [*folder.glob("ckpt-*"), *folder.glob("best-*"), folder / "metrics.jsonl"]:
        path.unlink()
    with pytest.raises(InputError, match=r"expected a ckpt-\* with the weights of --init_from"):
        toy_runs.run("--ckpt", folder)
