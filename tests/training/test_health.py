"""The health of a network, against loops, and where a run records it."""
import numpy as np
import pytest

import data
import toy
import toy_runs
from model import capsules
from training import health
from training.devices import Devices
from training.step import make_health_step


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize("jit", ["on", "off"])
def test_the_numbers_of_a_capsnet(tmp_path, iterations, jit):
    split = data.load(toy.settings(DATASET=str(toy.npz(tmp_path / "bars.npz")))).val
    network = toy.network(ROUTING_ITERS=iterations)
    network.conv1.bias.assign([-100, 0, 0, 100])  # one channel is dead, one never is 0
    network.digit_caps.W.assign(40 * network.digit_caps.W)
    step = make_health_step(network, toy.settings(JIT=jit), Devices())
    found = health.measure(step, split, batch_size=10)  # the last batch is filled up

    images = split.images / np.float32(255)
    features, labels = network.conv1(images).numpy(), split.labels[:, 0]
    u = network.primary_caps(features)
    lengths = network(images).scores.numpy()
    is_label = np.arange(toy.CLASSES) == labels[:, None]
    assert found["dead_channels"] == 1 and type(found["dead_channels"]) is int
    np.testing.assert_allclose(found["positive_activations"], (features > 0).mean(), rtol=1e-5)
    np.testing.assert_allclose(found["short_primary_capsules"], (capsules.length(u).numpy() < 0.1).mean(), rtol=1e-5)
    np.testing.assert_allclose(found["length_correct"], lengths[is_label].mean(), rtol=1e-5)
    np.testing.assert_allclose(found["length_wrong"], lengths[~is_label].mean(), rtol=1e-5)

    # the couplings, by procedure 1
    u_hat = capsules.votes(u, network.digit_caps.W)
    b = np.zeros(u_hat.shape[:3], np.float32)
    for _ in range(iterations):
        c = capsules.couple(b)
        b = b + capsules.agree(u_hat, capsules.squash(capsules.weigh(c, u_hat)))
    entropy = -(c * np.log(c)).numpy().sum(axis=2).mean() / np.log(toy.CLASSES)
    np.testing.assert_allclose(found["coupling_entropy"], entropy, rtol=1e-5)
    assert iterations == 1 or entropy < 0.99


def test_a_run_records_it_at_every_validation(tmp_path):
    assert toy_runs.start(tmp_path / "run") == 0
    records = toy_runs.metrics(tmp_path / "run", "health")
    assert [record["step"] for record in records] == [2, 4, 6]
    assert set(records[0]) == {"step", "split", "dead_channels", "positive_activations", "short_primary_capsules",
                               "length_correct", "length_wrong", "coupling_entropy"}
    assert list((tmp_path / "run" / "tensorboard" / "health").iterdir())


def test_of_a_network_without_capsules_only_what_applies(tmp_path):
    assert toy_runs.start(tmp_path / "run", "--model", "cnn", "--max_iters", 1) == 0
    record, = toy_runs.metrics(tmp_path / "run", "health")
    assert set(record) == {"step", "split", "dead_channels", "positive_activations"}
