"""Several networks under the same attacks, and checks that find a masked gradient."""
import json

import numpy as np
import pytest
import tensorflow as tf

import config
import registry
import toy
from data.dataset import Dataset, Split
from evaluation import sampling
from evaluation.attacking.steps import Climb
from evaluation.network.predictor import Gradient, Predictor
from evaluation.report import Report
from evaluation.robustness import compare as robustness
from evaluation.robustness import gradient_masking
from model.network import Network, Output
from settings import Config, InputError

TABLE = {**config.EVAL, **registry.settings("evaluation.modes")}


def settings(**changes):
    return Config(TABLE, {"EPSILON": 0.2, "EPSILON_L2": 2.0, "MAX_ITERS": 10, "TARGETED": False, "NUM_IMAGES": 24,
                          "RESTARTS": 1, **changes})


def predictor(seed):
    network = toy.network(PRIMARY_CAPS_CHANNELS=4)
    network.digit_caps.W.assign(np.random.default_rng(seed).normal(size=network.digit_caps.W.shape))
    return Predictor(network, toy.settings(), 8)


class Masked(Predictor):
    """A predictor whose gradients say nothing of the network."""

    def gradient(self, objective, images, classes, threshold=None):
        scores, value, gradient = super().gradient(objective, images, classes, threshold)
        return Gradient(scores, value, np.random.default_rng(0).normal(size=gradient.shape).astype(np.float32))


@pytest.fixture(scope="module")
def predictors():
    return {"one": predictor(1), "two": predictor(2)}


@pytest.fixture(scope="module")
def dataset(predictors):
    """Random images; their labels are what the first network says."""
    images = np.random.default_rng(0).integers(0, 256, (30, *toy.IMAGE_SHAPE), np.uint8)
    labels = np.zeros((30, 1), np.int32)
    labels[:] = predictors["one"].predict(images / np.float32(255), labels).predicted
    split = Split(images, labels)
    return Dataset("noise", split, split, split, tuple("abc"))


def compare(predictors, dataset, folder, **changes):
    cfg = settings(**changes)
    report = Report(folder, cfg)
    numbers, details = robustness.compare(predictors, dataset, cfg, report)
    report.close({"checkpoint": "", "trained_on": "", "evaluated_on": ""}, numbers, details)
    return numbers, json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def everything(predictors, dataset, tmp_path_factory):
    return compare(predictors, dataset, tmp_path_factory.mktemp("all"), ATTACK="all")


def test_the_table_has_every_attack_on_every_network(everything, predictors):
    numbers, results = everything
    assert set(results["attacks"]) == {row.title() for row in robustness.rows_of(settings(ATTACK="all"))}
    assert results["figures"] == ["success.png", "transfer.png", "corruptions.png"]
    for networks in results["attacks"].values():
        assert networks.keys() == predictors.keys()
        for found in networks.values():
            low, high = found["success_rate_interval"]
            assert low <= found["success_rate"] <= high and found["success_rates"][0] == 0
            assert found["success_rates"][-1] == pytest.approx(found["success_rate"]), "at the largest budget"
            assert found["undetected_success_rate"] <= found["success_rate"]
    assert any(found["success_rate"] > 0.3 for found in results["attacks"]["strong linf"].values())


def test_images_that_a_network_gets_wrong_are_not_attacked(everything, predictors, dataset):
    numbers, _ = everything
    images, labels = dataset.test.images / np.float32(255), dataset.test.labels
    right = [(one.predict(images, labels).predicted == labels)[:, 0] for one in predictors.values()]
    assert numbers["images"] == 24
    assert 0 < numbers["images_all_classify_right"] <= np.logical_and(*right).sum() < 30


def test_strong_is_at_least_as_good_as_every_attack_it_contains(everything):
    _, results = everything
    for name in ("one", "two"):
        rates = {attack: networks[name]["success_rate"] for attack, networks in results["attacks"].items()}
        assert rates["strong linf"] >= max(rates["pgd linf"], rates["vote linf"]) - 0.05
        assert rates["strong l2"] >= rates["pgd l2"] - 0.05


def test_a_hidden_success_is_not_detected(everything):
    _, results = everything
    for found in results["attacks"]["hidden linf"].values():
        assert found["detection_rate"] in (0, None)
        assert found["undetected_success_rate"] == found["success_rate"]


def test_the_original_attack_counts_in_l2_and_up_to_the_budget(predictors, dataset, tmp_path):
    """It has no budget of its own, and goes as far as it must."""
    _, results = compare(predictors, dataset, tmp_path, ATTACK="original", NORM="linf", EPSILON_L2=0.35, LR=0.1)
    found = results["attacks"]["original l2"]["one"]
    assert found["budgets"][-1] == pytest.approx(0.35) and found["success_rates"][-1] == found["success_rate"] > 0
    far = compare(predictors, dataset, tmp_path, ATTACK="original", EPSILON_L2=9.0, LR=0.1)[1]
    assert far["attacks"]["original l2"]["one"]["success_rate"] > found["success_rate"]


def test_transfer_is_measured_on_fresh_predictions(predictors, dataset):
    cfg = settings()
    _, sample = sampling.right_for_all(predictors, dataset, cfg)
    rates = gradient_masking.transfer(predictors, sample, cfg)
    made = gradient_masking.in_one_ball(predictors["one"], sample, cfg, cfg.EPSILON / 2, gradient_masking.STEPS,
                                        stop=False)
    assert np.abs(made.images - sample.images).max() <= cfg.EPSILON / 2 + 1e-6
    predicted = np.argmax(predictors["two"].network(made.images).scores, axis=1)
    assert rates[0, 1] == pytest.approx((predicted != sample.labels).mean())
    assert rates[0, 0] == pytest.approx(made.success.mean()) and rates[0, 0] > rates[0, 1]


def test_targeted_attacks_go_to_another_class_than_the_label(predictors, dataset, tmp_path):
    cfg = settings(TARGETED=True)
    _, sample = sampling.right_for_all(predictors, dataset, cfg)
    assert (sample.goals != sample.labels).all() and len(set(sample.goals)) == toy.CLASSES
    made = gradient_masking.in_one_ball(predictors["one"], sample, cfg, cfg.EPSILON / 2, gradient_masking.STEPS,
                                        stop=False)
    reached = [(np.argmax(predictors[name].network(made.images).scores, axis=1) == sample.goals).mean()
               for name in ("one", "two")]
    _, results = compare(predictors, dataset, tmp_path, ATTACK="pgd", TARGETED=True)
    assert results["transfer"][0] == pytest.approx(reached) and reached[0] > 0.3


def test_corruptions_begin_with_the_images_as_they_are(everything, predictors, dataset):
    _, results = everything
    accuracy = {name: found["accuracy"] for name, found in results["corruptions"]["noise"].items()}
    assert accuracy["one"][0] == 1 and accuracy["two"][0] < 1, "the labels are those of the first"
    assert len(accuracy["one"]) == 6 and min(accuracy["one"]) < 1


def test_the_checks_hold_for_a_plain_gradient(everything):
    numbers, results = everything
    assert results["checks"]["one"]["an_unbounded_attack_always_succeeds"]["holds"]
    assert numbers["one:_no_image_made_elsewhere_does_better"] == "holds"


class Flat(Predictor):
    """A predictor whose gradients are zero."""

    def gradient(self, objective, images, classes, threshold=None):
        scores, value, gradient = super().gradient(objective, images, classes, threshold)
        return Gradient(scores, value, np.zeros_like(gradient))


def test_a_gradient_of_zero_is_found(predictors, dataset):
    """Without other networks, too: then no check speaks of them."""
    flat, cfg = Flat(predictors["one"].network, toy.settings(), 8), settings()
    _, sample = sampling.right_for_all({"flat": flat}, dataset, cfg)
    found = gradient_masking.check(flat, sample, cfg, 0, np.array([]))
    unbounded = found["an_unbounded_attack_always_succeeds"]
    assert unbounded["success_rates"][0] < 0.5 and not unbounded["holds"]
    assert "no_image_made_elsewhere_does_better" not in found


def test_a_success_rate_that_falls_fails():
    assert gradient_masking.never_falls([0.1, 0.5, 0.49, 0.9])
    assert not gradient_masking.never_falls([0.1, 0.5, 0.4, 0.9])
    assert not gradient_masking.never_falls([0.9, 0.885, 0.87]), "little by little"


def test_the_checks_grow_the_budget_and_then_the_steps(monkeypatch):
    asked = []

    def in_one_ball(predictor, sample, cfg, radius, steps):
        asked.append((radius, steps))
        return Climb(None, np.arange(10) < 10 * radius + (steps == 10), None)

    monkeypatch.setattr(gradient_masking, "in_one_ball", in_one_ball)
    sample = sampling.Shared(*np.zeros((3, 10)))
    found = gradient_masking.check(None, sample, settings(EPSILON=0.8), 0.5, np.array([0.4, 0.53]))
    assert asked == [(0.1, 20), (0.2, 20), (0.4, 20), (0.8, 20), (0.2, 5), (0.2, 10), (0.2, 40), (1, 40)]
    assert found["a_larger_budget_never_does_worse"] == {"success_rates": [0.1, 0.2, 0.4, 0.8], "holds": True}
    assert found["more_steps_never_do_worse"] == {"success_rates": [0.2, 0.3, 0.2, 0.2], "holds": False}
    assert found["an_unbounded_attack_always_succeeds"] == {"success_rates": [1.0], "holds": True}
    assert found["no_image_made_elsewhere_does_better"] == {"success_rates": [0.5, 0.4, 0.53], "holds": False}


def test_the_median_distance_is_over_all_images(everything):
    _, results = everything
    for networks in results["attacks"].values():
        for found in networks.values():
            assert (found["median_distance"] is None) == (found["success_rate"] <= 0.5)


def test_a_masked_gradient_is_found(predictors, dataset):
    """It looks robust; images made with the true gradient, of the same network, do better."""
    masked = Masked(predictors["one"].network, toy.settings(), 8)
    both, cfg = {"masked": masked, "plain": predictors["one"]}, settings()
    _, sample = sampling.right_for_all(both, dataset, cfg)
    rates = gradient_masking.transfer(both, sample, cfg)
    found = gradient_masking.check(masked, sample, cfg, rates[0, 0], rates[1:, 0])
    assert not found["no_image_made_elsewhere_does_better"]["holds"]
    assert rates[0, 0] < rates[1, 0]


class Plain(Network):
    """Without capsules."""

    def __init__(self):
        super().__init__(toy.IMAGE_SHAPE, toy.CLASSES)
        self.flat, self.scores = tf.keras.layers.Flatten(), tf.keras.layers.Dense(toy.CLASSES)
        self.make_variables()

    def call(self, images, labels=None, training=False):
        return Output(self.scores(self.flat(images)))


def test_a_network_without_capsules_is_left_out_where_they_are_needed(predictors, dataset, tmp_path):
    plain = Predictor(Plain(), toy.settings(), 8)
    both = {"caps": predictors["one"], "plain": plain}
    _, results = compare(both, dataset, tmp_path / "vote", ATTACK="vote")
    assert results["attacks"]["vote linf"].keys() == {"caps"}
    assert results["detection_thresholds"].keys() == {"caps"}
    with pytest.raises(InputError, match="--attack vote: expected a network with routing, received only networks"):
        compare({"a": plain, "b": plain}, dataset, tmp_path / "none", ATTACK="vote")
