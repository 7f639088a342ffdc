"""export.py: a file that programs without our code can use, with the network's numbers, or nothing."""
import itertools
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import export
import registry
from runs import checkpoints
from serving import export as exporting
from settings import InputError


@pytest.fixture(scope="module")
def run(toy_run):
    return toy_run()


@pytest.fixture
def call(run, monkeypatch, capsys):
    """call(words) -> what it printed"""
    def call(*words):
        monkeypatch.setattr("sys.argv", ["export.py", "--ckpt", *map(str, (run, *words))])
        assert export.main() == 0
        return capsys.readouterr().out
    return call


ASK_ALL = """
import runpy, sys
reader, file, outputs, *images = sys.argv[1:]
for path in images:
    sys.argv[1:] = [file, path, outputs]
    try:
        runpy.run_path(reader)
        print("answered")
    except Exception as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize("kind, model", [*itertools.product(registry.names("serving.exports"), ["capsnet", "cnn"]),
                                         ("onnx", "efficient_capsnet")])
def test_an_export_has_the_networks_numbers_and_refuses_images_of_another_shape(
        call, toy_run, tmp_path, monkeypatch, kind, model):
    run = toy_run((20, 20, 1), MODEL=model)
    monkeypatch.setattr(exporting, "BATCHES", (7,))
    out = tmp_path / "new" / "network"
    printed = call("--format", kind, "--out", out, "--ckpt", run)
    assert printed.startswith(f"{out}: ") and "differ from the network's by at most" in printed
    labels = out / "labels.txt" if kind == "saved_model" else out.with_name("network.labels.txt")
    assert labels.read_text() == "cat\ndog\neel\n"
    assert set(out.parent.iterdir()) == {out, labels} - set(out.glob("*")), "nothing else is left"

    # A process that has none of our code asks with wrong shapes, goes on, and asks with the right one.
    images = np.random.default_rng(5).random((1, 20, 20, 1), np.float32)
    asked = [images[0, ..., 0], images.reshape(1, -1), images[..., 0], images[:, 3:], np.repeat(images, 3, axis=-1),
             images]
    paths = [tmp_path / f"{n}.npy" for n in range(len(asked))]
    for path, array in zip(paths, asked, strict=True):
        np.save(path, array)
    words = [exporting.READERS / f"ask_{kind}.py", out, tmp_path / "outputs.npz", *paths]
    process = subprocess.run([sys.executable, "-I", "-c", ASK_ALL, *map(str, words)], capture_output=True, text=True)
    *refused, last = process.stdout.split()
    assert process.returncode == 0 and last == "answered" and "answered" not in refused and len(refused) == 5

    network = checkpoints.load(run).network
    expected = {name: value for name, value in network(images)._asdict().items() if value is not None}
    answer = np.load(tmp_path / "outputs.npz")
    assert set(answer) == set(expected) and len(expected) == (1 if model == "cnn" else 3)
    assert model == "cnn" or answer["scores"].max() > 0.1, "numbers large enough to compare"
    for name, value in expected.items():
        assert answer[name].dtype == np.float32
        np.testing.assert_allclose(answer[name], value, atol=1e-5 * max(1, np.abs(value).max()))


def test_a_wrong_export_is_an_error_and_nothing_is_kept(call, tmp_path, monkeypatch):
    def other_weights(network, trained):
        copy = rebuilt(network, trained)
        copy.set_weights([1.01 * value for value in network.get_weights()])
        return copy

    rebuilt = exporting.rebuilt
    monkeypatch.setattr(exporting, "rebuilt", other_weights)
    with pytest.raises(RuntimeError, match="onnx: scores differs from the network's by"):
        call("--format", "onnx", "--out", tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change, reason", [
    (lambda scores: scores * np.nan, "scores differs from the network's by nan"),
    (lambda scores: scores[:1, :1], "has scores of the shape")])
def test_an_export_of_nan_or_of_another_shape_is_wrong(run, monkeypatch, change, reason):
    network = checkpoints.load(run).network

    def read(path, kind, images):
        answer = {name: value.numpy() for name, value in network(images)._asdict().items()}
        return {**answer, "scores": change(answer["scores"])}

    monkeypatch.setattr(exporting, "read", read)
    with pytest.raises(RuntimeError, match=reason):
        exporting.largest_difference(None, "onnx", network)


def test_large_logits_may_differ_by_more_than_lengths(run, monkeypatch):
    """By as large a share: float32 has no more digits."""
    network = checkpoints.load(run).network
    call, factors = type(network).call, [1 + 3e-6, 1 + 3e-6, 1 + 1e-4]
    monkeypatch.setattr(type(network), "call", lambda *given, **named: call(*given, **named)._replace(
        scores=100 * call(*given, **named).scores))

    def read(path, kind, images):
        answer = {name: value.numpy() for name, value in network(images)._asdict().items()}
        return {**answer, "scores": answer["scores"] * np.float32(factors.pop(0))}

    monkeypatch.setattr(exporting, "read", read)
    assert exporting.largest_difference(None, "onnx", network) > exporting.TOLERANCE
    with pytest.raises(RuntimeError, match="scores differs"):
        exporting.largest_difference(None, "onnx", network)


def test_a_full_disk_is_not_a_lack_of_memory(call, monkeypatch, tmp_path):
    def write(function, path):
        raise tf.errors.ResourceExhaustedError(None, None, f"{path}; No space left on device")

    monkeypatch.setattr(registry.module("serving.exports", "saved_model"), "write", write)
    with pytest.raises(InputError, match="--out: expected a path to write, .*No space left on device"):
        call("--format", "saved_model", "--out", tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words, reason", [
    (["--out", "{here}/taken"], "--out: expected a path where nothing is"),
    (["--out", "/proc/none/a.onnx"], "--out: expected a path to write"),
    (["--out", "{here}/taken/a.onnx"], "--out: expected a path to write"),
    (["--out", "{here}/" + 300 * "a"], "--out: expected a path to write.*File name too long"),
    (["--ckpt", "{here}"], "no checkpoint at")])
def test_bad_input_is_refused(call, tmp_path, words, reason):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match=reason):
        call("--format", "onnx", *(word.format(here=tmp_path) for word in words))
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_missing_package_is_named(call, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="expected the packages tf2onnx and onnxruntime; pip install tf2onnx onnxrun"):
        call("--format", "onnx", "--out", tmp_path / "a.onnx")
