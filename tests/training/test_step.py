"""One step, and one pass over a split."""
import numpy as np
import pytest
import tensorflow as tf

import data
import toy
from data.dataset import Batch, training_batch
from training import step as steps
from training.devices import Devices
from training.optimizer import make_optimizer

ONE = Devices()


@pytest.fixture
def dataset(tmp_path):
    return data.load(toy.settings(DATASET=str(toy.npz(tmp_path / "bars.npz")), SHIFT=0))


def loss_of(network, batch):
    """-> the network's terms, each [B], computed plainly."""
    output = network(batch.images, batch.labels)
    return network.loss_terms(output, batch.labels, batch.images[:, None])


def test_the_loss_falls_on_one_batch(dataset):
    """A batch of 30 images, though BATCH_SIZE is 10: the means are those of the batch."""
    cfg, network = toy.settings(LR=0.01), toy.network()
    batch = training_batch(dataset, seed=0, step=0, batch_size=30)
    expected = loss_of(network, batch)
    step = steps.make_train_step(network, make_optimizer(cfg), cfg, ONE)
    history = [step(batch) for _ in range(60)]
    for name, value in expected.items():
        np.testing.assert_allclose(history[0][name], np.mean(value), rtol=1e-5)
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert 0.9 < history[-1]["accuracy"] <= 1
    total = history[0]["margin"] + cfg.RECONSTRUCT_W * history[0]["reconstruction"]
    np.testing.assert_allclose(history[0]["loss"], total, rtol=1e-5)
    assert list(history[0]) == ["loss", "margin", "reconstruction", "accuracy", "gradient_norm"]


@pytest.mark.parametrize("size", [4, 10])
def test_a_step_is_adam_on_the_mean_loss_of_its_batch(dataset, size):
    """From zero moments, Adam moves a weight by -LR g / (|g| + epsilon / sqrt(1 - beta_2)).

    epsilon is 1e-8. The first step hides a factor in the gradient, which its norm shows.
    """
    cfg, network = toy.settings(LR=0.001), toy.network()
    batch = training_batch(dataset, seed=0, step=0, batch_size=size)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(loss_of(network, batch)["loss"])
    gradients = tape.gradient(loss, network.trainable_variables)
    before = [variable.numpy() for variable in network.trainable_variables]
    result = steps.make_train_step(network, make_optimizer(cfg), cfg, ONE)(batch)
    np.testing.assert_allclose(result["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(result["gradient_norm"], tf.linalg.global_norm(gradients), rtol=1e-4)
    for variable, old, gradient in zip(network.trainable_variables, before, gradients, strict=True):
        expected = -0.001 * gradient / (np.abs(gradient) + 1e-8 / np.sqrt(0.001))
        np.testing.assert_allclose(variable - old, expected, atol=3e-5, err_msg=variable.path)


def test_a_step_that_is_not_finite_changes_nothing(dataset, monkeypatch):
    """Nor one whose gradient alone is not."""
    cfg, network = toy.settings(), toy.network()
    optimizer = make_optimizer(cfg)
    step = steps.make_train_step(network, optimizer, cfg, ONE)
    batch = training_batch(dataset, seed=0, step=0, batch_size=10)
    step(batch)
    variables = [*optimizer.variables, *network.trainable_variables]
    before = [variable.numpy() for variable in variables]
    for poison in (np.nan, np.inf, 1e30):
        with pytest.raises(steps.NotFinite, match="step 2: loss (nan|inf), gradient norm (nan|inf)"):
            step(batch._replace(images=batch.images + poison))
    monkeypatch.setattr(tf.linalg, "global_norm", lambda gradients: tf.constant(np.inf))
    with pytest.raises(steps.NotFinite, match="loss [0-9.]+, gradient norm inf"):
        step(batch)
    for variable, old in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable, old, err_msg=variable.path)


@pytest.mark.parametrize("count, size, replicas, padded", [
    (5, 0, 1, 5), (5, 0, 2, 6), (1, 0, 4, 4), (5, 10, 3, 12), (12, 10, 1, 12)])
def test_batches_are_filled_up_and_none_of_it_counts(monkeypatch, count, size, replicas, padded):
    """Each replica gets equally many images."""
    given = []
    monkeypatch.setattr(ONE.__class__, "replicas", replicas)
    monkeypatch.setattr(ONE.__class__, "sum", lambda self, function: lambda padded: given.append(padded) or {})
    images = np.arange(count, dtype=np.float32)[:, None, None, None]
    labels = np.arange(count, dtype=np.int32)[:, None]
    steps.make_test_step(toy.network(), toy.settings(), ONE)(Batch(images, labels), size)
    (batch, counts), = given
    assert len(batch.images) == len(batch.labels) == len(counts) == padded
    np.testing.assert_array_equal(counts, [1] * count + [0] * (padded - count))
    np.testing.assert_array_equal(batch.labels[:count], labels)
    assert (batch.labels[count:] == count - 1).all() and batch.sources is None
