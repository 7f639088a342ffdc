"""Writes a trained network for other programs, checked against the network before it is kept.

The file's function takes "images", float32 [N, H, W, C] in [0, 1] for any N, and gives "scores"
[N, J]. A network with capsules also gives "capsules" [N, J, E], and one with a decoder
"reconstruction" [N, 1, H, W, C] of the longest capsule. Images of another shape are an error.
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
from model.network import Network, Output
from output import say, writing
from runs import checkpoints
from settings import ROOT

READERS = registry.CODE / "serving" / "readers"
TOLERANCE = 1e-5  # the largest difference allowed, or a share of the largest number if above 1
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

    # Write the plain form beside its place, compare it with the fast form, and move it there.
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
    trainable = [variable.numpy() for variable in network.trainable_variables]
    other = [variable.numpy() for variable in network.non_trainable_variables]

    @tf.function(input_signature=[tf.TensorSpec([None, *network.image_shape], name="images")])
    def answer(images):
        # With another shape, TensorFlow's convolution would end the whole process.
        images = tf.ensure_shape(images, [None, *network.image_shape])
        output, _ = plain.stateless_call(trainable, other, images)
        return outputs_of(output)

    return answer


def outputs_of(output: Output) -> dict[str, tf.Tensor]:
    """Returns what the network has of it, by name."""
    return {name: value for name, value in output._asdict().items() if value is not None}


def largest_difference(path: Path, kind: str, network: Network) -> float:
    """Returns the largest difference between the numbers of the exported file and the network's.

    AssertionError if TOLERANCE does not allow it, or if the file gives other names, shapes or NaN.
    """
    worst = 0.0
    for count in BATCHES:
        images = np.random.default_rng(count).random((count, *network.image_shape), np.float32)
        received, wanted = read(path, kind, images), outputs_of(network(images))
        np.testing.assert_equal(sorted(received), sorted(wanted), kind)
        for name, expected in wanted.items():
            most = TOLERANCE * max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(received[name], expected, rtol=0, atol=most,
                                       equal_nan=False, err_msg=f"{kind}: {name}")
            worst = max(worst, float(np.abs(received[name] - expected).max()))
    return worst


def read(path: Path, kind: str, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns {name: array}, the outputs of the exported file for the images.

    A new process without our code (-I) asks it. RuntimeError, with what it printed, if it fails.
    path: in a temporary folder, where the arrays are left.
    """
    given, taken = path.with_name("images.npy"), path.with_name("outputs.npz")
    np.save(given, images)
    command = [sys.executable, "-I", READERS / f"ask_{kind}.py", path, given, taken]
    process = subprocess.run(command, capture_output=True, text=True, cwd=path.parent)
    if process.returncode:
        raise RuntimeError(f"{kind}: the exported file cannot be used:\n{process.stderr}")
    with np.load(taken, allow_pickle=False) as outputs:
        return dict(outputs)
