"""MultiMNIST: every pair is what the paper says, can be made again, and is never all in memory."""
import hashlib
import itertools

import numpy as np
import pytest

import data
import oracle
import registry
import toy
from config import TRAIN, Config
from data.augment import random_shift
from data.dataset import Dataset, Split, as_batch, batches, training_batch
from data.datasets import multimnist
from data.making import overlay
from untrusted import refusal

SIDE, BORDER, CLASSES = 9, 2, 4


def digits(count=30, seed=0):
    """Images without a zero pixel inside a black border, so that no two places of a digit look alike."""
    random = np.random.default_rng(seed)
    images = random.integers(1, 256, (count, SIDE, SIDE, 1), np.uint8)
    labels = random.permutation(np.arange(count) % CLASSES).astype(np.int32)[:, None]
    return overlay.with_border(Split(images, labels), BORDER)


def places(split, source, label, most):
    """-> every (digit, down, right) of that label that looks like the source"""
    return [(n, *shift) for n in np.flatnonzero(split.labels[:, 0] == label)
            for shift in itertools.product(range(-most, most + 1), repeat=2)
            if np.array_equal(oracle.moved(split.images[n], *shift), source)]


def dataset_of(split, most=2, each=3):
    pairs = overlay.Pairs(split, each, most, "pairs of test")
    return Dataset("pairs", split, pairs, pairs, tuple(map(str, range(CLASSES))), overlay.random_pairs(split, most))


# ---- one pair ----

def test_a_pair_is_two_shifted_digits_of_different_classes_added_and_clipped():
    split = digits()
    made = dataset_of(split).augment(split, np.arange(30), np.random.default_rng(0))
    assert made.images.dtype == made.sources.dtype == np.uint8 and made.labels.dtype == np.int32
    assert made.images.shape == (30, 13, 13, 1) and made.sources.shape == (30, 2, 13, 13, 1)
    assert (made.labels[:, 0] != made.labels[:, 1]).all()
    for image, labels, sources in zip(made.images, made.labels, made.sources, strict=True):
        for label, source in zip(labels, sources, strict=True):
            assert len(places(split, source, label, 2)) == 1
        by_hand = [min(255, int(a) + int(b)) for a, b in zip(*sources.reshape(2, -1), strict=True)]
        np.testing.assert_array_equal(image.ravel(), by_hand)
    np.testing.assert_array_equal(made.labels[:, 0], split.labels[:, 0], "the base digit comes first")
    assert (made.images == 255).any(), "otherwise nothing was clipped"


def test_partners_are_even_among_all_digits_of_other_classes():
    labels = np.array([2, 0, 2, 2, 1, 0, 2])
    drawn = overlay.Partners(labels).draw(np.repeat(np.arange(7), 3000), np.random.default_rng(0)).reshape(7, 3000)
    for n, others in enumerate(drawn):
        counts = np.bincount(others, minlength=7)
        allowed = labels != labels[n]
        assert (counts[~allowed] == 0).all()
        np.testing.assert_allclose(counts[allowed], 3000 / allowed.sum(), rtol=0.15)


# ---- training ----

def test_training_batches_of_pairs_are_those_of_earlier_versions_in_any_order():
    """The digest was made by the code that trained the released network."""
    dataset, digest = dataset_of(digits()), hashlib.sha256()
    straight = [training_batch(dataset, 7, step, 10) for step in range(6)]
    for batch in straight:
        digest.update(batch.images.tobytes() + batch.labels.tobytes() + batch.sources.tobytes())
    assert digest.hexdigest() == "4f510e152dad4c8bd6e346bb1e3bb9cf6229c67e7b0c8aec892be5ac760da445"
    for step in (5, 0, 3):
        again = training_batch(dataset_of(digits()), 7, step, 10)
        for a, b in zip(again, straight[step], strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(training_batch(dataset, 8, 0, 10).images, straight[0].images)
    np.testing.assert_allclose(again.images, np.minimum(1, again.sources.sum(axis=1)), atol=1e-6)


# ---- validation and test ----

def test_each_digit_is_moved_once_for_all_its_partners():
    split = digits(8)
    pairs = overlay.Pairs(split, 5, 2, "pairs of test")
    made = pairs.take(slice(None))
    assert made.images.shape == (40, 13, 13, 1) and pairs.labels.shape == (40, 2) and pairs.labels.dtype == np.int32
    np.testing.assert_array_equal(made.labels, pairs.labels)
    np.testing.assert_array_equal(pairs.labels[:, 0], np.repeat(split.labels[:, 0], 5))
    assert (pairs.labels[:, 0] != pairs.labels[:, 1]).all()
    second = []
    for n in range(8):
        mine = made.sources[5 * n:5 * n + 5]
        (place,) = places(split, mine[0, 0], split.labels[n, 0], 2)
        assert place[0] == n and (mine[:, 0] == mine[0, 0]).all()
        others = zip(mine[:, 1], made.labels[5 * n:5 * n + 5, 1], strict=True)
        second += [places(split, source, label, 2)[0][1:] for source, label in others]
    assert len(set(second)) > 10, "each partner has a place of its own"


def test_pairs_are_the_same_however_they_are_taken_and_for_every_seed():
    split = digits()
    pairs = overlay.Pairs(split, 3, 2, "pairs of test")
    whole = pairs.take(slice(None))
    some = np.array([88, 0, 41])
    for which in (some, slice(40, 43), slice(89, 200)):
        taken = overlay.Pairs(split, 3, 2, "pairs of test").take(which)
        for a, b in zip(taken, whole.take(which), strict=True):
            np.testing.assert_array_equal(a, b)
    parts = list(batches(pairs, 40))
    assert [len(part.labels) for part in parts] == [40, 40, 10]
    np.testing.assert_array_equal(np.concatenate([part.sources for part in parts]), as_batch(whole).sources)
    other = overlay.Pairs(split, 3, 2, "pairs of validation")
    assert not np.array_equal(other.labels, pairs.labels)


def test_the_papers_ten_million_take_their_list_alone():
    split = Split(np.zeros((2000, 36, 36, 1), np.uint8), np.arange(2000, dtype=np.int32)[:, None] % 10)
    pairs = overlay.Pairs(split, 500, 4, "pairs of test")
    held = sum(array.nbytes for array in vars(pairs).values() if isinstance(array, np.ndarray))
    assert pairs.labels.shape == (1_000_000, 2) and held < 14.1e6
    assert len(next(batches(pairs, 100)).images) == 100
    none = overlay.Pairs(digits().take(slice(0, 0)), 10, 2, "pairs of validation")
    assert none.labels.shape == (0, 2) and list(batches(none, 10)) == []


# ---- the digest ----

def test_the_digest_depends_on_the_digits_and_on_the_list():
    split = digits()
    known = {dataset_of(split).digest, dataset_of(split, most=1).digest, dataset_of(split, each=4).digest,
             dataset_of(digits(seed=1)).digest}
    assert len(known) == 4
    assert dataset_of(digits()).digest == dataset_of(split).digest
    for name in ("partner", "base_corner", "partner_corner"):
        dataset = dataset_of(split)
        getattr(dataset.val, name).flat[-1] += 1
        known.add(dataset.digest)
    assert len(known) == 7


# ---- the dataset ----

@pytest.fixture
def small_glyphs(monkeypatch):
    return toy.pairs_of_glyphs(monkeypatch, train=200, val=20, test=50)


def test_the_dataset_is_the_papers_but_for_the_number_of_partners(small_glyphs, monkeypatch):
    load = registry.module("data.datasets", "glyphs").load
    monkeypatch.setattr("data.datasets.glyphs.load", lambda cfg: random_shift(cfg.SHIFT, (28, 28, 1)) and load(cfg))
    dataset = data.load(small_glyphs.changed(SHIFT=28))  # not used, and not refused
    assert dataset.image_shape == (36, 36, 1) and dataset.classes == 10 and dataset.name == "multimnist of glyphs"
    assert dataset.test.labels.shape == (500, 2) and dataset.val.labels.shape == (200, 2)
    batch = training_batch(dataset, 0, 0, 20)
    assert batch.images.shape == (20, 36, 36, 1) and batch.sources.shape == (20, 2, 36, 36, 1)

    assert multimnist.DEFAULTS.keys() <= TRAIN.keys()

    no_shift = data.load(small_glyphs.changed(OVERLAY_SHIFT=0, PAIRS_PER_DIGIT=2))
    taken = no_shift.test.take(slice(0, 2)).sources[:, 0]
    alone = registry.module("data.datasets", "glyphs").load(small_glyphs).test.images[0]
    np.testing.assert_array_equal(taken, np.pad(alone, [(4, 4), (4, 4), (0, 0)])[None].repeat(2, axis=0))


def test_what_cannot_be_overlaid_is_refused(small_glyphs, monkeypatch):
    for name, value in (("OVERLAY_OF", "multimnist"), ("OVERLAY_SHIFT", 18), ("PAIRS_PER_DIGIT", 0)):
        assert f"{name}: expected" in refusal(Config, TRAIN, {name: value})
    load = registry.module("data.datasets", "glyphs").load

    def one_class(cfg):
        dataset = load(cfg)
        one = dataset.val.take(dataset.val.labels[:, 0] == 3)
        return Dataset("glyphs", dataset.train, one, dataset.test, dataset.class_names)

    monkeypatch.setattr("data.datasets.glyphs.load", one_class)
    message = refusal(data.load, small_glyphs)
    assert "multimnist, val: expected images of two classes or more" in message and "--validation" in message
