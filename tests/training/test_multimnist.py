"""Training on two digits at once: the paper's loss, by hand, and runs that resume exactly."""
import signal

import numpy as np
import pytest

import data
import oracle
import toy
import toy_runs
from data.dataset import training_batch
from runs import checkpoints
from runs.config import load_config
from training.devices import Devices
from training.evaluate import evaluate
from training.optimizer import make_optimizer
from training.step import make_test_step, make_train_step

FLAGS = "--dataset", "multimnist", "--overlay_of", "glyphs", "--pairs_per_digit", 2, *toy.FLAGS


@pytest.fixture
def dataset(monkeypatch):
    return data.load(toy.pairs_of_glyphs(monkeypatch))


# ---- the loss, in NumPy ----

def decode(network, masked):
    """One image's masked capsules [J, E] -> [H, W, C]"""
    decoder = network.decoder
    x = masked.ravel()
    for layer in (decoder.hidden1, decoder.hidden2, decoder.pixels):
        x = x @ layer.kernel.numpy().astype(float) + layer.bias.numpy()
        x = 1 / (1 + np.exp(-x)) if layer is decoder.pixels else np.maximum(0, x)
    return x.reshape(network.image_shape)


def losses_by_hand(network, batch, iterations=3):
    """-> margin and reconstruction loss [B]: both classes present, the decoder once for each digit alone"""
    margins, reconstructions = [], []
    u = network.primary_caps(network.conv1(batch.images)).numpy().astype(float)
    W = network.digit_caps.W.numpy().astype(float)
    for n, labels in enumerate(batch.labels):
        u_hat = np.einsum("id,idje->ije", u[n], W)
        (v,), _ = oracle.route(u_hat[None], iterations)
        margin = 0
        for j, length in enumerate(np.linalg.norm(v, axis=1)):
            present, absent = max(0, 0.9 - length) ** 2, 0.5 * max(0, length - 0.1) ** 2
            margin += present if j in labels else absent
        error = 0
        for k, label in enumerate(labels):
            masked = np.zeros_like(v)
            masked[label] = v[label]
            error += np.square(decode(network, masked) - batch.sources[n, k]).sum()
        margins.append(margin)
        reconstructions.append(error)
    return np.array(margins), np.array(reconstructions)


def lively():
    """A network whose capsules are about as long as those of a trained one, so that routing matters."""
    network = toy.network((36, 36, 1), 10)
    network.primary_caps.conv.kernel.assign(8 * network.primary_caps.conv.kernel)
    network.digit_caps.W.assign(4 * network.digit_caps.W)
    for layer in (network.decoder.hidden1, network.decoder.hidden2, network.decoder.pixels):
        layer.kernel.assign(4 * layer.kernel)
    return network


def test_the_losses_of_two_digits_are_the_papers_by_hand(dataset):
    cfg, network = toy.settings(), lively()
    batch = training_batch(dataset, 0, 0, 6)
    margin, reconstruction = losses_by_hand(network, batch)
    for loss, once in zip((margin, reconstruction), losses_by_hand(network, batch, iterations=1), strict=True):
        assert np.abs(once / loss - 1).mean() > 0.001, "otherwise routing hardly matters"
    tested = make_test_step(network, cfg, Devices())(batch)
    trained = make_train_step(network, make_optimizer(cfg), cfg, Devices())(batch)
    for found, count in ((tested, 1), (trained, 6)):
        assert found["margin"] == pytest.approx(margin.sum() / count, rel=1e-4)
        assert found["reconstruction"] == pytest.approx(reconstruction.sum() / count, rel=1e-4)
        assert found["loss"] == pytest.approx((margin + 0.0005 * reconstruction).sum() / count, rel=1e-4)


# ---- runs ----

def test_a_run_on_pairs_in_pieces_is_the_run_in_one_piece(tmp_path, monkeypatch):
    """With a moving average, validation and best network."""
    toy.pairs_of_glyphs(monkeypatch)
    flags = (*FLAGS, "--ema", 0.7, "--lr", 0.01)
    assert toy_runs.run("--train_dir", tmp_path / "straight", *flags) == 0
    with toy_runs.in_step(4, toy_runs.send(signal.SIGTERM)):
        assert toy_runs.run("--train_dir", tmp_path / "pieces", *flags) == 128 + signal.SIGTERM
    assert toy_runs.run("--ckpt", tmp_path / "pieces") == 0
    assert toy_runs.same(tmp_path / "pieces", tmp_path / "straight")

    # results are those of the fixed lists
    loaded = checkpoints.load(tmp_path / "pieces" / "average-6")
    dataset = data.load(loaded.run.settings)
    assert dataset.test.labels.shape == (40, 2)
    again = evaluate(make_test_step(loaded.network, loaded.run.settings, Devices()), dataset.test, 10)
    stated = toy_runs.results(tmp_path / "pieces")["average"]
    assert {key: stated[key] for key in again} == pytest.approx(again, rel=1e-4)

    # it goes on with the same pairs alone
    pieces = tmp_path / "pieces"
    assert load_config(pieces).settings.STEP_SIZE == 10_000, "the dataset's own default"
    for name, value in (("overlay_shift", 3), ("pairs_per_digit", 3), ("overlay_of", "mnist")):
        with pytest.raises(ValueError, match=f"--{name} {value}: the run in .* has .* keeps it"):
            toy_runs.run("--ckpt", pieces, f"--{name}", value)
    toy.pairs_of_glyphs(monkeypatch, test=19)
    with pytest.raises(ValueError, match="is a run on images of .* now has"):
        toy_runs.run("--ckpt", pieces, "--max_iters", 7)
