"""The learning rate, and the moving average of the weights."""
import numpy as np
import pytest
import tensorflow as tf

import data
import toy
import toy_runs
from data.dataset import training_batch
from runs import checkpoints
from training.devices import Devices, Replicas
from training.evaluate import evaluate
from training.optimizer import averaged, make_optimizer
from training.step import make_test_step, make_train_step


@pytest.mark.parametrize("settings, expected", [
    ({}, {0: 0.1, 9: 0.1, 10: 0.05, 19: 0.05, 20: 0.025}),
    ({"STAIRCASE": False}, {0: 0.1, 9: 0.1 * 0.5 ** 0.9, 10: 0.05, 20: 0.025}),
    ({"LR_FLOOR": 0.04}, {0: 0.1, 10: 0.05, 20: 0.04}),
    ({"MAX_ITERS": 24, "COOLDOWN": 4}, {0: 0.1, 10: 0.05, 19: 0.05, 21: 0.025 * 0.75, 23: 0.025 * 0.25, 24: 0.0}),
    ({"MAX_ITERS": 24, "COOLDOWN": 4, "LR_FLOOR": 0.01}, {19: 0.05, 21: 0.025 * 0.75, 23: 0.01, 24: 0.01}),
    ({"WARMUP": 4}, {0: 0.025, 1: 0.05, 3: 0.1, 4: 0.1, 10: 0.05}),
    ({"WARMUP": 100, "MAX_ITERS": 4}, {0: 0.001, 3: 0.004})])
def test_the_learning_rate_falls_by_steps_after_a_warm_up_and_to_nothing_in_the_end(settings, expected):
    optimizer = make_optimizer(toy.settings(LR=0.1, STEP_SIZE=10, DECAY_RATIO=0.5, **settings))
    for step, rate in expected.items():
        optimizer.iterations.assign(step)
        np.testing.assert_allclose(float(optimizer.learning_rate), rate, rtol=1e-6, err_msg=str(step))


@pytest.mark.parametrize("devices", [Devices, lambda: Replicas(tf.distribute.MirroredStrategy(["CPU:0"]))])
def test_the_average_is_that_of_the_weights_after_each_step(tmp_path, devices):
    """average = M average + (1 - M) weights, beginning with the weights after the first step."""
    dataset = data.load(toy.settings(DATASET=str(toy.npz(tmp_path / "bars.npz"))))
    cfg, devices = toy.settings(EMA=0.9, LR=0.01), devices()
    with devices.scope():
        network, optimizer = toy.network(), make_optimizer(cfg)
        optimizer.build(network.trainable_variables)
    step, expected = make_train_step(network, optimizer, cfg, devices), None
    for number in range(4):
        step(training_batch(dataset, 0, number, 10))
        weights = [variable.numpy() for variable in network.trainable_variables]
        expected = weights if expected is None else [0.9 * a + 0.1 * w for a, w in zip(expected, weights, strict=True)]
    with pytest.raises(KeyboardInterrupt), averaged(optimizer, network.trainable_variables):
        for variable, value in zip(network.trainable_variables, expected, strict=True):
            np.testing.assert_allclose(variable, value, rtol=1e-5, atol=1e-7)
        raise KeyboardInterrupt
    for variable, value in zip(network.trainable_variables, weights, strict=True):
        np.testing.assert_array_equal(variable, value, "the trained weights come back, also after an error")


def test_the_average_is_validated_tested_and_kept():
    folder = toy_runs.finished("--ema", 0.7, "--lr", 0.01)
    both = [toy_runs.metrics(folder, split) for split in ("val", "val_average")]
    assert [line["step"] for line in both[0]] == [line["step"] for line in both[1]] == [2, 4, 6]
    assert both[0][-1]["loss"] != both[1][-1]["loss"]

    # The checkpoint of the average is a network alone with the results that are stated. The best is the best average.
    best = max(both[1], key=lambda line: line["accuracy"])
    results = toy_runs.results(folder)
    assert results["best"]["step"] == best["step"]
    cfg = toy.settings()
    dataset = data.load(toy.settings(DATASET=str(folder.with_name("bars.npz"))))
    for name, split, stated in [("average-6", dataset.test, results["average"]),
                                (f"best-{best['step']}", dataset.val, best)]:
        again = evaluate(make_test_step(checkpoints.load(folder / name).network, cfg, Devices()), split, 10)
        assert again == pytest.approx({key: stated[key] for key in again}, rel=1e-5)

    # without an average nothing is said of one
    folder = toy_runs.finished()
    assert toy_runs.metrics(folder, "val_average") == [] and "average" not in toy_runs.results(folder)
    assert sorted(path.name for path in (folder / "tensorboard").iterdir()) == ["health", "train", "val"]
