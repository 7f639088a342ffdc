"""Two digits in an image: overlap and segmentation by hand, and every mode on a toy network."""
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import toy
from data.dataset import Batch, as_batch, stream
from evaluation.figures import sheets
from evaluation.modes import cap_tweak
from evaluation.network.predictor import Predictions
from evaluation.pairs import figures as pair_figures
from evaluation.pairs import overlap, segmentation
from evaluation.statistics.intervals import of_clusters, wilson


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_run):
    """A folder with a network that has begun to learn pairs of bars, the network and its data."""
    folder = tmp_path_factory.mktemp("pairs")
    with pytest.MonkeyPatch.context() as patch:
        return folder, *make_run(folder, toy.pairs_of_bars(patch, LR=0.01), 30)


@pytest.fixture
def evaluate(run, run_eval, monkeypatch, tmp_path):
    """evaluate(flags) -> Ended; figures go to tmp_path."""
    toy.pairs_of_bars(monkeypatch)
    return lambda *flags, draw=False: run_eval(tmp_path, "--ckpt", run[0], "--batch_size", 16, *flags, draw=draw)


@pytest.fixture
def whole(run):
    """All test pairs as a batch, and bool [60]: both labels are found, at least one is."""
    batch = as_batch(run[2].test.take(slice(None)))
    found = [set(np.argsort(-scores)[:2]) for scores in run[1](batch.images).scores.numpy()]
    counts = np.array([len(one & set(labels)) for one, labels in zip(found, batch.labels, strict=True)])
    return batch, counts == 2, counts > 0


# ---- measures by hand ----

def drawn_on(*pixels):
    """-> an image [4, 4, 1], white at these (row, column)"""
    image = np.zeros((4, 4, 1), np.float32)
    for row, column in pixels:
        image[row, column] = 1
    return image


def test_the_overlap_is_the_share_of_the_smaller_ink_under_the_other():
    three, two, none = drawn_on((0, 0), (0, 1), (1, 1)), drawn_on((0, 1), (3, 3)), drawn_on()
    sources = np.array([[three, two], [two, three], [two, two], [three, none], [three * 0.4, two]])
    np.testing.assert_allclose(overlap.overlap(sources), [0.5, 0.5, 1, 0, 0])
    np.testing.assert_array_equal(overlap.bin_of(np.array([0, 0.0999, 0.1, 0.95, 1])), [0, 0, 1, 9, 9])
    np.testing.assert_array_equal(overlap.ink(np.array([[[0.49]], [[0.5]]])[None]), [[[False], [True]]])


def pair_of(labels, predicted, digits, drawn):
    """-> a batch of one pair, and predictions whose capsules draw `drawn`"""
    images = np.minimum(1, sum(digits))[None]
    batch = Batch(images, np.array([labels]), np.array([digits]))
    return batch, Predictions(np.zeros((1, 6)), np.array([predicted]), from_predicted=np.array([drawn]))


@pytest.mark.parametrize("predicted, orders", [
    ([2, 5], ([0, 1], [0, 1])), ([5, 2], ([1, 0], [1, 0])),                                # both right
    ([2, 3], ([0, 1], [0, 1])), ([3, 2], ([1, 0], [1, 0])), ([3, 5], ([0, 1], [0, 1])),    # one is right
    ([0, 1], ([0, 1], [1, 0]))])                                                           # what they draw best
def test_a_predicted_label_stands_for_itself_and_two_wrong_ones_for_what_they_draw_best(predicted, orders):
    a, b = drawn_on((0, 0)), drawn_on((3, 3))
    for drawn, order in zip(([a, b], [b, a]), orders, strict=True):
        np.testing.assert_array_equal(segmentation.standing_for(*pair_of([2, 5], predicted, [a, b], drawn)), [order])


def test_an_absent_class_is_neither_label_nor_predicted_and_any_other():
    random = np.random.default_rng(0)
    labels, predicted = (random.permuted(np.tile(np.arange(6), (500, 1)), axis=1)[:, :2] for _ in range(2))
    absent = segmentation.absent_classes(labels, predicted, 6, stream(1, "absent"))
    assert not [n for n in range(500) if absent[n] in {*labels[n], *predicted[n]}]
    assert np.bincount(absent, minlength=6).min() > 40
    random = stream(1, "absent")
    parts = [segmentation.absent_classes(labels[part], predicted[part], 6, random)
             for part in (slice(0, 7), slice(7, 300), slice(300, 500))]
    np.testing.assert_array_equal(absent, np.concatenate(parts), "in batches of any size")


def test_segmentation_is_measured_for_each_digit_alone():
    a, b, all_black = drawn_on((0, 0), (0, 1)), drawn_on((0, 1), (3, 3), (2, 2)), drawn_on()
    batch = Batch(np.minimum(1, a + b)[None], np.array([[2, 5]]), np.array([[a, b]]))
    half = drawn_on((0, 0)) * 0.6
    drawn = segmentation.Drawn(np.array([[2, 5]]), np.array([[b, a]]), np.array([[half, b]]), np.array([1]),
                               all_black[None], np.array([True]))
    measured = segmentation.compare(drawn, batch)
    error, union = measured[0].T
    np.testing.assert_allclose(error, [(0.16 + 1) / 16 / 2, 3 / 16, (2 + 1) / 16 / 2, (2 + 3) / 16 / 2], rtol=1e-6)
    np.testing.assert_allclose(union, [(1 / 2 + 1) / 2, 1 / 4, (2 / 4 + 3 / 4) / 2, 0])
    nothing = segmentation.Drawn(*(np.zeros_like(array) for array in drawn))
    measured = segmentation.compare(nothing, batch._replace(sources=batch.sources * 0))
    np.testing.assert_array_equal(measured[0, 0], [0, 1])  # where neither has ink they agree


def test_the_interval_of_clusters_is_that_of_their_digits():
    """Against simulation: each digit makes all of its pairs a little harder or easier."""
    random = np.random.default_rng(0)
    members = np.stack([np.repeat(np.arange(200), 5), random.integers(0, 200, 1000)], axis=1)

    def draw():
        hardness = random.normal(0, 0.15, 200)
        return random.random(1000) < 0.3 + hardness[members].sum(axis=1)

    drawn = [draw() for _ in range(400)]
    widths = np.array([np.diff(of_clusters(one, members)) for one in drawn])
    expected = 2 * 1.96 * np.std([one.mean() for one in drawn])
    assert widths.mean() == pytest.approx(expected, rel=0.1)
    assert np.diff(wilson(0.3, 1000)) < 0.8 * expected, "otherwise this test says little"

    # Where no two pairs share a digit, it is Wilson's.
    alone = np.arange(2000).reshape(-1, 2)
    assert of_clusters(drawn[0], alone) == pytest.approx(wilson(drawn[0].mean(), 1000))
    assert of_clusters(np.zeros(5, bool), alone[:5]) == pytest.approx(wilson(0, 5))
    assert np.isnan(of_clusters(np.zeros(0, bool), alone[:0])).all()


def test_the_members_of_a_pair_are_the_digits_that_make_it(run):
    test = run[2].test
    some = np.array([3, 40, 7])
    for which, index in ((some, some), (slice(5, 12), np.arange(5, 12))):
        members = test.members(which)
        np.testing.assert_array_equal(test.digits.labels[members, 0], test.labels[index])
        np.testing.assert_array_equal(members[:, 0], index // test.partners_each)
    np.testing.assert_array_equal(overlap.members(test), test.members(np.arange(60)))
    every = overlap.members(test.take(slice(0, 3)))
    assert sorted(every.ravel()) == list(range(6)), "images whose digits are not known"


def test_tables_are_the_means_of_the_pairs():
    random = np.random.default_rng(0)
    measured, right = random.random((40, 4, 2)), random.random(40) < 0.5
    overlaps = random.choice([0.05, 0.55], 40)
    found = segmentation.tables(measured, right, overlaps)
    for table, mine in ((found["right"], right), (found["wrong"], ~right)):
        assert table["pairs"] == mine.sum()
        assert table["whole input"]["intersection_over_union"] == pytest.approx(measured[mine][:, 2, 1].mean())
    means = found["by_overlap"]["label capsules"]["squared_error_per_pixel"]
    np.testing.assert_allclose(means[[0, 5]], [measured[overlaps == one][:, 0, 0].mean() for one in (0.05, 0.55)])
    assert np.isnan(means[1]) and found["by_overlap"]["pairs"].sum() == 40


# ---- two colours ----

def test_each_digit_has_its_colour_and_both_are_white():
    a, b = drawn_on((0, 0), (1, 1)), drawn_on((1, 1), (2, 2))
    shown = pair_figures.in_two_colours(a, b)
    assert shown.shape == (4, 4, 3)
    np.testing.assert_allclose(shown[0, 0], [1, 0.6, 0])
    np.testing.assert_allclose(shown[2, 2], [0, 0.4, 1])
    np.testing.assert_allclose(shown[1, 1], 1)
    assert shown[3, 3].sum() == 0
    np.testing.assert_allclose(pair_figures.in_two_colours(a[None] / 2, b[None])[0, 1, 1], [0.5, 0.7, 1])


# ---- the modes ----

def test_test_counts_pairs_with_both_and_with_one_digit_right(evaluate, run, whole):
    _, network, dataset = run
    ended = evaluate("--mode", "test", draw=True)
    found, (batch, both, some) = ended.results, whole
    assert ended.status == 0 and found["figures"] == ["overlap.png"] and found["images"] == 60
    assert 0.2 < both.mean() < 1 and some.mean() > both.mean(), "otherwise this test says little"
    assert found["accuracy"] == pytest.approx(both.mean()) and found["error"] == pytest.approx(1 - both.mean())
    assert found["one_right_or_both_rate"] == pytest.approx(some.mean()) and f"{some.mean():.2%}" in ended.out
    terms = network.loss_terms(network(batch.images, batch.labels), batch.labels, batch.sources)
    for name, value in terms.items():
        assert found[name] == pytest.approx(np.mean(value), rel=1e-4)
    per_class, = found["per_class"].values()
    assert [row["images"] for row in per_class] == np.bincount(batch.labels.ravel()).tolist()
    assert sum(row["correct"] for row in per_class) == both.sum() + some.sum()
    lines = ended.files["errors.csv"].decode().splitlines()
    assert len(lines) == 1 + (~both).sum() and all(line.count(" + ") == 3 for line in lines[1:])

    # by overlap
    places = overlap.bin_of(overlap.overlap(batch.sources))
    table, = found["by_overlap"].values()
    assert table["count"] == np.bincount(places, minlength=10).tolist() and len(table["edges"]) == 11
    for place in range(10):
        here = places == place
        if not here.any():
            assert table["error"][place] is None
            continue
        digits = dataset.test.members(np.flatnonzero(here))
        for name, yes in (("error", ~both[here]), ("some_right", some[here])):
            assert table[name][place] == pytest.approx(yes.mean())
            interval = table[f"{name}_low"][place], table[f"{name}_high"][place]
            assert interval == pytest.approx(of_clusters(yes, digits))


def test_two_networks_are_compared_by_overlap(evaluate, run, tmp_path, calls):
    """On more partners than were in training."""
    shutil.copytree(run[0], tmp_path / "pairs-too")
    drawn = calls(pair_figures, "accuracy_by_overlap")
    ended = evaluate("--mode", "test", "--ckpt", f"{run[0]},{tmp_path / 'pairs-too'}", "--pairs_per_digit", 5)
    found = ended.results
    assert ended.status == 0 and found["figures"] == ["overlap.png"] and "150 pairs" in drawn[0][0]
    one, two = found["by_overlap"].values()
    assert one == two and list(found["by_overlap"]) == [run[0].name, "pairs-too"] and found["images"] == 150
    assert found[run[0].name] == found["pairs-too"] and found["pairs-too"]["accuracy"] > 0


def test_reconstruct_measures_and_shows_the_segmentation_of_every_pair(evaluate, run, whole, calls):
    drawn = calls(sheets, "rows_of_images")
    ended = evaluate("--mode", "reconstruct", draw=True)
    found, (batch, right, _) = ended.results, whole
    assert ended.status == 0 and found["figures"] == ["segmentation.png", "right.png", "wrong.png"]
    assert found["accuracy"] == pytest.approx(right.mean())
    drawings = run[1](batch.images, batch.labels).reconstruction
    error = np.square(drawings - batch.sources).mean(axis=(1, 2, 3, 4))
    tables = found["segmentation"]
    for name, mine in (("right", right), ("wrong", ~right)):
        assert tables[name]["pairs"] == mine.sum()
        by_label = tables[name]["label capsules"]["squared_error_per_pixel"]
        assert by_label == pytest.approx(error[mine].mean(), rel=1e-4)
        assert found[f"squared_error_per_pixel_{name}_label_capsules"] == by_label
    for measure in segmentation.MEASURES:  # where both are right they are the same capsules
        same = [tables["right"][kind][measure] for kind in ("label capsules", "predicted capsules")]
        assert same[0] == pytest.approx(same[1], rel=1e-5)
    input_error = np.square(batch.images[:, None] - batch.sources).mean(axis=(1, 2, 3, 4))
    assert tables["right"]["whole input"]["squared_error_per_pixel"] == pytest.approx(input_error[right].mean())
    assert sum(tables["by_overlap"]["pairs"]) == 60 and len(tables["by_overlap"]["edges"]) == 11

    # the sheets
    (_, of_right), (title, of_wrong) = drawn
    assert [row.name for row in of_right] == ["input", "digits", "predicted", "absent *"]
    assert [row.name for row in of_wrong] == ["input", "digits", "predicted", "labels", "absent *"]
    assert [row.images.shape[-1] for row in of_wrong] == [1, 3, 3, 3, 3]
    assert of_wrong[2].marked.all() and not of_right[2].marked.any() and "orange" in title
    for caption, label, predicted in zip(of_wrong[4].captions, of_wrong[0].captions, of_wrong[2].captions, strict=True):
        first, absent = caption.split(", ")
        assert label.startswith(first) and absent not in label and absent not in predicted


def test_cap_tweak_moves_one_digit_and_not_the_other(evaluate, run, whole, calls):
    dataset = run[2]
    drawn, measured = calls(cap_tweak, "figure_of_class"), calls(cap_tweak, "measure_effects")
    ended = evaluate("--mode", "cap_tweak", "--num_images", "60", draw=True)
    found = ended.results
    assert ended.status == 0 and found["images_classified_right"] == whole[1].sum() < 60
    assert found["largest_change_of_the_other_digit"] == 0
    _, labels, _, _, digits = measured[0]
    np.testing.assert_array_equal(dataset.test.digits.labels[digits, 0], labels)
    assert len(set(digits)) < len(digits) == found["images_classified_right"], "pairs share their first digits"
    for grid, *_, beside in drawn:
        assert grid.shape == (4, 11, 36, 36, 3) and "beside class" in beside
        of_orange, of_blue = grid[..., 0], grid[..., 2]
        assert np.ptp(of_orange, axis=(0, 1)).max() > 0.01 and np.ptp(of_blue, axis=(0, 1)).max() < 1e-6


def test_a_decoder_that_sees_all_capsules_would_move_the_other_digit():
    """So the number above is measured."""
    class Leaky:
        def decode_labels(self, capsules, labels):
            return capsules.sum(axis=(1, 2))[:, None, None, None, None]

    sample = SimpleNamespace(predictions=SimpleNamespace(capsules=np.zeros((2, 5, 4))), labels=np.array([0, 3]),
                             others=np.array([[1], [2]]))
    assert cap_tweak.change_of_other(Leaky(), sample, np.array([-0.1, 0, 0.25])) == 0.25


def test_pairs_cannot_be_attacked(evaluate):
    ended = evaluate("--mode", "adversarial")
    assert ended.status == 2 and ended.out == "" and len(ended.errors) == 1 and ended.results is None
    assert "--mode adversarial: expected a dataset with one label for each image" in ended.errors[0]
    assert ended.errors[0].endswith("; --mode cap_tweak or reconstruct or routing or test works")


def test_empty_bins_are_drawn_as_nothing():
    right = np.array([True, False, False])
    few = overlap.by_overlap(np.full(3, 0.93), right, np.ones(3, bool), np.arange(6).reshape(3, 2))
    assert np.isnan(few["error"][0]) and few["error"][9] == pytest.approx(2 / 3) and few["some_right"][9] == 1
    assert pair_figures.errors_by_overlap("few", few).axes[0].lines
