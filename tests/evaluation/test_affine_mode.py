"""--mode affine at toy size, and several networks side by side: --ckpt A,B."""

import numpy as np
import pytest

import toy
from data.dataset import Dataset, Split, scale
from data.datasets import affnist
from data.making import affine
from evaluation.modes import affine as mode
from evaluation.statistics.intervals import of_clusters, wilson
from untrusted import mat

SIZES = ["--num_images", 12, "--affnist_images", 20]


def split(count, seed):
    """Bars of three places on 28 x 28 pixels."""
    images, labels = toy.images(count, seed, (20, 17, 1))
    return Split(np.pad(images, [(0, 0), (4, 4), (6, 5), (0, 0)]), labels[:, None].astype(np.int32))


@pytest.fixture(scope="module")
def house(tmp_path_factory, make_run, small_cnn):
    """A folder with two networks on 40 x 40 pixels, caps and cnn, and an affNIST of bars."""
    folder = tmp_path_factory.mktemp("affine")
    digits = Dataset("mnist", split(60, 0), split(9, 1), split(14, 2), tuple("0123456789"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(affnist.mnist, "load", lambda cfg: digits)
        patch.setattr(affnist, "ROOT", folder)
        patch.setattr(affnist, "COPIES", 2)
        networks = {}
        for name in ("capsnet", "cnn"):
            cfg = toy.settings(DATASET="affnist", DATA_DIR=str(folder), MODEL=name, CNN_LAYERS="pooled", LR=0.01,
                               SHIFT=0, BATCH_SIZE=20)
            networks[name], dataset = make_run(folder / name, cfg, 30)
        yield folder, networks, dataset


@pytest.fixture
def evaluate(house, run_eval, tmp_path):
    """evaluate(checkpoints, flags) -> Ended; figures go to tmp_path."""
    def call(names, *flags, draw=False):
        paths = ",".join(str(house[0] / name) for name in names.split(","))
        return run_eval(tmp_path, "--ckpt", paths, "--batch_size", 16, *flags, draw=draw)
    return call


def accuracy(network, images, labels):
    return (np.argmax(network(scale(images)).scores, axis=1) == labels[:, 0]).mean()


def test_two_networks_side_by_side(evaluate, house, calls):
    _, networks, dataset = house
    drawn = calls(mode, "accuracy_curves")
    ended = evaluate("capsnet,cnn", "--mode", "affine", *SIZES, draw=True)
    assert ended.status == 0, ended.errors
    found = ended.results
    assert found["checkpoint"] == "capsnet/ckpt-30, cnn/ckpt-30" and found["trained_on"] == "affnist"
    assert found["figures"] == ["examples.png", "curves.png"] and "CKPT" not in found["settings"]

    # whole splits, as the networks themselves say
    near, beyond = (f"synthetic affNIST, moved by {words}" for words in ("6 or less", "more than 6"))
    assert list(found["table"]) == ["expanded MNIST", "synthetic affNIST", near, beyond]
    whole = dataset.further["synthetic affNIST"]()
    transforms = affnist.transforms_of(dataset.further["centred MNIST"]())
    chosen = mode.sampling.spread_evenly(whole.labels[:, 0], 20, 0)
    far = np.array([max(abs(transforms.right[n]), abs(transforms.down[n])) for n in chosen])
    for part, which in ((near, chosen[far <= 6]), (beyond, chosen[far > 6])):
        assert found["table"][part]["images"] == len(which) > 0
        for name, network in networks.items():
            expected = accuracy(network, whole.images[which], whole.labels[which])
            measured = found["table"][part]["networks"][name]
            assert measured["accuracy"] == pytest.approx(expected)
            right = np.argmax(network(scale(whole.images[which])).scores, axis=1) == whole.labels[which, 0]
            expected = of_clusters(right, which[:, None] // affnist.COPIES)
            assert (measured["low"], measured["high"]) == pytest.approx(expected)
    assert found["table"]["synthetic affNIST"]["images"] == 20
    for name, network in networks.items():
        measured = found["table"]["expanded MNIST"]["networks"][name]
        expected = accuracy(network, dataset.test.images, dataset.test.labels)
        assert measured["accuracy"] == pytest.approx(expected)
        assert (measured["low"], measured["high"]) == pytest.approx(wilson(expected, 14))
        assert found[name]["expanded MNIST_accuracy"] == measured["accuracy"]
        assert found[name]["synthetic affNIST_accuracy"] <= 1
    assert len(whole.labels) == 28

    # one parameter at a time, on the same digits
    centred = dataset.further["centred MNIST"]()
    chosen = mode.sampling.spread_evenly(centred.labels[:, 0], 12, 0)
    digits = centred.take(chosen)
    for field, parameter in mode.PARAMETERS.items():
        curve = found["curves"][field]
        assert curve["values"] == pytest.approx(list(parameter.values)) and len(curve["values"]) == 9
        neutral = 1 if field in ("horizontal", "vertical") else 0
        assert parameter.values[4] == pytest.approx(neutral) and parameter.low < neutral < parameter.high
        assert parameter.values[0] < parameter.low and parameter.values[-1] > parameter.high, "and beyond"
        for at in (0, 4):
            transforms = affine.identity(12, **{field: parameter.values[at]})
            images = affine.apply(digits.images, transforms, 40)
            for name, network in networks.items():
                expected = accuracy(network, images, digits.labels)
                received = [curve["networks"][name][key][at] for key in ("accuracy", "low", "high")]
                assert received == pytest.approx([expected, *wilson(expected, 12)]), (field, at, name)
    (title, panels, _), = drawn
    assert "12 for each point" in title and "synthetic affNIST" in title
    assert [len(panel.networks) for panel in panels] == [2] * 5


def test_one_network_alone_and_all_of_affnist(evaluate, house):
    ended = evaluate("cnn", "--mode", "affine", "--num_images", 3, "--affnist_images", 1000)
    found, (_, networks, dataset) = ended.results, house
    whole = dataset.further["synthetic affNIST"]()
    assert ended.status == 0 and found["synthetic affNIST_images"] == 28
    assert found["synthetic affNIST_accuracy"] == pytest.approx(accuracy(networks["cnn"], whole.images, whole.labels))
    assert "synthetic affNIST accuracy" in ended.out


def test_affnists_own_images_are_never_called_synthetic(evaluate, tmp_path, calls):
    (tmp_path / "test.mat").write_bytes(mat())
    drawn = calls(mode.sheets, "rows_of_images")
    ended = evaluate("cnn", "--mode", "affine", "--num_images", 3, "--affnist_images", 30, "--data_dir", tmp_path)
    assert ended.status == 0, ended.errors
    text = ended.files["results.json"].decode().replace(str(tmp_path), "")
    assert "affNIST accuracy" in ended.out and "synthetic" not in ended.out.replace(str(tmp_path), "") + text
    (title, drawn_rows), = drawn
    assert title == "affNIST, test" and [row.name for row in drawn_rows] == ["affNIST"]
