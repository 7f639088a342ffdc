"""What a training measures of a split: every image once, and the health of the network, against loops."""
from unittest.mock import Mock, call

import numpy as np
import pytest

import data
import toy
import toy_runs
from data.dataset import as_batch
from model import capsules
from training import evaluate as measuring
from training.devices import Devices
from training.evaluate import evaluate
from training.optimizer import make_optimizer
from training.step import Training, make_health_step, make_test_step


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = toy.npz(tmp_path_factory.mktemp("bars") / "bars.npz")
    return data.load(toy.settings(DATASET=str(path), SHIFT=0))


@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_evaluate_counts_every_image_once(dataset, batch_size):
    """And its reconstructions are those of the longest capsules: no label is at hand."""
    network, cfg = toy.network(), toy.settings()
    for variable in network.trainable_variables:  # so that capsules differ visibly when decoded
        variable.assign(4 * variable)
    result = evaluate(make_test_step(network, cfg, Devices()), dataset.test, batch_size)
    every = as_batch(dataset.test)
    output = network(every.images)
    expected = network.loss_terms(output, every.labels, every.images[:, None])
    right = np.argmax(output.scores, axis=1) == every.labels[:, 0]
    assert result.keys() == {*expected, "accuracy"}
    np.testing.assert_allclose(result["accuracy"], np.mean(right), rtol=1e-6)
    for name, value in expected.items():
        np.testing.assert_allclose(result[name], np.mean(value), rtol=1e-5)


def test_a_split_is_evaluated_by_one_compiled_function(dataset):
    """Its last batch is smaller. Compiling for its size too would take seconds."""
    step = Mock(return_value={"accuracy": 1.0})
    for split, batch_size in [(dataset.val, 10), (dataset.test, 500)]:
        evaluate(step, split, batch_size)
    sizes = {max(size, len(batch.labels)) for batch, size in (given.args for given in step.call_args_list)}
    assert sizes == {10, len(dataset.test.labels)}


@pytest.mark.parametrize("iterations, jit", [(1, "off"), (3, "on")])
def test_the_health_of_a_capsnet(dataset, iterations, jit):
    split, network = dataset.val, toy.network(ROUTING_ITERS=iterations)
    network.conv1.bias.assign([-100, 0, 0, 100])  # one channel is dead, one never is 0
    network.digit_caps.W.assign(40 * network.digit_caps.W)
    step = make_health_step(network, toy.settings(JIT=jit), Devices())
    found = measuring.measure_health(step, split, batch_size=10)  # the last batch is filled up

    images = split.images / np.float32(255)
    features, labels = network.conv1(images).numpy(), split.labels[:, 0]
    u = network.primary_caps(features)
    lengths = network(images).scores.numpy()
    is_label = np.arange(toy.CLASSES) == labels[:, None]
    assert found["dead_channels"] == 1 and type(found["dead_channels"]) is int
    expected = {"positive_activations": (features > 0).mean(), "length_correct": lengths[is_label].mean(),
                "short_primary_capsules": (capsules.length(u).numpy() < 0.1).mean(),
                "length_wrong": lengths[~is_label].mean()}

    # the couplings, by procedure 1
    u_hat = capsules.votes(u, network.digit_caps.W)
    b, changes = np.zeros(u_hat.shape[:3], np.float32), {}
    for iteration in range(1, iterations + 1):
        c = capsules.couple(b)
        change = capsules.agree(u_hat, capsules.squash(capsules.weigh(c, u_hat)))
        changes[f"logit_change_{iteration}"] = np.abs(change).mean()
        b = b + change
    entropy = -(c * np.log(c)).numpy().sum(axis=2).mean() / np.log(toy.CLASSES)
    assert iterations == 1 or entropy < 0.99
    expected |= {"coupling_entropy": entropy, "dead_channels": 1, "dead_fraction": 0.25, **changes}
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_run_records_its_health_at_every_validation():
    records = toy_runs.metrics(toy_runs.finished(), "health")
    assert [record["step"] for record in records] == [2, 4, 6]
    assert set(records[0]) == {"step", "split", "dead_channels", "dead_fraction", "positive_activations",
                               "short_primary_capsules", "length_correct", "length_wrong", "coupling_entropy",
                               "logit_change_1", "logit_change_2", "logit_change_3"}


def training_with(dataset, run, **changes):
    """-> a training that does not compile anything yet, at its step 0"""
    cfg, network = toy.settings(**changes), toy.network()
    optimizer = make_optimizer(cfg)
    optimizer.build(network.trainable_variables)
    return Training(cfg, dataset, network, optimizer, Devices(), run)


@pytest.mark.parametrize("ema, best, tested", [
    (0, 6, ["test, last"]), (0.7, 6, ["test, last", "test, average"]), (0, 4, ["test, last", "test, best"]),
    (0.7, 4, ["test, last", "test, average", "test, best"]), (0, None, ["test, last"])])
def test_the_last_network_is_not_tested_twice_where_it_is_the_best(dataset, monkeypatch, ema, best, tested):
    titles, run = [], Mock()
    run.restore_best.return_value = best
    training = training_with(dataset, run, EMA=ema)
    training.optimizer.iterations.assign(6)
    monkeypatch.setattr(measuring, "evaluate", lambda *given: titles.append(given[3]) or {"accuracy": len(titles)})
    results = measuring.test(training)
    assert titles == tested
    expected = {"last": {"step": 6, "accuracy": 1}, **({"average": {"step": 6, "accuracy": 2}} if ema else {})}
    if best:
        expected["best"] = {"step": best, "accuracy": len(titles)}
    assert results == expected
    assert run.save_network.call_args_list == ([call("average", 6)] if ema else [])


def test_layers_that_are_dead_or_asleep_are_named_once_until_they_recover(dataset, monkeypatch):
    run = Mock()
    run.note.side_effect = lambda line: line
    training = training_with(dataset, run)
    found = []
    for step, lengths in [(100, (0.99, 0.98)), (200, (0.99, 0.98)), (300, (0.01, 0.01)), (400, (0.9, 0.1)),
                          (500, (0.5, 0.51)), (600, (0.9, 0.1, 0.5)), (700, (0.9, 0.1, 0.51)), (800, ())]:
        health = dict(zip(("length_correct", "length_wrong", "dead_fraction"), lengths, strict=False))
        monkeypatch.setattr(measuring, "measure_health", lambda *given, health=health: health)
        training.optimizer.iterations.assign(step)
        found += [(step, line) for line in measuring.validate(training) if isinstance(line, str)]
    assert [step for step, _ in found] == [200, 500, 700]
    assert "51% of the channels of the first convolution never fire" in found[2][1]
    assert "after step 200 the class capsules are equally long" in found[0][1] and "--warmup" in found[0][1]
    assert [note.args[0] for note in run.note.call_args_list] == [line for _, line in found], "they are in the log"
