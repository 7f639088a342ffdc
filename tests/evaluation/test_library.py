"""The strong attack beside those of a well-kept library, on the same network at the same budgets."""
import numpy as np
import pytest
import tensorflow as tf
from art.attacks.evasion import AutoProjectedGradientDescent, ProjectedGradientDescent
from art.estimators.classification import TensorFlowV2Classifier

import config
import toy
from evaluation import attacks
from evaluation.attacking import engine
from evaluation.network.predictor import Predictor
from settings import Config

STEPS, RESTARTS = 20, 2  # for each budget
BUDGET = {"linf": 0.01, "l2": 0.1}  # at which the robust accuracy is about a half


@pytest.mark.parametrize("norm, targeted", [
    ("linf", False), ("l2", True),
    pytest.param("linf", True, marks=pytest.mark.slow), pytest.param("l2", False, marks=pytest.mark.slow)])
def test_the_strong_attack_succeeds_at_least_as_often_as_the_library(norm, targeted, monkeypatch):
    # a network with decision boundaries among random images, whose labels are what it says
    network = toy.network(PRIMARY_CAPS_CHANNELS=4)
    network.digit_caps.W.assign(network.digit_caps.W * 8)
    images = np.random.default_rng(0).random((60, *toy.IMAGE_SHAPE), np.float32)
    labels = np.argmax(network(images).scores, axis=1).astype(np.int32)
    goals = (labels + 1) % toy.CLASSES if targeted else labels

    # ours, at half of the budget and then at all of it
    monkeypatch.setattr(engine, "BUDGETS", 2)
    cfg = Config(config.EVAL_ALL, {"NORM": norm, "EPSILON": BUDGET["linf"], "EPSILON_L2": BUDGET["l2"],
                                   "TARGETED": targeted, "MAX_ITERS": 2 * STEPS, "RESTARTS": RESTARTS})
    predictor = Predictor(network, toy.settings(), len(images))
    ours = attacks.run("strong", predictor, images, goals, cfg, None).success.mean()

    # the library's, with as many steps and restarts: it has succeeded where any of its attacks has
    classifier = TensorFlowV2Classifier(
        tf.function(lambda x, training=False: network(x).scores), nb_classes=toy.CLASSES,
        input_shape=toy.IMAGE_SHAPE, loss_object=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0, 1))
    same = {"eps": BUDGET[norm], "eps_step": BUDGET[norm] * engine.STRETCH / STEPS, "max_iter": STEPS,
            "targeted": targeted, "norm": {"linf": np.inf, "l2": 2}[norm], "batch_size": 100, "verbose": False}
    np.random.seed(0)  # noqa: NPY002, the library draws from it
    succeeded = np.zeros(len(images), bool)
    for attack in (ProjectedGradientDescent(classifier, num_random_init=RESTARTS, **same),
                   AutoProjectedGradientDescent(classifier, nb_random_init=RESTARTS, **same)):
        made = attack.generate(images, goals)
        succeeded |= (np.argmax(network(made).scores, axis=1) == goals) == targeted

    assert 0.2 < ours < 1 and ours >= succeeded.mean() > 0.2
