"""Several networks under the same attacks, and checks that find a masked gradient."""
import json
from types import SimpleNamespace

import numpy as np
import pytest

import config
import toy
from data.dataset import Dataset, Split
from evaluation import attacks, sampling
from evaluation.attacking.engine import Climb
from evaluation.modes import adversarial
from evaluation.network.predictor import Predictor
from evaluation.report import Report
from evaluation.robustness import gradient_masking
from evaluation.robustness.compare import attacks_of, try_attack
from settings import Config, InputError


def settings(**changes):
    return Config(config.EVAL_ALL, {"EPSILON": 0.2, "EPSILON_L2": 2.0, "MAX_ITERS": 10, "TARGETED": False,
                                    "NUM_IMAGES": 24, "RESTARTS": 1, **changes})


def predictor(seed):
    network = toy.network(PRIMARY_CAPS_CHANNELS=4)
    network.digit_caps.W.assign(np.random.default_rng(seed).normal(size=network.digit_caps.W.shape))
    return Predictor(network, toy.settings(), 8)


class Replaced(Predictor):
    """A predictor whose gradients are replaced: by noise, or by zeros."""

    def __init__(self, network, scale):
        super().__init__(network, toy.settings(), 8)
        self.scale = scale

    def gradient(self, objective, images, classes, threshold=None):
        scores, value, gradient = super().gradient(objective, images, classes, threshold)
        noise = self.scale * np.random.default_rng(0).normal(size=gradient.shape)
        return scores, value, noise.astype(np.float32)


@pytest.fixture(scope="module")
def predictors():
    return {"one": predictor(1), "two": predictor(2)}


@pytest.fixture(scope="module")
def dataset(predictors):
    """Random images; their labels are what the first network says."""
    images = np.random.default_rng(0).integers(0, 256, (30, *toy.IMAGE_SHAPE), np.uint8)
    labels = predictors["one"].predict(images / np.float32(255)).predicted
    split = Split(images, labels)
    return Dataset("noise", split, split, split, tuple("abc"))


def compare(predictors, dataset, folder, **changes):
    cfg = settings(**changes)
    report = Report(folder, cfg)
    numbers, details = adversarial.run(predictors, dataset, cfg, report)
    report.close({"checkpoint": "", "trained_on": "", "evaluated_on": ""}, numbers, details)
    return numbers, json.loads((folder / "results.json").read_text())


def shared(predictors, dataset, cfg):
    images, labels = dataset.test.images / np.float32(255), dataset.test.labels[:, 0]
    return sampling.correct_for_all(predictors, images, labels, dataset.classes, cfg)


@pytest.fixture(scope="module")
def everything(predictors, dataset, tmp_path_factory):
    return compare(predictors, dataset, tmp_path_factory.mktemp("all"), ATTACK="all")


def test_the_table_has_every_attack_on_every_network(everything, predictors):
    numbers, results = everything
    assert set(results["attacks"]) == {" ".join(row) for row in attacks_of(settings(ATTACK="all"))}
    assert results["figures"] == ["success.png", "transfer.png", "corruptions.png"]
    for attack, networks in results["attacks"].items():
        assert networks.keys() == predictors.keys()
        for name, found in networks.items():
            low, high = found["success_rate_interval"]
            assert low <= found["success_rate"] <= high and found["success_rates"][0] == 0
            assert found["success_rates"][-1] == pytest.approx(found["success_rate"]), "at the largest budget"
            assert found["undetected_success_rate"] <= found["success_rate"]
            assert numbers[name][f"{attack}_success_rate"] == found["success_rate"]
    assert any(found["success_rate"] > 0.3 for found in results["attacks"]["strong linf"].values())

    # strong is at least as good as what it contains, and hidden is not detected
    for name in predictors:
        rates = {attack: networks[name]["success_rate"] for attack, networks in results["attacks"].items()}
        assert rates["strong linf"] >= max(rates["pgd linf"], rates["vote linf"]) - 0.05
        assert rates["strong l2"] >= rates["pgd l2"] - 0.05
        hidden = results["attacks"]["hidden linf"][name]
        assert hidden["detection_rate"] in (0, None)
        assert hidden["undetected_success_rate"] == hidden["success_rate"]

    # corruptions begin with the images as they are, and a plain gradient holds
    accuracy = {name: found["accuracy"] for name, found in results["corruptions"]["noise"].items()}
    assert accuracy["one"][0] == 1 and accuracy["two"][0] < 1, "the labels are those of the first"
    assert len(accuracy["one"]) == 6 and min(accuracy["one"]) < 1
    assert results["checks"]["one"]["an_unbounded_attack_always_succeeds"]["holds"]
    assert numbers["one"]["no_image_made_elsewhere_does_better"] == "holds"
    elsewhere = results["checks"]["one"]["no_image_made_elsewhere_does_better"]["success_rates"]
    assert elsewhere == [source[0] for source in results["transfer"]]
    assert results["transfer"][0][1] != results["transfer"][1][0], "otherwise this test says little"


def test_images_that_a_network_misclassifies_are_not_attacked(everything, predictors, dataset):
    numbers, _ = everything
    images, labels = dataset.test.images / np.float32(255), dataset.test.labels
    correct = [(one.predict(images).predicted == labels)[:, 0] for one in predictors.values()]
    assert numbers["images"] == 24
    assert 0 < numbers["images_all_classify_right"] <= np.logical_and(*correct).sum() < 30
    wrong = dataset.test._replace(labels=(labels + 1) % toy.CLASSES)
    with pytest.raises(InputError, match="^--ckpt: expected networks .* received none of 30"):
        shared({"one": predictors["one"]}, Dataset("noise", wrong, wrong, wrong, tuple("abc")), settings())


def test_the_original_attack_counts_in_l2_and_up_to_the_budget(predictors, dataset):
    """It has no budget of its own, and goes as far as it must."""
    sample = shared(predictors, dataset, settings())
    near, far = (try_attack("original", predictors["one"], sample, settings(EPSILON_L2=most, LR=0.1, NORM="l2"), None,
                            "") for most in (0.35, 9.0))
    assert near["budgets"][-1] == pytest.approx(0.35) and near["success_rates"][-1] == near["success_rate"] > 0
    assert far["success_rate"] > near["success_rate"]


def test_a_success_at_the_largest_budget_counts_and_one_beyond_does_not(predictors, dataset, monkeypatch):
    sample, cfg = shared(predictors, dataset, settings()), settings(EPSILON=0.5)
    budget = np.full(len(sample.labels), np.inf)
    budget[:3] = 0.5, 0.25, 0.6
    attacked = SimpleNamespace(budget=budget, success_rates=lambda budgets: [])
    monkeypatch.setattr(attacks, "run", lambda *_: attacked)
    found = try_attack("pgd", None, sample, cfg, None, "")
    assert found["success_rate"] == 2 / len(budget)


@pytest.mark.parametrize("targeted", [False, True])
def test_transfer_is_measured_on_fresh_predictions(predictors, dataset, targeted):
    cfg = settings(TARGETED=targeted)
    sample = shared(predictors, dataset, cfg)
    assert ((sample.goals != sample.labels) == targeted).all()
    rates = gradient_masking.transfer(predictors, sample, cfg)
    made = gradient_masking.in_one_ball(predictors["one"], sample, cfg, cfg.EPSILON / 2, gradient_masking.STEPS,
                                        stop=False)
    assert np.abs(made.images - sample.images).max() <= cfg.EPSILON / 2 + 1e-6
    assert (made.steps == gradient_masking.STEPS).all(), "also after a success"
    for rate, target in zip(rates[0], predictors.values(), strict=True):
        predicted = np.argmax(target.network(made.images).scores, axis=1)
        assert rate == pytest.approx(((predicted == sample.goals) == targeted).mean())
    assert rates[0, 0] == pytest.approx(made.success.mean()) and rates[0, 0] > rates[0, 1]


def test_a_masked_gradient_is_found(predictors, dataset):
    """It looks robust; images made with the true gradient, of the same network, do better."""
    masked, cfg = Replaced(predictors["one"].network, 1), settings()
    both = {"masked": masked, "plain": predictors["one"]}
    sample = shared(both, dataset, cfg)
    rates = gradient_masking.transfer(both, sample, cfg)
    found = gradient_masking.check(masked, sample, cfg, rates[0, 0], rates[1:, 0])
    assert not found["no_image_made_elsewhere_does_better"]["holds"]
    assert rates[0, 0] < rates[1, 0]
    # without other networks no check speaks of them
    found = gradient_masking.check(Replaced(predictors["one"].network, 0), sample, cfg, 0, np.array([]))
    unbounded = found["an_unbounded_attack_always_succeeds"]
    assert unbounded["success_rates"][0] < 0.5 and not unbounded["holds"], "a gradient of zero"
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
    assert found == {
        "a_larger_budget_never_does_worse": {"success_rates": [0.1, 0.2, 0.4, 0.8], "holds": True},
        "more_steps_never_do_worse": {"success_rates": [0.2, 0.3, 0.2, 0.2], "holds": False},
        "an_unbounded_attack_always_succeeds": {"success_rates": [1.0], "holds": True},
        "no_image_made_elsewhere_does_better": {"success_rates": [0.5, 0.4, 0.53], "holds": False}}


def test_a_network_without_capsules_is_left_out_where_they_are_needed(predictors, dataset, tmp_path, small_cnn):
    plain = Predictor(toy.network(MODEL="cnn", CNN_LAYERS="pooled"), toy.settings(), 8)
    both = {"caps": predictors["one"], "plain": plain}
    _, results = compare(both, dataset, tmp_path / "vote", ATTACK="vote")
    assert results["attacks"]["vote linf"].keys() == {"caps"}
    assert results["detection_thresholds"].keys() == {"caps"}
