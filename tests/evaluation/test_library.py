"""The strong attack beside those of a well-kept library, on the same network at the same budgets."""
import numpy as np
import pytest
import tensorflow as tf
from art.attacks.evasion import AutoProjectedGradientDescent, ProjectedGradientDescent
from art.estimators.classification import TensorFlowV2Classifier

import catalog
import config
import toy
from evaluation import attacks
from evaluation.climbing import success_curve
from evaluation.predictor import Predictor
from settings import Config

STEPS, RESTARTS = 20, 2      # for each budget
COMPARED = (1, 6)            # of the ten budgets
LARGEST = {"linf": 0.05, "l2": 0.5}


def library(classifier, norm, targeted, budget):
    """-> two attacks of the library, with as many steps and restarts as ours"""
    same = {"eps": budget, "eps_step": budget * attacks.STRETCH / STEPS, "max_iter": STEPS, "targeted": targeted,
            "norm": {"linf": np.inf, "l2": 2}[norm], "batch_size": 100, "verbose": False}
    yield ProjectedGradientDescent(classifier, num_random_init=RESTARTS, **same)
    yield AutoProjectedGradientDescent(classifier, nb_random_init=RESTARTS, **same)


@pytest.mark.parametrize("targeted", (False, True))
@pytest.mark.parametrize("norm", ("linf", "l2"))
def test_the_strong_attack_succeeds_at_least_as_often_as_the_library_at_each_budget(norm, targeted):
    # a network with decision boundaries among random images, whose labels are what it says
    network = toy.network(PRIMARY_CAPS_CHANNELS=4)
    network.digit_caps.W.assign(network.digit_caps.W * 8)
    images = np.random.default_rng(0).random((60, *toy.IMAGE_SHAPE), np.float32)
    labels = np.argmax(network(images).scores, axis=1).astype(np.int32)
    goals = (labels + 1) % toy.CLASSES if targeted else labels

    # ours
    table = {**config.EVAL, **catalog.settings("evaluation.modes")}
    cfg = Config(table, {"NORM": norm, "EPSILON": LARGEST["linf"], "EPSILON_L2": LARGEST["l2"], "TARGETED": targeted,
                         "MAX_ITERS": STEPS * attacks.BUDGETS, "RESTARTS": RESTARTS})
    done = attacks.strong(Predictor(network, toy.settings(), 20), images, goals, cfg, None)
    budgets = done.tried[1:][list(COMPARED)]
    ours = success_curve(done, budgets)

    # the library's: it has succeeded where any of its attacks with this budget or a smaller one has
    classifier = TensorFlowV2Classifier(
        tf.function(lambda x, training=False: network(x).scores), nb_classes=toy.CLASSES,
        input_shape=toy.IMAGE_SHAPE, loss_object=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0, 1))
    np.random.seed(0)  # noqa: NPY002, the library draws from it
    succeeded, theirs = np.zeros(len(images), bool), []
    for budget in budgets:
        for attack in library(classifier, norm, targeted, float(budget)):
            made = attack.generate(images, goals)
            succeeded |= (np.argmax(network(made).scores, axis=1) == goals) == targeted
        theirs.append(succeeded.mean())

    assert 0.2 < ours[0] < 1 and ours[1] > 0.5
    assert (ours >= theirs).all()
