"""Writes a trained network for other programs, checked against the network before it is kept.

The file's function takes "images", float32 [N, H, W, C] in [0, 1] for any N, and gives "scores"
[N, J]. A network with capsules also gives "capsules" [N, J, E], and one with a decoder
"reconstruction" [N, 1, H, W, C] of the longest capsule. Images of another shape are an error.
The names of the classes stand in labels.txt in a folder, or NAME.labels.txt beside a file, one a
line, in the order of the scores.
"""
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

import cli
import model
import registry
from data.readers.files import expect
from model.network import Network
from output import say, writing
from runs import checkpoints
from settings import ROOT

READERS = registry.CODE / "serving" / "readers"
# The largest difference allowed between the file's numbers and the network's. Where a number of the
# network is above 1, as logits are, it is this share of the largest one.
TOLERANCE = 1e-5
BATCHES = (1, 7)  # images at once, when it is measured: a file takes any number


def export(ckpt: str, kind: str, out: str | None) -> int:
    """Writes the network at `ckpt` in the format `kind` to `out`. Returns the exit status.

    out: None for output/NETWORK with the format's suffix. InputError if the format's packages are
    missing, or if `out` is there already or cannot be written.
    """
    # Find the format, the network and the place.
    form = registry.module("serving.exports", kind)
    missing = [name for name in form.PACKAGES if not importlib.util.find_spec(name)]
    expect(not missing, f"--format {kind}", f"the packages {' and '.join(form.PACKAGES)}",
           f"an environment without; pip install {' '.join(missing)}")
    loaded = checkpoints.load(ckpt)
    network, run = loaded.network, loaded.run
    name = loaded.prefix.parent.name + (form.SUFFIX or f"-{kind}")
    target = Path(out) if out else ROOT / "output" / name
    labels = target / "labels.txt"
    if form.SUFFIX:
        labels = target.with_name(f"{target.name}.labels.txt")
    for path in (target, labels):
        expect(not os.path.exists(path), "--out", "a path where nothing is", path)

    # Write the plain form of the network beside its place, compare it with the fast form, and move
    # it there.
    function = as_function(network, run.settings)
    with writing(target, "--out"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export", dir=target.parent) as folder:
            partial = Path(folder) / f"network{form.SUFFIX}"
            with cli.held_back():  # what the converter prints
                form.write(function, str(partial))
            worst = largest_difference(partial, kind, network)
            names = Path(folder) / "labels.txt"
            names.write_text("".join(f"{name}\n" for name in run.class_names), encoding="utf-8")
            shutil.move(names, labels if form.SUFFIX else partial)
            shutil.move(partial, target)
    size = sum(path.stat().st_size for path in [target, *target.rglob("*")] if path.is_file())
    say(f"{target}: {size / 1e6:.1f} MB; its numbers differ from the network's by at most "
        f"{worst:.1e}; its classes are in {labels.name}")
    return 0


def as_function(network: Network, trained) -> Callable:
    """Returns images [N, H, W, C] -> {name: array}, a tf.function with the weights as constants.

    trained: the settings of the training. The network is computed as the paper writes it: the fast
    forms, equal to float32 rounding, would bring the constants of a Fourier transform. With
    variables, TensorFlow Lite's converter gives NaN for a Keras 3 network. Keras' own export
    refuses outputs that are None, and its ONNX files lose the outputs' names.
    """
    plain = model.build(trained.changed(CONV_WAY="direct", ROUTING_WAY="plain"),
                        network.image_shape, network.classes)
    plain.set_weights(network.get_weights())
    trainable = [variable.numpy() for variable in plain.trainable_variables]
    other = [variable.numpy() for variable in plain.non_trainable_variables]

    @tf.function(input_signature=[tf.TensorSpec([None, *network.image_shape], name="images")])
    def answer(images):
        # With another shape, TensorFlow's convolution would end the whole process.
        images = tf.ensure_shape(images, [None, *network.image_shape])
        # The arrays become constants of the graph here.
        weights = [tf.constant(value) for value in trainable]
        output, _ = plain.stateless_call(weights, [tf.constant(value) for value in other], images)
        return {name: value for name, value in output._asdict().items() if value is not None}

    return answer


def largest_difference(path: Path, kind: str, network: Network) -> float:
    """Returns the largest difference between the numbers of the exported file and the network's.

    The file is read without our code. RuntimeError if TOLERANCE does not allow the difference.
    """
    worst = 0.0
    for count in BATCHES:
        images = np.random.default_rng(count).random((count, *network.image_shape), np.float32)
        expected = {name: value.numpy() for name, value in network(images)._asdict().items()
                    if value is not None}
        received = read(path, kind, images)
        wanted, found = shapes_of(expected), shapes_of(received)
        if wanted != found:
            raise RuntimeError(f"{kind}: has {found}, expected {wanted}")
        for name, value in expected.items():
            difference = float(np.abs(received[name] - value).max())
            most = TOLERANCE * max(1.0, float(np.abs(value).max()))
            if not difference <= most:  # so that NaN fails, too
                raise RuntimeError(f"{kind}: {name} differs from the network's by {difference}, "
                                   f"expected {most} at most")
            worst = max(worst, difference)
    return worst


def shapes_of(arrays: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in sorted(arrays.items())}


def read(path: Path, kind: str, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns {name: array}, the outputs of the exported file for the images.

    A new process runs it, isolated from our modules (-I). RuntimeError, with what that process
    printed, if it fails.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        given, taken = Path(folder) / "images.npy", Path(folder) / "outputs.npz"
        np.save(given, images)
        command = [sys.executable, "-I", str(READERS / f"ask_{kind}.py"), str(path), str(given),
                   str(taken)]
        process = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if process.returncode:
            raise RuntimeError(f"{kind}: the exported file cannot be used:\n{process.stderr}")
        with np.load(taken, allow_pickle=False) as outputs:
            return dict(outputs)
