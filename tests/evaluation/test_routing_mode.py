"""What mode routing measures, against loops."""
import json

import numpy as np
import pytest

import toy
from data.dataset import as_batch
from evaluation.capsules import couplings
from evaluation.modes import routing as mode
from evaluation.network.predictor import Predictor
from model import capsules


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_run):
    """A folder with bars.npz, a network that has learnt to tell them apart, and its settings."""
    folder = tmp_path_factory.mktemp("routing")
    cfg = toy.settings(DATASET=str(toy.npz(folder / "bars.npz")), LR=0.01, INIT="authors")
    network, dataset = make_run(folder / "run", cfg, 30)
    return folder, cfg, network, dataset


@pytest.fixture(scope="module")
def measured(run):
    """-> the network, a batch of test images, and what was measured of them"""
    _, cfg, network, dataset = run
    batch, predictor = as_batch(dataset.test.take(slice(0, 12))), Predictor(network, cfg, 5)
    return predictor, batch, couplings.measure(predictor, batch.images, batch.labels)


def by_procedure_1(network, images, iterations):
    """-> votes [B, I, J, E], and of each iteration the couplings [B, I, J] and capsules [B, J, E]"""
    layer = network.digit_caps
    votes = capsules.votes(network.primary_caps(network.conv1(images)), layer.W)
    b, history = np.zeros(votes.shape[:3], np.float32), []
    for _ in range(iterations):
        c = capsules.couple(b)
        v = capsules.squash(capsules.weigh(c, votes) + layer.bias)
        history.append((c.numpy(), v.numpy()))
        b = b + capsules.agree(votes, v)
    return votes.numpy(), history


def test_logits_entropy_and_the_capsules_that_carry_half(measured):
    predictor, batch, found = measured
    votes, history = by_procedure_1(predictor.network, batch.images, couplings.MOST)
    change = [np.abs(np.einsum("bije,bje->bij", votes, v)).mean(axis=(1, 2)) for _, v in history]
    np.testing.assert_allclose(found.logit_change, np.stack(change, axis=1), rtol=1e-3)
    c, v = history[2]
    entropy = -(c * np.log(c)).sum(axis=2) / np.log(toy.CLASSES)
    np.testing.assert_allclose(found.entropy, entropy.mean(axis=1), rtol=1e-4)
    length = np.linalg.norm(votes, axis=3).sum(axis=2)
    np.testing.assert_allclose(found.entropy_of_votes, (entropy * length).sum(1) / length.sum(1), rtol=1e-4)
    for n, best in enumerate(np.linalg.norm(v, axis=2).argmax(axis=1)):
        parts = sorted(c[n, :, best] * (votes[n, :, best] @ v[n, best]), reverse=True)
        carried = [sum(parts[:count]) >= sum(parts) / 2 for count in range(1, len(parts) + 1)]
        assert found.half[n] == 1 + carried.index(True)


@pytest.mark.parametrize("count", (1, 2))
def test_cosines_are_those_of_the_labels_and_of_the_longest_other_class(measured, count):
    predictor, batch, found = measured
    labels = (batch.labels + np.arange(count)) % toy.CLASSES
    if count == 2:
        found = couplings.measure(predictor, batch.images, labels)
    votes, history = by_procedure_1(predictor.network, batch.images, 3)

    def cosine(v, n, j):
        lengths = np.linalg.norm(votes[n, :, j], axis=1)
        return votes[n, :, j] @ v[n, j] / (lengths * np.linalg.norm(v[n, j])) @ lengths / lengths.sum()

    for received, (_, v) in ((found.before, history[0]), (found.after, history[2])):
        for n, mine in enumerate(labels):
            longest = np.argsort(-np.linalg.norm(history[2][1][n], axis=1))
            other = next(j for j in longest if j not in mine)
            expected = np.mean([cosine(v, n, j) for j in mine]), cosine(v, n, other)
            np.testing.assert_allclose(received[n], expected, rtol=1e-3, atol=1e-5)


def test_as_many_iterations_as_in_training_give_the_networks_own_error_and_loss(measured):
    predictor, batch, _ = measured
    rows = mode.by_iterations(predictor, batch)
    assert [row["iterations"] for row in rows] == list(range(1, 11))
    output = predictor.network(batch.images)
    terms = predictor.network.loss_terms(output, batch.labels, batch.images[:, None])
    np.testing.assert_allclose(rows[2]["margin"], np.mean(terms["margin"]), rtol=1e-4)
    wrong = np.argmax(output.scores, axis=1) != batch.labels[:, 0]
    np.testing.assert_allclose(rows[2]["error"], wrong.mean(), atol=1e-6)
    assert len({round(row["margin"], 6) for row in rows}) > 5, "the iterations make a difference"


def test_several_networks_go_side_by_side_also_without_iterations(run, make_run, run_eval, calls, tmp_path):
    (folder, cfg, *_), drawn = run, calls(mode, "curve")
    make_run(folder / "uniform", cfg.changed(ROUTING="uniform"))
    health = [{"step": step, "split": "health", "logit_change_1": step / 10, "logit_change_2": 0.5} for step in (2, 4)]
    (folder / "run" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in health))
    ended = run_eval(tmp_path, "--mode", "routing", "--ckpt", f"{folder / 'run'},{folder / 'uniform'}",
                     "--num_images", 20, draw=True)
    found = ended.results
    assert ended.status == 0, ended.errors
    assert len(drawn) == 2 + 1 + 2 + 2 * 2, "error, loss, logits and their training of one, agreement of both"
    _, steps, change, *_ = drawn[3]
    assert list(steps) == [2, 4] and list(change) == [0.2, 0.4]
    assert found["run"]["coupling_entropy"] < found["uniform"]["coupling_entropy"] == pytest.approx(1)
    assert set(found["figures"]) == {"iterations.png", "logits.png", "training.png", "agreement.png", "where-0.png",
                                     "where-1.png"}
    low, high = found["routing"]["run"]["intervals"]["coupling_entropy"]
    assert low < found["run"]["coupling_entropy"] < high
