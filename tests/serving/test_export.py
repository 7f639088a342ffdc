"""export.py: a file that programs without our code can use, with the network's numbers, or nothing."""
import functools
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import export
import registry
import toy
from runs import checkpoints
from serving import export as exporting


@pytest.fixture(scope="module")
def run(toy_run):
    return toy_run()


@pytest.fixture
def call(command, run):
    """call(words) -> exit status, output, errors"""
    return functools.partial(command, export.main, "--ckpt", run)


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


@pytest.mark.parametrize("kind, model", [*((kind, "capsnet") for kind in registry.names("serving.exports")),
                                         ("onnx", "cnn"), ("onnx", "efficient_capsnet")])
def test_an_export_has_the_networks_numbers_and_refuses_images_of_another_shape(
        call, toy_run, tmp_path, monkeypatch, small_cnn, kind, model):
    run = toy_run((20, 20, 1), MODEL=model)
    monkeypatch.setattr(exporting, "BATCHES", (7,))
    if kind != "onnx":  # once is enough: to import TensorFlow takes seconds, and the numbers are compared below
        monkeypatch.setattr(exporting, "largest_difference", lambda *_: 0.0)
    out = tmp_path / "new" / "network"
    status, printed, _ = call("--format", kind, "--out", out, "--ckpt", run)
    assert status == 0 and printed.startswith(f"{out}: ") and "differ from the network's by at most" in printed
    labels = out / "labels.txt" if kind == "saved_model" else out.with_name("network.labels.txt")
    assert labels.read_text() == "cat\ndog\neel\n"
    assert set(out.parent.iterdir()) == {out, labels} - set(out.glob("*")), "nothing else is left"

    # A process that has none of our code asks with wrong shapes, goes on, and asks with the right one.
    images = np.random.default_rng(5).random((7, 20, 20, 1), np.float32)
    asked = [images[0, ..., 0], images.reshape(1, -1), images[..., 0], images[:, 1:], images[:, :, 1:],
             images[:, 3:], np.repeat(images, 3, axis=-1), images]
    paths = [tmp_path / f"{n}.npy" for n in range(len(asked))]
    for path, array in zip(paths, asked, strict=True):
        np.save(path, array)
    words = [exporting.READERS / f"ask_{kind}.py", out, tmp_path / "outputs.npz", *paths]
    process = subprocess.run([sys.executable, "-I", "-c", ASK_ALL, *map(str, words)], capture_output=True, text=True)
    *refused, last = process.stdout.split()
    assert process.returncode == 0 and last == "answered" and "answered" not in refused
    assert len(refused) == len(asked) - 1

    expected = exporting.outputs_of(checkpoints.load(run).network(images))
    answer = np.load(tmp_path / "outputs.npz")
    assert set(answer) == set(expected) and len(expected) == (1 if model == "cnn" else 3)
    assert model == "cnn" or answer["scores"].max() > 0.1, "numbers large enough to compare"
    for name, value in expected.items():
        assert answer[name].dtype == np.float32
        np.testing.assert_allclose(answer[name], value, atol=1e-5 * max(1, np.abs(value).max()))


def test_a_wrong_export_is_an_error_and_nothing_is_kept(call, run, tmp_path, monkeypatch, small_cnn):
    images = np.random.default_rng(1).random((1, *toy.IMAGE_SHAPE), np.float32)

    def receive(network, change):
        answer = {name: value.numpy() for name, value in exporting.outputs_of(network(images)).items()}
        answer["scores"] = change(answer["scores"])
        monkeypatch.setattr(exporting, "read", lambda *_: answer)

    network = checkpoints.load(run).network
    monkeypatch.setattr(exporting, "BATCHES", (1,))
    monkeypatch.setattr(registry.module("serving.exports", "onnx"), "write", lambda function, path: None)
    for change in (lambda scores: scores * np.nan, lambda scores: scores * 1.001, lambda scores: scores[:0]):
        receive(network, change)
        with pytest.raises(AssertionError, match="onnx: scores"):
            exporting.largest_difference(None, "onnx", network)
    with pytest.raises(AssertionError, match="onnx: scores"):
        call("--format", "onnx", "--out", tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(exporting, "read", lambda *_: {**exporting.outputs_of(network(images)), "more": images})
    with pytest.raises(AssertionError, match="onnx"):
        exporting.largest_difference(None, "onnx", network)

    # lengths may differ by a little, and large numbers, as logits, by as large a share: float32 has no more digits
    receive(network, lambda scores: scores + np.float32(5e-6))
    assert 4e-6 < exporting.largest_difference(None, "onnx", network) < exporting.TOLERANCE
    network = toy.network(MODEL="cnn")
    network.scores.kernel.assign(10_000 * network.scores.kernel)
    receive(network, lambda scores: scores * np.float32(1 + 3e-6))
    assert exporting.largest_difference(None, "onnx", network) > exporting.TOLERANCE


@pytest.mark.parametrize("words, reason", [
    (["--out", "{here}/taken"], "--out: expected a path where nothing is"),
    (["--out", "{here}/taken/a.onnx"], "--out: cannot write to"),
    (["--out", "{here}/a", "--format", "saved_model"], "--out: cannot write to .*: No space left on device"),
    (["--out", "{here}/a", "--format", "tflite"], "--format tflite: expected the packages a_b, .*pip install a_b")])
def test_bad_input_is_refused_in_one_line(call, tmp_path, monkeypatch, words, reason):
    def full(function, path):  # which is not a lack of memory
        raise tf.errors.ResourceExhaustedError(None, None, f"{path}; No space left on device")

    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(registry.module("serving.exports", "saved_model"), "write", full)
    monkeypatch.setattr(registry.module("serving.exports", "tflite"), "PACKAGES", ("a_b",))
    status, _, err = call("--format", "onnx", *(word.format(here=tmp_path) for word in words))
    assert status == 2 and err.count("\n") == 1 and re.search(reason, err)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
