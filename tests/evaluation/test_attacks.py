"""The attacks, against finite differences, their own bounds and fresh predictions."""
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import config
import registry
import toy
from evaluation import attacks, sampling
from evaluation.attacking.engine import NORMS, Ball, climb, sweep
from evaluation.network import objectives
from evaluation.network.predictor import Predictor
from model.capsules import length, squash
from settings import Config

KINDS = "original", "fgsm", "bim", "pgd", "vote", "hidden", "strong"
THRESHOLD = 5.058   # of the detector: half of the reconstructions of the random images are nearer
EPSILON = 0.2


def settings(**changes):
    return Config(config.EVAL_ALL, {"EPSILON": EPSILON, "LR": 0.5, "MAX_ITERS": 12, **changes})


@pytest.fixture(scope="module")
def predictor(network):
    return Predictor(network, toy.settings(), 8)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((20, *toy.IMAGE_SHAPE), np.float32)


@pytest.fixture(scope="module")
def labels(network, images):
    return np.argmax(network(images).scores, axis=1).astype(np.int32)


@pytest.fixture
def attack(predictor, images, labels):
    """attack(name, settings) -> what it does to the images; a target is the class after the label."""
    def call(name, **changes):
        cfg = settings(**changes)
        return attacks.run(name, predictor, images, goals(labels, cfg.TARGETED), cfg, THRESHOLD)

    return call


def goals(labels, targeted):
    return (labels + 1) % toy.CLASSES if targeted else labels


def lead(scores, classes):
    """scores [N, J], classes [N] -> by how much each class leads, in a loop"""
    return np.array([row[j] - max(np.delete(row, j)) for row, j in zip(scores, classes, strict=True)])


def oracle(network, objective, images, classes):
    """-> the objective [N] in NumPy, from what the network says"""
    output = network(images)
    scores = np.array(output.scores, float)
    distance = np.sqrt(np.square(images - output.reconstruction[:, 0]).sum(axis=(1, 2, 3)))
    if objective == "length":
        return scores[np.arange(len(classes)), classes]
    if objective == "log_probability":
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return np.log(chances[np.arange(len(classes)), classes])
    if objective == "unrouted_margin":
        u = network.primary_caps(network.conv1(images)).numpy().astype(float)          # [N, I, D]
        votes = np.einsum("nid,idje->nije", u, network.digit_caps.W.numpy().astype(float))
        v = squash(tf.constant(votes.sum(axis=1) / toy.CLASSES))                       # [N, J, E]
        return lead(length(v).numpy(), classes)
    margin = lead(scores, classes)
    return {"margin": margin, "towards_reconstruction_aware": np.minimum(margin, 1 - distance / THRESHOLD),
            "away_reconstruction_aware": np.maximum(margin, distance / THRESHOLD - 1)}[objective]


@pytest.mark.parametrize("objective", ["length", "margin", "log_probability", "unrouted_margin",
                                       "towards_reconstruction_aware", "away_reconstruction_aware"])
def test_an_objective_is_its_formula_and_its_gradient_equals_finite_differences(network, predictor, images, objective):
    classes, step = np.arange(9, dtype=np.int32) % toy.CLASSES, 1e-2
    threshold = THRESHOLD if objective.endswith("aware") else None
    scores, value, gradient = predictor.gradient(getattr(objectives, objective), images[:9], classes, threshold)
    np.testing.assert_allclose(scores, network(images[:9]).scores, atol=1e-6)
    np.testing.assert_allclose(value, oracle(network, objective, images[:9], classes), rtol=1e-3, atol=1e-6)

    directions = np.random.default_rng(1).normal(size=images[:9].shape).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=(1, 2), keepdims=True)
    ahead = oracle(network, objective, images[:9] + step * directions, classes)
    behind = oracle(network, objective, images[:9] - step * directions, classes)
    found = (ahead - behind) / (2 * step)
    tolerance = 0.02 * np.linalg.norm(gradient.reshape(9, -1), axis=1)
    assert (np.abs((gradient * directions).sum(axis=(1, 2, 3)) - found) < tolerance).all()


@pytest.mark.parametrize("kind, targeted, norm", [
    *itertools.product(KINDS, [True, False], ["linf"]),
    *itertools.product(["pgd", "strong"], [False], ["l2"])])
def test_an_attack_keeps_its_bounds_and_its_flag_is_a_fresh_prediction(network, attack, images, labels, kind, targeted,
                                                                       norm):
    most = 12 if kind == "original" else 23
    found = attack(kind, TARGETED=targeted, MAX_ITERS=most, SEED=3, NORM=norm, EPSILON_L2=2.0)
    assert found.images.min() >= 0 and found.images.max() <= 1
    output, classes = network(found.images), goals(labels, targeted)
    predicted = np.argmax(output.scores, axis=1)
    reached = predicted == classes if targeted else predicted != classes
    if kind == "hidden":
        drawn = (found.images - output.reconstruction[:, 0]).numpy().reshape(len(images), -1)
        reached &= np.linalg.norm(drawn, axis=1) < THRESHOLD
    np.testing.assert_array_equal(found.success, reached)
    assert found.success.any(), "otherwise this test says little"
    difference = (found.images - images).reshape(len(images), -1)
    np.testing.assert_allclose(found.l2, np.linalg.norm(difference, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.linf, np.abs(difference).max(axis=1))
    assert (found.steps <= most * (6 if kind == "strong" else 1)).all(), "three objectives from two points"
    np.testing.assert_array_equal(np.isfinite(found.budget), found.success)
    assert found.tried[0] == 0 and (np.diff(found.tried) > 0).all()
    rates = found.success_rates(found.tried)
    assert rates[0] == 0 and (np.diff(rates) >= 0).all() and rates[-1] == found.success.mean()
    if kind == "original":
        assert found.norm == "L2" and found.tried[-1] >= found.l2[found.success].max()
        assert (found.l2 <= found.steps * 0.5 + 1e-5).all(), "a step has at most the length --lr"
        np.testing.assert_allclose(found.budget[found.success], found.l2[found.success])
    else:
        assert found.norm == NORMS[norm]
        budget, distance = (EPSILON, found.linf) if norm == "linf" else (2, found.l2)
        np.testing.assert_allclose(found.tried, np.linspace(0, budget, 11), rtol=1e-6)
        assert budget / 10 < distance.max() <= budget + 1e-5
        assert (distance[found.success] <= found.budget[found.success] + 1e-5).all()


def test_an_attack_that_knows_one_norm_gets_it_in_its_settings(monkeypatch, attack):
    """So that one file with NORM and a sweep is all that such an attack needs."""
    def in_its_norm(predictor, images, classes, cfg, threshold, title=None):
        return sweep(predictor, images, classes, cfg, title)

    mine = SimpleNamespace(NORM="l2", attack=in_its_norm)
    monkeypatch.setattr(registry, "module", lambda folder, name: mine)
    assert attack("mine", TARGETED=False).norm == "L2"


def test_the_first_step_of_the_original_follows_the_normalised_gradient(attack, predictor, images, labels):
    _, _, gradient = predictor.gradient(objectives.length, images, goals(labels, True))
    found = attack("original", LR=0.1, MAX_ITERS=1)
    norm = np.sqrt(np.square(gradient).sum(axis=(1, 2, 3), keepdims=True))
    expected = np.clip(images + 0.1 * gradient / norm, 0, 1)
    np.testing.assert_allclose(found.images, expected, atol=1e-6)


def test_steps_along_the_signs_end_at_the_border(attack, predictor, images, labels):
    """FGSM makes one step of the whole budget, BIM four of 0.625 budgets for each of ten budgets."""
    _, _, gradient = predictor.gradient(objectives.margin, images, labels)
    expected = np.clip(images - 1e-4 * np.sign(gradient), 0, 1)
    found = attack("fgsm", EPSILON=1e-4, MAX_ITERS=1, TARGETED=False)
    np.testing.assert_allclose(found.images, expected, atol=1e-7)
    found = attack("bim", EPSILON=1e-4, MAX_ITERS=40, TARGETED=False)
    assert (found.steps == 40).all(), "none of the budgets is enough"
    assert (np.abs(found.images - expected) < 1e-7).mean() > 0.97, "the gradient hardly changes so near"


@pytest.mark.parametrize("norm", NORMS)
def test_a_step_is_as_long_as_it_says_and_ends_at_the_border(norm):
    random = np.random.default_rng(0)
    natural = random.uniform(0.4, 0.6, (3, 4, 4, 1)).astype(np.float32)
    gradient, active = random.normal(size=natural.shape).astype(np.float32), np.arange(3)
    ball = Ball(norm, natural, np.float32(0.2))

    def length(images):
        change = (images - natural).reshape(3, -1)
        return np.abs(change).max(axis=1) if norm == "linf" else np.linalg.norm(change, axis=1)

    for step, expected in ((0.05, 0.05), (-0.05, 0.05), (7.0, 0.2)):
        moved = ball.step(natural, gradient, np.float32(step), active)
        np.testing.assert_allclose(length(moved), expected, rtol=1e-5)
        assert (np.sign((moved - natural) * gradient * step) >= 0).all(), "along the gradient"
    starts = np.array([length(ball.random_point(random)) for _ in range(50)])
    assert starts.max() <= 0.2 + 1e-6 and starts.min() > 0.1, "in 16 dimensions few points are near the middle"
    only_last = ball.step(natural[2:], gradient[2:], np.float32(7), active[2:])
    np.testing.assert_array_equal(only_last[0], ball.step(natural, gradient, np.float32(7), active)[2])


def test_strong_is_never_worse_than_pgd_with_its_first_start(attack):
    once, best = (attack(kind, MAX_ITERS=20, EPSILON=0.05, TARGETED=False) for kind in ("pgd", "strong"))
    assert (best.budget <= once.budget).all() and (best.budget < once.budget).any()


class Slope:
    """Scores that rise along every pixel: class 1 wins from a mean of `enough` on."""

    def __init__(self, enough):
        self.enough = enough

    def gradient(self, objective, images, classes, threshold):
        mean = images.mean(axis=(1, 2, 3))
        scores = np.stack([np.full_like(mean, self.enough), mean], axis=1)
        return scores, mean, np.ones_like(images)


def test_a_small_ball_is_tried_before_a_large_one():
    """Pixels of 0.5 must rise by 0.25 for class 1 to win: the ninth of ten budgets up to 0.3."""
    images, targets = np.full((2, 4, 4, 1), 0.5, np.float32), np.ones(2, np.int32)
    for kind, steps in (("fgsm", 9), ("bim", 8 * 3 + 2)):
        found = attacks.run(kind, Slope(0.75), images, targets, settings(EPSILON=0.3, MAX_ITERS=30), None)
        np.testing.assert_allclose(found.budget, 0.27, rtol=1e-6)
        np.testing.assert_array_equal(found.steps, steps)
        assert found.success.all() and (found.linf <= 0.27 + 1e-6).all()
        np.testing.assert_array_equal(found.success_rates([0.26, found.budget[0], 0.3]), [0, 1, 1])


def test_the_only_step_of_pgd_for_a_budget_is_that_budget():
    """From its random point, so that few images reach the border of the ball."""
    images, targets = np.full((2, 4, 4, 1), 0.5, np.float32), np.ones(2, np.int32)
    found = attacks.run("pgd", Slope(9), images, targets, settings(EPSILON=0.3, MAX_ITERS=1), THRESHOLD)
    # the stream is the one that older results come from
    start = np.random.default_rng(0).uniform(images - np.float32(0.3), images + np.float32(0.3))
    np.testing.assert_allclose(found.images, np.minimum(start + 0.3, 0.8), rtol=1e-5)
    assert found.images.min() < 0.75


def test_an_image_stops_at_its_first_success_and_moves_the_bar_by_one(attack, predictor, images, labels):
    moved = []
    everywhere = Ball("l2", images, np.float32(9))
    at_once = climb(predictor, objectives.length, everywhere, images, labels, 1, settings(), 9,
                    SimpleNamespace(update=moved.append))
    assert at_once.success.all() and not at_once.steps.any(), "it is the target already"
    np.testing.assert_array_equal(at_once.images, images)
    assert sum(moved) == len(images)
    more = attack("original", MAX_ITERS=12)
    n = np.flatnonzero(more.success & (more.steps > 1))[0]
    fewer = attack("original", MAX_ITERS=int(more.steps[n]) - 1)
    assert not fewer.success[n]


def test_a_seed_repeats_pgd_and_another_does_not(attack):
    first, again, other = (attack("pgd", MAX_ITERS=10, SEED=seed) for seed in (1, 1, 2))
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert (first.images != other.images).any()


def test_dead_gradients_end_cleanly(images):
    network = toy.network()
    network.digit_caps.W.assign(network.digit_caps.W * 0)  # all its scores and gradients are zero
    dead, classes = Predictor(network, toy.settings(), 8), np.ones(len(images), np.int32)
    for kind in KINDS:
        found = attacks.run(kind, dead, images, classes, settings(MAX_ITERS=99), threshold=100)
        assert not found.success.any() and not found.steps.any() and np.isfinite(found.images).all(), kind
        assert np.isinf(found.budget).all() and not found.success_rates([0, 1, 100]).any(), kind


@pytest.mark.parametrize("kind", ["fgsm", "bim"])
def test_fewer_steps_than_budgets_are_fewer_budgets(attack, kind):
    found = attack(kind, MAX_ITERS=4, TARGETED=False)
    np.testing.assert_allclose(found.tried, np.linspace(0, 0.2, 5), rtol=1e-6)
    assert (found.steps <= 4).all()


def test_targets_are_other_classes_by_the_seed():
    labels = np.arange(1000, dtype=np.int32) % 5
    targets = sampling.draw_goals(labels, 5, settings(SEED=3))
    further = np.random.default_rng([3, 4]).integers(1, 5, 1000)
    np.testing.assert_array_equal(targets, (labels + further) % 5)
    assert (targets != labels).all() and targets.dtype == labels.dtype
    np.testing.assert_array_equal(sampling.draw_goals(labels, 5, settings(TARGETED=False)), labels)
