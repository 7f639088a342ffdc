"""One step and one pass over a split."""
import numpy as np
import pytest
import tensorflow as tf

import data
import toy
import trainer


@pytest.fixture
def dataset(tmp_path):
    return data.load(str(toy.npz(tmp_path / "bars.npz")), tmp_path, seed=0)


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


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e30])
def test_a_step_that_is_not_finite_changes_nothing(dataset, poison):
    cfg, model = toy.settings(), toy.network()
    optimizer = trainer.make_optimizer(cfg)
    step = trainer.make_train_step(model, optimizer, cfg)
    images, labels = data.batch(dataset.train, 0, 0, 10, 0)
    step(images, labels)
    before = [variable.numpy() for variable in optimizer.variables + model.trainable_variables]
    with pytest.raises(trainer.NotFinite, match="loss (nan|inf), gradient norm (nan|inf)"):
        step(images + poison, labels)
    for variable, old in zip(optimizer.variables + model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, old, err_msg=variable.path)


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
