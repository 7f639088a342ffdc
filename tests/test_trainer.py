"""One step, one pass over a split, and whole runs at toy size, in this process."""
import contextlib
import json
import os
import signal
import sys

import numpy as np
import pytest
import tensorflow as tf

import checkpoints
import data
import rundir
import toy
import train
import trainer
from config import InputError, load_config


@pytest.fixture
def dataset(tmp_path):
    return data.load(str(toy.npz(tmp_path / "bars.npz")), tmp_path, seed=0)


def run(monkeypatch, *flags):
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, flags)])
    return train.main()


def start(monkeypatch, tmp_path, *flags, folder="run"):
    status = run(monkeypatch, "--dataset", toy.npz(tmp_path / "bars.npz"), "--train_dir", tmp_path / folder,
                 *toy.FLAGS, *flags)
    return status, tmp_path / folder


def metrics(folder, split=None):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if split in (None, line["split"])]


def variables(folder):
    prefix = str(checkpoints.find(folder))
    return {name: tf.train.load_variable(prefix, name) for name, _ in tf.train.list_variables(prefix)
            if name != "_CHECKPOINTABLE_OBJECT_GRAPH"}


@contextlib.contextmanager
def send_in_step(number, what):
    """Sends a signal to this process while it trains that step."""
    with pytest.MonkeyPatch.context() as patch:
        batch = data.batch

        def batch_with_a_signal(split, seed, step, *more):
            if step == number - 1:
                os.kill(os.getpid(), what)
            return batch(split, seed, step, *more)

        patch.setattr(data, "batch", batch_with_a_signal)
        yield


def test_the_loss_falls_on_one_batch(dataset):
    cfg = toy.settings(LR=0.01)
    model = toy.network()
    step = trainer.make_train_step(model, trainer.make_optimizer(cfg), cfg)
    images, labels = data.batch(dataset.train, 0, 0, 30, 0)
    history = [{name: float(value) for name, value in step(images, labels).items()} for _ in range(60)]
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert history[-1]["accuracy"] > 0.9
    total = history[0]["margin"] + cfg.RECONSTRUCT_W * history[0]["reconstruction"]
    np.testing.assert_allclose(history[0]["loss"], total, rtol=1e-5)


def test_a_step_is_adam_on_the_mean_loss(dataset):
    """From zero moments, Adam moves a weight by -LR g / (|g| + epsilon / sqrt(1 - beta_2)), with epsilon 1e-8."""
    cfg, model = toy.settings(LR=0.001), toy.network()
    images, labels = data.batch(dataset.train, 0, 0, 10, 0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(trainer.losses(model(images, labels), images, labels, cfg)[0])
    gradients = tape.gradient(loss, model.trainable_variables)
    before = [variable.numpy() for variable in model.trainable_variables]
    result = trainer.make_train_step(model, trainer.make_optimizer(cfg), cfg)(images, labels)
    np.testing.assert_allclose(result["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(result["gradient_norm"], tf.linalg.global_norm(gradients), rtol=1e-4)
    for variable, old, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        expected = -0.001 * gradient / (np.abs(gradient) + 1e-8 / np.sqrt(0.001))
        np.testing.assert_allclose(variable - old, expected, atol=3e-5, err_msg=variable.path)


def test_the_learning_rate_falls_by_steps():
    optimizer = trainer.make_optimizer(toy.settings(LR=0.1, STEP_SIZE=10, DECAY_RATIO=0.5))
    rates = []
    for step in (0, 9, 10, 19, 20):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.05, 0.05, 0.025], rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 500])
def test_evaluate_counts_every_image_once(dataset, batch_size):
    model, cfg = toy.network(), toy.settings()
    for variable in model.trainable_variables:  # so that capsules differ visibly in what they decode to
        variable.assign(4 * variable)
    result = trainer.evaluate(trainer.make_test_step(model, cfg), dataset.test, batch_size)
    images = data.scale(dataset.test.images)
    output = model(images)
    right = np.mean(np.argmax(output.lengths, axis=1) == dataset.test.labels)
    total, margin, reconstruction = trainer.losses(output, images, dataset.test.labels, cfg)
    expected = {"loss": total, "margin": margin, "reconstruction": reconstruction}
    assert result.keys() == {*expected, "accuracy"}
    np.testing.assert_allclose(result["accuracy"], right, rtol=1e-6)
    for name, value in expected.items():
        np.testing.assert_allclose(result[name], np.mean(value), rtol=1e-5)


def test_a_run_leaves_everything_in_its_folder(monkeypatch, tmp_path):
    status, folder = start(monkeypatch, tmp_path, "--keep", 2, "--lr", 0.003)
    assert status == 0
    cfg, image_shape, classes = load_config(folder)
    assert (cfg.LR, cfg.KEEP, image_shape, classes) == (0.003, 2, toy.IMAGE_SHAPE, toy.CLASSES)
    assert checkpoints.steps(folder) == [4, 6] and len(checkpoints.steps(folder, "best")) == 1
    assert [line["step"] for line in metrics(folder, "train")] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in metrics(folder, "val")] == [2, 4, 6]
    assert metrics(folder)[0].keys() == {"step", "split", "loss", "margin", "reconstruction", "accuracy",
                                         "gradient_norm", "learning_rate"}
    results = json.loads((folder / "results.json").read_text())
    assert results["last"]["step"] == 6 and results["best"]["step"] == checkpoints.steps(folder, "best")[0]
    assert results["command"].startswith("train.py --dataset") and results["seed"] == 0
    best = max(metrics(folder, "val"), key=lambda line: line["accuracy"])
    assert results["best"]["step"] == best["step"]
    assert "step 6 val:" in (folder / "log.txt").read_text()
    for split in ("train", "val"):
        assert list((folder / "tensorboard" / split).glob("events*"))


def test_the_results_are_those_of_the_checkpoints(monkeypatch, tmp_path, dataset):
    _, folder = start(monkeypatch, tmp_path, "--lr", 0.01)
    results = json.loads((folder / "results.json").read_text())
    for name, prefix in (("last", folder), ("best", folder / f"best-{results['best']['step']}")):
        model, cfg, _ = checkpoints.load(prefix)
        again = trainer.evaluate(trainer.make_test_step(model, cfg), dataset.test, 10)
        for key, value in again.items():
            np.testing.assert_allclose(results[name][key], value, rtol=1e-5)


def test_a_restored_network_is_the_saved_one(tmp_path):
    model, other = toy.network(), toy.network()
    for variable in model.trainable_variables:
        variable.assign_add(tf.random.normal(variable.shape))
    checkpoints.write(tmp_path, "ckpt", 7, 1, model=model)
    checkpoints.read(checkpoints.find(tmp_path), model=other)
    for a, b in zip(model.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_stopped_run_continues_as_if_it_had_not_stopped(monkeypatch, tmp_path, capsys):
    _, straight = start(monkeypatch, tmp_path, folder="straight")
    with send_in_step(3, signal.SIGTERM):
        status, folder = start(monkeypatch, tmp_path)
    assert status == 128 + signal.SIGTERM
    assert checkpoints.steps(folder)[-1] == 3 and not (folder / "results.json").exists()
    assert f"--ckpt {folder}" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    assert run(monkeypatch, "--ckpt", folder) == 0
    assert [line["step"] for line in metrics(folder, "train")] == [1, 2, 3, 4, 5, 6]
    expected = variables(straight)
    for name, value in variables(folder).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_metrics_past_the_last_checkpoint_are_written_anew(monkeypatch, tmp_path):
    _, folder = start(monkeypatch, tmp_path)
    whole = metrics(folder)
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"step": 7, "split": "train", "loss": 1.0}\n{"step": 8, "spl')
    run(monkeypatch, "--ckpt", folder, "--max_iters", 8)
    assert metrics(folder)[: len(whole)] == whole
    assert [line["step"] for line in metrics(folder, "train")] == list(range(1, 9))


def test_a_continued_run_keeps_its_settings(monkeypatch, tmp_path):
    _, folder = start(monkeypatch, tmp_path)
    with pytest.raises(InputError, match="--digit_dim 5: the run in .* has 4"):
        run(monkeypatch, "--ckpt", folder, "--digit_dim", 5)
    assert run(monkeypatch, "--ckpt", folder, "--digit_dim", 4, "--max_iters", 8) == 0
    assert checkpoints.steps(folder)[-1] == 8


def test_what_changes_on_continuing_is_remembered(monkeypatch, tmp_path):
    _, folder = start(monkeypatch, tmp_path)
    with send_in_step(8, signal.SIGINT):
        assert run(monkeypatch, "--ckpt", folder, "--max_iters", 12) == 128 + signal.SIGINT
    assert run(monkeypatch, "--ckpt", folder) == 0
    assert checkpoints.steps(folder)[-1] == 12


def test_a_best_checkpoint_of_steps_to_be_done_again_is_forgotten(monkeypatch, tmp_path):
    _, folder = start(monkeypatch, tmp_path, "--max_iters", 4)
    checkpoints.write(folder, "best", 5, 2, model=toy.network())  # of a run killed at step 5, after validation
    run(monkeypatch, "--ckpt", folder, "--max_iters", 6)
    assert 5 not in checkpoints.steps(folder, "best") and checkpoints.steps(folder, "best")


def test_a_folder_that_holds_a_run_is_refused(monkeypatch, tmp_path):
    _, folder = start(monkeypatch, tmp_path)
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match="already holds a run; continue it with --ckpt"):
        start(monkeypatch, tmp_path)
    assert sorted(folder.rglob("*")) == before


def test_a_run_continues_only_on_the_same_kind_of_data(monkeypatch, tmp_path):
    _, folder = start(monkeypatch, tmp_path)
    pixels, labels = toy.images(image_shape=(20, 20, 1))
    np.savez(tmp_path / "bars.npz", x_train=pixels, y_train=labels)
    with pytest.raises(InputError, match=r"\(18, 17, 1\) and 3 classes; bars now has \(20, 20, 1\) and 3"):
        run(monkeypatch, "--ckpt", folder)


@pytest.mark.parametrize("where", ["nowhere", "."])
def test_nothing_to_continue_is_refused(monkeypatch, tmp_path, where):
    with pytest.raises(InputError, match="config.json is missing: expected a folder that train.py made"):
        run(monkeypatch, "--ckpt", tmp_path / where)


def test_a_run_that_died_before_its_first_checkpoint_begins_again(monkeypatch, tmp_path):
    _, folder = start(monkeypatch, tmp_path)
    whole = metrics(folder)
    for path in [*folder.glob("ckpt-*"), *folder.glob("best-*"), folder / "results.json"]:
        path.unlink()
    assert run(monkeypatch, "--ckpt", folder) == 0
    assert [line["step"] for line in metrics(folder)] == [line["step"] for line in whole]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(monkeypatch, tmp_path, capsys):
    batch = data.batch

    def poison_step_4(split, seed, step, *more):
        images, labels = batch(split, seed, step, *more)
        return (images * np.nan if step == 3 else images), labels

    monkeypatch.setattr(data, "batch", poison_step_4)
    status, folder = start(monkeypatch, tmp_path, "--save_every", 1, "--val_every", 1)
    assert status == 1
    assert "not finite: step 4: loss nan" in capsys.readouterr().out
    assert checkpoints.steps(folder)[-1] == 3
    assert all(np.isfinite(value).all() for value in variables(folder).values())
    monkeypatch.setattr(data, "batch", batch)
    assert run(monkeypatch, "--ckpt", folder) == 0


def test_find_takes_a_folder_or_a_prefix_and_refuses_the_rest(tmp_path):
    model = toy.network()
    with pytest.raises(InputError, match="no checkpoint at"):
        checkpoints.find(tmp_path)
    for step in (9, 10):
        checkpoints.write(tmp_path, "ckpt", step, 5, model=model)
    checkpoints.write(tmp_path, "best", 11, 1, model=model)
    assert checkpoints.find(tmp_path) == tmp_path / "ckpt-10"
    assert checkpoints.find(tmp_path / "ckpt-9") == tmp_path / "ckpt-9"
    with pytest.raises(InputError, match="no checkpoint at"):
        checkpoints.find(tmp_path / "ckpt-1")


def test_a_foreign_checkpoint_is_refused(tmp_path):
    checkpoints.write(tmp_path, "ckpt", 1, 1, model=toy.network())
    with pytest.raises(InputError, match="config.json is missing"):
        checkpoints.load(tmp_path)
    with pytest.raises(InputError, match="does not hold this network"):
        checkpoints.read(tmp_path / "ckpt-1", model=toy.network(DIGIT_DIM=5))
    with pytest.raises(InputError, match="does not hold this network"):
        checkpoints.read(tmp_path / "ckpt-1", model=toy.network(PRIOR_TRAINING=True))
    data_file = tmp_path / "ckpt-1.data-00000-of-00001"
    data_file.write_bytes(data_file.read_bytes()[:100])
    with pytest.raises(InputError, match="does not hold this network"):
        checkpoints.read(tmp_path / "ckpt-1", model=toy.network())


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, dataset):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"):
        rundir.create(tmp_path / "file" / "run", toy.settings(), dataset)
