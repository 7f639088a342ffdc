"""The attacks, against finite differences, their own bounds and fresh predictions."""
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import config
import registry
import toy
from data.dataset import stream
from evaluation import attacks, sampling
from evaluation.attacking.balls import BALLS
from evaluation.attacking.budgets import climb_in_growing_balls
from evaluation.attacking.steps import climb, success_curve
from evaluation.modes import adversarial
from evaluation.network.predictor import Gradient, Predictor
from evaluation.robustness.detection import reconstruction_distance
from model.capsules import length, squash
from settings import Config

KINDS = "original", "fgsm", "bim", "pgd", "vote", "hidden", "strong"
THRESHOLD = 5.058   # of the detector: half of the reconstructions of the random images are nearer
EPSILON = 0.2


def settings(**changes):
    table = {**config.EVAL, **registry.settings("evaluation.modes")}
    return Config(table, {"EPSILON": EPSILON, "LR": 0.5, "MAX_ITERS": 12, **changes})


@pytest.fixture(scope="module")
def network():
    """With decision boundaries among the images: the weights as drawn hardly react to an image."""
    network = toy.network(PRIMARY_CAPS_CHANNELS=4)
    network.digit_caps.W.assign(network.digit_caps.W * 8)
    return network


@pytest.fixture(scope="module")
def predictor(network):
    return Predictor(network, toy.settings(), 8)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((20, *toy.IMAGE_SHAPE), np.float32)


@pytest.fixture(scope="module")
def labels(network, images):
    return np.argmax(network(images).scores, axis=1).astype(np.int32)


def goals(labels, targeted):
    return (labels + 1) % toy.CLASSES if targeted else labels


def test_an_attack_is_found_by_its_file(predictor, images, labels):
    assert set(KINDS) <= set(registry.names("evaluation.attacks")), "there may be more"
    assert adversarial.SETTINGS["ATTACK"].rule.words == f"one of {', '.join(adversarial.ATTACKS)}, all"
    for name in ("LR", "RESTARTS"):
        assert adversarial.SETTINGS[name].help.startswith("adversarial")


@pytest.mark.parametrize("change, words", [({"images": -0.01}, r"expected pixels in \[0, 1\], received others"),
                                           ({"images": np.nan}, r"expected pixels in \[0, 1\]"),
                                           ({"norm": "L2"}, "expected budgets in the norm L-infinity, received L2")])
def test_an_attack_that_breaks_the_rules_is_an_error(monkeypatch, predictor, images, labels, change, words):
    change, cfg = {**change, "images": np.full_like(images, change.get("images", 0.5))}, settings(TARGETED=False)
    found = attacks.run("fgsm", predictor, images, labels, cfg, None)
    mine = SimpleNamespace(attack=lambda *given: found._replace(**change))
    monkeypatch.setattr(registry, "module", lambda folder, name: mine)
    with pytest.raises(ValueError, match=f"attack mine: {words}"):
        attacks.run("mine", predictor, images, labels, cfg, None)


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
    return {"margin": margin, "towards_hidden": np.minimum(margin, 1 - distance / THRESHOLD),
            "away_hidden": np.maximum(margin, distance / THRESHOLD - 1)}[objective]


@pytest.mark.parametrize("objective, threshold", [
    ("length", None), ("margin", None), ("log_probability", None), ("unrouted_margin", None),
    ("towards_hidden", THRESHOLD), ("away_hidden", THRESHOLD)])
def test_an_objective_is_its_formula_and_its_gradient_equals_finite_differences(network, predictor, images, objective,
                                                                                threshold):
    classes, step = np.arange(9, dtype=np.int32) % toy.CLASSES, 1e-2
    scores, value, gradient = predictor.gradient(objective, images[:9], classes, threshold)
    np.testing.assert_allclose(scores, network(images[:9]).scores, atol=1e-6)
    np.testing.assert_allclose(value, oracle(network, objective, images[:9], classes), rtol=1e-3, atol=1e-6)

    directions = np.random.default_rng(1).normal(size=images[:9].shape).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=(1, 2), keepdims=True)
    ahead = oracle(network, objective, images[:9] + step * directions, classes)
    behind = oracle(network, objective, images[:9] - step * directions, classes)
    found = (ahead - behind) / (2 * step)
    tolerance = 0.02 * np.linalg.norm(gradient.reshape(9, -1), axis=1)
    assert (np.abs((gradient * directions).sum(axis=(1, 2, 3)) - found) < tolerance).all()


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_an_attack_keeps_its_bounds_and_its_flag_is_a_fresh_prediction(network, predictor, images,
                                                                       labels, kind, targeted):
    classes = goals(labels, targeted)
    most = 12 if kind == "original" else 23
    cfg = settings(TARGETED=targeted, MAX_ITERS=most, SEED=3)
    found = attacks.run(kind, predictor, images, classes, cfg, THRESHOLD)
    assert found.images.min() >= 0 and found.images.max() <= 1
    output = network(found.images)
    predicted = np.argmax(output.scores, axis=1)
    reached = predicted == classes if targeted else predicted != classes
    if kind == "hidden":
        reached &= reconstruction_distance(found.images, output.reconstruction.numpy()[:, 0]) < THRESHOLD
    np.testing.assert_array_equal(found.success, reached)
    assert found.success.any(), "otherwise this test says little"
    difference = (found.images - images).reshape(len(images), -1)
    np.testing.assert_allclose(found.l2, np.linalg.norm(difference, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.linf, np.abs(difference).max(axis=1))
    assert (found.steps <= most * (6 if kind == "strong" else 1)).all(), "three objectives from two points"
    np.testing.assert_array_equal(np.isfinite(found.budget), found.success)
    assert found.tried[0] == 0 and (np.diff(found.tried) > 0).all()
    if kind == "original":
        assert found.norm == "L2" and found.tried[-1] >= found.l2[found.success].max()
        assert (found.l2 <= found.steps * 0.5 + 1e-5).all(), "a step has at most the length --lr"
        np.testing.assert_allclose(found.budget[found.success], found.l2[found.success])
    else:
        assert found.norm == "L-infinity" and found.tried[-1] == pytest.approx(EPSILON)
        assert found.linf.max() <= EPSILON + 1e-6
        assert (found.linf[found.success] <= found.budget[found.success] + 1e-6).all()


def test_an_attack_that_knows_one_norm_gets_it_in_its_settings(monkeypatch, predictor, images, labels):
    """So that one file with NORM and a climb in growing balls is all that such an attack needs."""
    def attack(predictor, images, classes, cfg, threshold, title=None):
        return climb_in_growing_balls(predictor, images, classes, cfg, title)

    cfg, mine = settings(TARGETED=False), SimpleNamespace(NORM="l2", attack=attack)
    assert cfg.NORM == "linf"
    monkeypatch.setattr(registry, "module", lambda folder, name: mine)
    assert attacks.run("mine", predictor, images, labels, cfg, None).norm == "L2"


def test_the_first_step_of_the_original_follows_the_normalised_gradient(predictor, images, labels):
    targets = goals(labels, True)
    _, _, gradient = predictor.gradient("length", images, targets)
    found = attacks.run("original", predictor, images, targets, settings(LR=0.1, MAX_ITERS=1), THRESHOLD)
    norm = np.sqrt(np.square(gradient).sum(axis=(1, 2, 3), keepdims=True))
    expected = np.clip(images + 0.1 * gradient / norm, 0, 1)
    np.testing.assert_allclose(found.images, expected, atol=1e-6)


def test_fgsm_steps_along_the_signs_with_the_whole_budget(predictor, images, labels):
    _, _, gradient = predictor.gradient("margin", images, labels)
    cfg = settings(EPSILON=1e-4, MAX_ITERS=1, TARGETED=False)
    found = attacks.run("fgsm", predictor, images, labels, cfg, THRESHOLD)
    expected = np.clip(images - 1e-4 * np.sign(gradient), 0, 1)
    np.testing.assert_allclose(found.images, expected, atol=1e-7)


def test_bim_steps_as_far_as_its_share_of_two_and_a_half_budgets(predictor, images, labels):
    """Twenty steps for ten budgets: the first of two is 1.25 budgets, clipped to the ball."""
    cfg = settings(EPSILON=1e-4, MAX_ITERS=40, TARGETED=False)
    _, _, gradient = predictor.gradient("margin", images, labels)
    found = attacks.run("bim", predictor, images, labels, cfg, THRESHOLD)
    assert (found.steps == 40).all(), "four steps for each of ten budgets, none of which is enough"
    # The gradient hardly changes so near: four steps of 0.625 budgets end at the border.
    expected = np.clip(images - 1e-4 * np.sign(gradient), 0, 1)
    assert (np.abs(found.images - expected) < 1e-7).mean() > 0.97


@pytest.mark.parametrize("kind", ["fgsm", "pgd", "vote", "strong"])
def test_an_attack_in_l2_keeps_to_its_ball(predictor, images, labels, kind):
    cfg = settings(NORM="l2", EPSILON_L2=2.0, MAX_ITERS=20, TARGETED=False)
    found = attacks.run(kind, predictor, images, labels, cfg, THRESHOLD)
    assert found.norm == "L2" and found.tried[-1] == 2 and found.success.any()
    assert found.images.min() >= 0 and found.images.max() <= 1
    assert (found.l2 <= 2 + 1e-5).all() and found.l2.max() > 0.2
    assert (found.l2[found.success] <= found.budget[found.success] + 1e-5).all()


@pytest.mark.parametrize("norm", BALLS)
def test_a_step_is_as_long_as_it_says_and_ends_at_the_border(norm):
    random = np.random.default_rng(0)
    natural = random.uniform(0.4, 0.6, (3, 4, 4, 1)).astype(np.float32)
    gradient, active = random.normal(size=natural.shape).astype(np.float32), np.arange(3)
    ball = BALLS[norm](natural, np.float32(0.2))

    def length(images):
        change = (images - natural).reshape(3, -1)
        return np.abs(change).max(axis=1) if norm == "linf" else np.linalg.norm(change, axis=1)

    for step, expected in ((0.05, 0.05), (-0.05, 0.05), (7.0, 0.2)):
        moved = ball.moved(natural, gradient, np.float32(step), active)
        np.testing.assert_allclose(length(moved), expected, rtol=1e-5)
        assert (np.sign((moved - natural) * gradient * step) >= 0).all(), "along the gradient"
    starts = np.array([length(ball.somewhere(random)) for _ in range(50)])
    assert starts.max() <= 0.2 + 1e-6 and starts.min() > 0.1, "in 16 dimensions few points are near the middle"
    only_last = ball.moved(natural[2:], gradient[2:], np.float32(7), active[2:])
    np.testing.assert_array_equal(only_last[0], ball.moved(natural, gradient, np.float32(7), active)[2])


def test_strong_is_never_worse_than_pgd_with_its_first_start(predictor, images, labels):
    cfg = settings(MAX_ITERS=20, EPSILON=0.05, TARGETED=False)
    once = attacks.run("pgd", predictor, images, labels, cfg, THRESHOLD)
    best = attacks.run("strong", predictor, images, labels, cfg, THRESHOLD)
    assert (best.budget <= once.budget).all() and (best.budget < once.budget).any()


class Slope:
    """Scores that rise along every pixel: class 1 wins from a mean of `enough` on."""

    def __init__(self, enough):
        self.enough = enough

    def gradient(self, objective, images, classes, threshold):
        mean = images.mean(axis=(1, 2, 3))
        scores = np.stack([np.full_like(mean, self.enough), mean], axis=1)
        return Gradient(scores, mean, np.ones_like(images))


def test_a_small_ball_is_tried_before_a_large_one():
    """Pixels of 0.5 must rise by 0.25 for class 1 to win: the ninth of ten budgets up to 0.3."""
    images, targets = np.full((2, 4, 4, 1), 0.5, np.float32), np.ones(2, np.int32)
    cfg = settings(EPSILON=0.3, MAX_ITERS=30)
    for attack, steps in (("fgsm", 9), ("bim", 8 * 3 + 2)):
        found = attacks.run(attack, Slope(0.75), images, targets, cfg, None)
        np.testing.assert_allclose(found.budget, 0.27, rtol=1e-6)
        np.testing.assert_array_equal(found.steps, steps)
        assert found.success.all() and (found.linf <= 0.27 + 1e-6).all()
        budget = found.budget[0]
        np.testing.assert_array_equal(success_curve(found, [0.26, budget, 0.3]), [0, 1, 1])


def test_the_only_step_of_pgd_for_a_budget_is_that_budget():
    """From its random point, so that few images reach the border of the ball."""
    images, targets = np.full((2, 4, 4, 1), 0.5, np.float32), np.ones(2, np.int32)
    found = attacks.run("pgd", Slope(9), images, targets, settings(EPSILON=0.3, MAX_ITERS=1), THRESHOLD)
    start = stream(0, "attack").uniform(images - np.float32(0.3), images + np.float32(0.3))
    np.testing.assert_allclose(found.images, np.minimum(start + 0.3, 0.8), rtol=1e-5)
    assert found.images.min() < 0.75


def test_an_image_stops_at_its_first_success(predictor, images, labels):
    at_once = attacks.run("original", predictor, images, labels, settings(MAX_ITERS=9), THRESHOLD)
    assert at_once.success.all() and not at_once.steps.any(), "it is the target already"
    np.testing.assert_array_equal(at_once.images, images)
    targets = goals(labels, True)
    more = attacks.run("original", predictor, images, targets, settings(MAX_ITERS=12), THRESHOLD)
    n = np.flatnonzero(more.success & (more.steps > 1))[0]
    fewer = attacks.run("original", predictor, images, targets, settings(MAX_ITERS=int(more.steps[n]) - 1), THRESHOLD)
    assert not fewer.success[n]


def test_each_success_moves_the_bar_by_one(predictor, images, labels):
    class Bar:
        count = 0

        def update(self, count):
            self.count += count

    def stay(x, gradient, active):
        return x

    bar = Bar()
    found = climb(predictor, "length", images, labels, True, stay, 1, bar)
    assert bar.count == len(images) == found.success.sum()


def test_a_seed_repeats_pgd_and_another_does_not(predictor, images, labels):
    def run(seed):
        cfg = settings(MAX_ITERS=10, SEED=seed)
        return attacks.run("pgd", predictor, images, goals(labels, True), cfg, THRESHOLD)

    first = run(1)
    for one, other in zip(first, run(1), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first.images != run(2).images).any()


def test_the_random_stream_of_attacks_is_the_one_that_older_results_come_from():
    assert stream(5, "attack").random() == np.random.default_rng(5).random()


@pytest.fixture(scope="module")
def dead():
    """All its scores and gradients are zero."""
    network = toy.network()
    network.digit_caps.W.assign(network.digit_caps.W * 0)
    return Predictor(network, toy.settings(), 8)


@pytest.mark.parametrize("kind", KINDS)
def test_dead_gradients_end_cleanly(dead, images, kind):
    classes = np.ones(len(images), np.int32)
    found = attacks.run(kind, dead, images, classes, settings(MAX_ITERS=99), threshold=100)
    assert not found.success.any() and not found.steps.any() and np.isfinite(found.images).all()
    assert np.isinf(found.budget).all()
    np.testing.assert_array_equal(success_curve(found, [0, 1, 100]), 0)


def test_the_success_curve_counts_needed_budgets(predictor, images, labels):
    cfg = settings(MAX_ITERS=20, TARGETED=False)
    found = attacks.run("bim", predictor, images, labels, cfg, THRESHOLD)
    np.testing.assert_allclose(found.tried, np.linspace(0, 0.2, 11), rtol=1e-6)
    curve = success_curve(found, found.tried)
    assert curve[0] == 0 and (np.diff(curve) >= 0).all() and curve[-1] == found.success.mean()


def test_fewer_steps_than_budgets_are_fewer_budgets(predictor, images, labels):
    cfg = settings(MAX_ITERS=4, TARGETED=False)
    for attack in ("fgsm", "bim"):
        found = attacks.run(attack, predictor, images, labels, cfg, THRESHOLD)
        np.testing.assert_allclose(found.tried, np.linspace(0, 0.2, 5), rtol=1e-6)
        assert (found.steps <= 4).all()


def test_targets_are_other_classes_by_the_seed():
    labels = np.arange(1000, dtype=np.int32) % 5
    targets = sampling.draw_targets(labels, 5, seed=3)
    further = np.random.default_rng([3, 4]).integers(1, 5, 1000)
    np.testing.assert_array_equal(targets, (labels + further) % 5)
    assert (targets != labels).all() and targets.dtype == labels.dtype
