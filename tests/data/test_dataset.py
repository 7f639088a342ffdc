"""Batches can be made again from (seed, step), have every example once per epoch, and shift it."""
import hashlib
import itertools

import numpy as np
import pytest

import oracle
from data.augment import random_shift
from data.dataset import (
    Batch,
    Dataset,
    Split,
    _order,
    batches,
    scale,
    stream,
    training_batch,
    unchanged,
)
from untrusted import refusal


def split_of(n: int, height: int = 9, width: int = 8, channels: int = 2) -> Split:
    """Images without a zero pixel; an example's label is its place."""
    images = np.random.default_rng(2).integers(1, 256, (n, height, width, channels), np.uint8)
    return Split(images, np.arange(n, dtype=np.int32)[:, None])


def dataset_of(split: Split, shift: int = 0) -> Dataset:
    names = tuple(map(str, range(len(split.labels))))
    augment = random_shift(shift, split.images.shape[1:])
    return Dataset("toy", split, split, split, names, augment)


def batch(split: Split, seed: int, step: int, batch_size: int, shift: int) -> Batch:
    return training_batch(dataset_of(split, shift), seed, step, batch_size)


# ---- dataset ----


def test_the_digest_is_that_of_earlier_versions_and_depends_on_all_that_is_learnt():
    split = split_of(4)
    digest = dataset_of(split).digest
    assert dataset_of(split).classes == 4 and dataset_of(split).image_shape == (9, 8, 2)
    by_hand = hashlib.sha256()
    for _ in range(3):
        by_hand.update(b"(4, 9, 8, 2)" + split.images.tobytes())
        by_hand.update(b"(4,)" + split.labels.tobytes())
    assert digest == by_hand.hexdigest()

    for part in ("train", "val", "test"):
        for field in ("images", "labels"):
            array = getattr(split, field).copy()
            array.flat[-1] ^= 1
            changed = {"train": split, "val": split, "test": split}
            changed[part] = split._replace(**{field: array})
            assert Dataset("toy", **changed, class_names=tuple("0123")).digest != digest
    two = split._replace(labels=np.repeat(split.labels, 2, axis=1))
    sources = np.stack([split.images, split.images], axis=1)
    others = [two, two._replace(sources=sources), two._replace(sources=sources + 1)]
    assert len({digest, *(dataset_of(one).digest for one in others)}) == 4


def test_what_a_batch_shows_of_two_labels_and_their_sources():
    """Every array of the split is taken at the same places; images are scaled, labels are not."""
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1) * 50
    labels = np.array([[0, 1], [1, 2], [2, 3], [3, 0]], np.int32)
    sources = np.stack([images, images + 1], 1)
    split = Split(images, labels, sources)
    dataset = Dataset("two", split, split, split, tuple("0123"))
    assert dataset.augment is unchanged, "nothing varies unless a dataset says how"
    made = training_batch(dataset, 0, 0, 4)
    order = stream(0, "order", 0).permutation(4)
    np.testing.assert_array_equal(made.images, scale(images[order]))
    np.testing.assert_array_equal(made.labels, labels[order])
    np.testing.assert_array_equal(made.sources, scale(sources[order]))
    assert made.sources.dtype == np.float32
    last = list(batches(split, 3))[1]
    np.testing.assert_array_equal(last.sources, scale(sources[3:]))


# ---- random streams ----

def test_streams_differ_and_the_first_ones_have_the_numbers_of_earlier_runs():
    for name, number in {"order": 0, "augment": 1, "split": 2, "sample": 3, "target": 4, "attack": 0}.items():
        wanted = np.random.default_rng([7, 30, number]).random(3)
        np.testing.assert_array_equal(stream(7, name, 30).random(3), wanted)
    streams = [stream(0, "order", 0), stream(1, "order", 0), stream(0, "order", 1),
               stream(0, "place", 0), stream(0, "overlay", 0), stream(0, "place")]
    assert len({generator.random() for generator in streams}) == len(streams)
    assert stream(0, "place", 0).random() == stream(0, "place", 0).random()


# ---- batches ----

def test_batches_are_those_of_earlier_versions_and_can_be_made_again_in_any_order():
    """The digest was made by the code that trained the released network."""
    split, digest = split_of(23), hashlib.sha256()
    straight = [batch(split, 7, step, 10, 2) for step in range(12)]
    for images, labels, sources in straight:
        digest.update(images.tobytes())
        digest.update(labels.tobytes())
        assert images.dtype == np.float32 and labels.dtype == np.int32
        assert images.shape == (10, 9, 8, 2) and labels.shape == (10, 1) and sources is None
    assert digest.hexdigest() == "5450885c720706b6d5e6725245b6fa024192c9820cff21dcefc5820b07ed5b51"
    _order.cache_clear()
    for step in np.random.default_rng(0).permutation(12):
        again = batch(split, 7, step, 10, 2)
        np.testing.assert_array_equal(again.images, straight[step].images)
        np.testing.assert_array_equal(again.labels, straight[step].labels)
    assert not np.array_equal(batch(split, 8, 0, 10, 2).labels, straight[0].labels)


@pytest.mark.parametrize("n, batch_size", [(23, 10), (20, 10), (7, 20), (1, 3), (23, 23)])
def test_every_example_once_per_epoch(n, batch_size):
    """Also where batches straddle epochs, and where one batch holds several."""
    split = split_of(n)
    steps = range(5 * n // batch_size + 1)
    labels = np.concatenate([batch(split, 0, step, batch_size, 0).labels[:, 0] for step in steps])
    epochs = [labels[start:start + n] for start in range(0, len(labels) - n + 1, n)]
    assert len(epochs) >= 5 and all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert n == 1 or len({tuple(epoch) for epoch in epochs}) > 1, "each epoch in another order"


@pytest.mark.parametrize("most", [1, 2])
def test_shift_moves_and_never_wraps(most):
    """Every image is its original moved by one of the offsets. All occur about as often."""
    split, counts = split_of(10), dict.fromkeys(itertools.product(range(-most, most + 1), repeat=2), 0)
    candidates = {(label, *offset): scale(oracle.moved(split.images[label], *offset))
                  for label in range(10) for offset in counts}
    for step in range(20):
        made = batch(split, 0, step, 50, most)
        for image, label in zip(made.images, made.labels[:, 0], strict=True):
            found = [offset for offset in counts
                     if np.array_equal(image, candidates[(label, *offset)])]
            assert len(found) == 1
            counts[found[0]] += 1
    assert sum(counts.values()) == 1000
    expected = 1000 / len(counts)  # its deviation is 6 or 10
    assert min(counts.values()) > 0.45 * expected and max(counts.values()) < 1.75 * expected


def test_shift_0_changes_nothing_and_data_stay_as_they_are():
    split = split_of(12)
    before = split.images.copy()
    images, labels, _ = batch(split, 0, 3, 8, 0)
    np.testing.assert_array_equal(images, scale(split.images[labels[:, 0]]))
    images[:] = 0
    batch(split, 0, 3, 8, 2).images[:] = 0
    np.testing.assert_array_equal(split.images, before)
    np.testing.assert_array_equal(batch(split, 0, 3, 8, 2).labels, labels, "the shift does not change the order")
    for shape in ((9, 8, 2), (8, 9, 2)):
        assert "received 8" in refusal(random_shift, 8, shape)
    random_shift(7, (9, 8, 2))


def test_what_a_label_shows_alone_moves_with_its_image():
    images = split_of(30).images
    split = Split(images, np.zeros((30, 2), np.int32), np.stack([images, images // 2], axis=1))
    for step in range(3):
        moved = batch(split, 0, step, 10, shift=3)
        np.testing.assert_array_equal(moved.sources[:, 0], moved.images)
        np.testing.assert_array_equal(moved.sources[:, 1], scale((255 * moved.images).round().astype(np.uint8) // 2))


@pytest.mark.parametrize("n, batch_size, sizes",
                         [(12, 5, [5, 5, 2]), (10, 5, [5, 5]), (3, 100, [3])])
def test_batches_are_the_split_as_it_is(n, batch_size, sizes):
    split = split_of(n)
    images, labels, sources = zip(*batches(split, batch_size), strict=True)
    assert set(sources) == {None}
    assert [len(part) for part in labels] == sizes
    np.testing.assert_array_equal(np.concatenate(images), scale(split.images))
    np.testing.assert_array_equal(np.concatenate(labels), split.labels)
    assert images[0].dtype == np.float32 and labels[0].dtype == np.int32
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(scale(values), [np.float32(value) / np.float32(255) for value in range(256)])
