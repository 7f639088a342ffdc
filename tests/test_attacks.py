"""The attacks, against finite differences, their own bounds and fresh predictions."""
import numpy as np
import pytest
from scipy import stats

import attacks
import probes
import toy

KINDS = "original", "fgsm", "bim", "pgd"
EPSILON = 0.2


@pytest.fixture(scope="module")
def model():
    """With decision boundaries among the images: the weights as drawn hardly react to an image."""
    model = toy.network(PRIMARY_CAPS_CHANNELS=4)
    model.digit_caps.W.assign(model.digit_caps.W * 8)
    return model


@pytest.fixture(scope="module")
def network(model):
    return probes.Network(model, toy.settings(), 8)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((20, *toy.IMAGE_SHAPE), np.float32)


@pytest.fixture(scope="module")
def labels(model, images):
    return np.argmax(model(images).lengths, axis=1).astype(np.int32)


def goals(labels, targeted):
    return (labels + 1) % toy.CLASSES if targeted else labels


@pytest.mark.parametrize("objective", [probes.length_of, probes.lead_of])
def test_gradient_equals_finite_differences(model, network, images, objective):
    classes, step = np.arange(9, dtype=np.int32) % toy.CLASSES, 1e-2
    lengths, gradient = network.gradient(objective, images[:9], classes)
    np.testing.assert_allclose(lengths, model(images[:9]).lengths, atol=1e-6)
    directions = np.random.default_rng(1).normal(size=images[:9].shape).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=(1, 2), keepdims=True)

    def values(images):
        lengths, mine = np.array(model(images).lengths), np.eye(toy.CLASSES)[classes] > 0
        others = lengths[~mine].reshape(9, -1).max(axis=1) if objective is probes.lead_of else 0
        return lengths[mine] - others

    found = (values(images[:9] + step * directions) - values(images[:9] - step * directions)) / (2 * step)
    tolerance = 0.02 * np.linalg.norm(gradient.reshape(9, -1), axis=1)
    assert (np.abs((gradient * directions).sum(axis=(1, 2, 3)) - found) < tolerance).all()


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_an_attack_keeps_its_bounds_and_its_flag_is_a_fresh_prediction(model, network, images, labels, kind, targeted):
    classes = goals(labels, targeted)
    size, most = (0.5, 12) if kind == "original" else (EPSILON, 23)
    found = attacks.attack(network, kind, images, classes, targeted, size, most, seed=3)
    assert found.images.min() >= 0 and found.images.max() <= 1
    predicted = np.argmax(model(found.images).lengths, axis=1)
    np.testing.assert_array_equal(found.success, predicted == classes if targeted else predicted != classes)
    assert found.success.any(), "else this test says little"
    difference = (found.images - images).reshape(len(images), -1)
    np.testing.assert_allclose(found.l2, np.linalg.norm(difference, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.linf, np.abs(difference).max(axis=1))
    assert (found.steps <= most).all()
    np.testing.assert_array_equal(np.isfinite(found.budget), found.success)
    if kind == "original":
        assert (found.l2 <= found.steps * size + 1e-5).all(), "a step has at most the length --lr"
        np.testing.assert_allclose(found.budget[found.success], found.l2[found.success])
    else:
        assert found.linf.max() <= EPSILON + 1e-6
        assert (found.linf[found.success] <= found.budget[found.success] + 1e-6).all()


def test_the_first_step_of_the_original_follows_the_normalised_gradient(network, images, labels):
    targets = goals(labels, True)
    _, gradient = network.gradient(probes.length_of, images, targets)
    found = attacks.attack(network, "original", images, targets, True, 0.1, 1, seed=0)
    norm = np.sqrt(np.square(gradient).sum(axis=(1, 2, 3), keepdims=True))
    np.testing.assert_allclose(found.images, np.clip(images + 0.1 * gradient / norm, 0, 1), atol=1e-6)


def test_fgsm_steps_along_the_signs_with_the_whole_budget(network, images, labels):
    _, gradient = network.gradient(probes.lead_of, images, labels)
    found = attacks.attack(network, "fgsm", images, labels, False, 1e-4, 1, seed=0)
    np.testing.assert_allclose(found.images, np.clip(images - 1e-4 * np.sign(gradient), 0, 1), atol=1e-7)


def test_an_image_stops_at_its_first_success(network, images, labels):
    at_once = attacks.attack(network, "original", images, goals(labels, False), True, 0.5, 9, seed=0)
    assert at_once.success.all() and not at_once.steps.any(), "it is the target already"
    np.testing.assert_array_equal(at_once.images, images)
    targets = goals(labels, True)
    more = attacks.attack(network, "original", images, targets, True, 0.5, 12, seed=0)
    n = np.flatnonzero(more.success & (more.steps > 1))[0]
    fewer = attacks.attack(network, "original", images, targets, True, 0.5, int(more.steps[n]) - 1, seed=0)
    assert not fewer.success[n]


def test_a_seed_repeats_pgd_and_another_does_not(network, images, labels):
    def run(seed):
        return attacks.attack(network, "pgd", images, goals(labels, True), True, EPSILON, 10, seed)

    first = run(1)
    for one, other in zip(first, run(1), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first.images != run(2).images).any()


@pytest.mark.parametrize("kind", KINDS)
def test_dead_gradients_end_cleanly(images, kind):
    model = toy.network()
    model.digit_caps.W.assign(model.digit_caps.W * 0)
    network = probes.Network(model, toy.settings(), 8)
    found = attacks.attack(network, kind, images, np.ones(len(images), np.int32), True, 0.3, 99, seed=0)
    assert not found.success.any() and not found.steps.any() and np.isfinite(found.images).all()
    assert np.isinf(found.budget).all()
    np.testing.assert_array_equal(attacks.success_curve(found, [0, 1, 100]), 0)


def test_success_curve_counts_needed_budgets(network, images, labels):
    found = attacks.attack(network, "bim", images, labels, False, EPSILON, 20, seed=0)
    tried = attacks.budgets(EPSILON, 20)
    np.testing.assert_allclose(tried, np.linspace(0.02, 0.2, 10), rtol=1e-6)
    curve = attacks.success_curve(found, np.append(0, tried))
    assert curve[0] == 0 and (np.diff(curve) >= 0).all() and curve[-1] == found.success.mean()


def test_class_table_is_the_mean_per_pair():
    table = attacks.class_table(np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([2.0, 4.0, 7.0]), 2)
    np.testing.assert_array_equal(table, [[np.nan, 3], [7, np.nan]])


@pytest.mark.parametrize("count, flagged", [(100, 5), (2000, 100), (10, 0), (30, 1)])
def test_the_threshold_flags_five_per_cent_of_the_set_that_made_it(count, flagged):
    distances = np.random.default_rng(0).random(count)
    assert (distances > attacks.threshold(distances)).sum() == flagged


def test_roc_area_equals_mann_whitney():
    random = np.random.default_rng(0)
    natural, adversarial = random.integers(0, 30, 50).astype(float), random.integers(10, 40, 40).astype(float)
    expected = stats.mannwhitneyu(adversarial, natural).statistic / (50 * 40)
    assert attacks.roc_area(natural, adversarial) == pytest.approx(expected)
    assert np.isnan(attacks.roc_area(natural, natural[:0]))


def test_reconstruction_distance():
    images = np.zeros((2, 3, 4, 1))
    np.testing.assert_allclose(attacks.reconstruction_distance(images, images + 0.5), np.sqrt(12 * 0.25))
