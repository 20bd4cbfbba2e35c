"""Sequential and permuted MNIST on tiny images, and the real files' counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.core.errors import StudyError
from studies.core.registry import get_task, task_options
from studies.data.corpora.mnist import Mnist
from studies.tasks import mnist
from tests.studies.task_laws import SPLITS, assert_lawful, assert_replicates_agree_in_length

NAMES = ("mnist-pixels", "mnist-rows", "permuted-mnist-pixels", "permuted-mnist-rows")


def images(seed, train=23, test=7):
    """Random images, no two of them alike."""
    generator = np.random.default_rng(seed)

    def draw(count):
        return generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)

    def digits(count):
        return generator.integers(0, 10, count, dtype=np.uint8)

    return Mnist(draw(train), digits(train), draw(test), digits(test))


def opened(corpus, batch_size=3, name="mnist-rows", **options):
    """The task and its source, with ``corpus`` in place of the files."""
    task = get_task(name, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist, "read", lambda *_: corpus)
        return task, task.open(batch_size=batch_size)


def flat(batch, order):
    """The images of a batch and their digits, the permutation undone, as a sorted list."""
    pixels = batch.inputs.transpose(1, 0, 2).reshape(-1, 784)
    undone = np.empty_like(pixels)
    undone[:, order] = pixels
    whole = np.rint(undone * 255).astype(np.uint8)
    return [(one.tobytes(), digit) for one, digit in zip(whole, batch.targets, strict=True)]


cases = st.tuples(
    st.integers(0, 1000),
    st.sampled_from(NAMES),
    st.sampled_from(mnist.PERMUTATIONS),
    st.integers(1, 9),
)


@given(cases)
def test_laws(case):
    """Purity, shapes, types; replicates read batches of one shape."""
    seed, name, order, size = case
    sources = [opened(images(seed), size, name, permutation=order)[1] for _ in range(2)]
    assert_lawful(*sources)
    assert_replicates_agree_in_length(sources[0])


@given(cases)
def test_every_image_once_and_splits_apart(case):
    """The first images train, the last ones validate, each with its digit and every pixel in place."""
    seed, name, order, size = case
    corpus = images(seed)
    _, source = opened(corpus, size, name, permutation=order)
    places = mnist.permutation(order)

    def wanted(images, digits):
        return sorted((one.tobytes(), digit) for one, digit in zip(images, digits, strict=True))

    epoch = [
        one
        for step in range(source.steps_per_epoch)
        for one in flat(source.training(seed, step), places)
    ]
    assert wanted(corpus.train_images[:12], corpus.train_labels[:12]) == sorted(epoch)
    held = {
        "validation": wanted(corpus.train_images[12:], corpus.train_labels[12:]),
        "test": wanted(corpus.test_images, corpus.test_labels),
    }
    for split in SPLITS:
        found = [one for b in source.evaluation(split) for one in flat(b, places)]
        assert held[split] == sorted(found)


def test_pixels_are_shares_of_white_in_reading_order():
    """784 steps of one pixel, or 28 of 28, between 0 and 1."""
    corpus = images(0)
    for name, shape in (("mnist-pixels", (784, 1)), ("mnist-rows", (28, 28))):
        _, source = opened(corpus, 100, name)
        batch = next(iter(source.evaluation("test")))
        assert np.allclose(batch.inputs[:, 0], corpus.test_images[0].reshape(shape) / 255)


@pytest.mark.parametrize("name", mnist.PERMUTATIONS)
def test_permutations_are_permutations(name):
    """Of all 784 pixels."""
    assert list(range(784)) == sorted(mnist.permutation(name))


def test_permutations_are_the_conventional_ones():
    """Bit reversal by writing numbers down; the others by the seeds that name them."""
    backward = sorted(range(784), key=lambda k: f"{k:010b}"[::-1])
    assert backward == mnist.permutation("bit-reversal").tolist()
    for name, seed in (("rru", 0), ("92916", 92916)):
        legacy = np.random.RandomState(seed).permutation(784)
        assert legacy.tolist() == mnist.permutation(name).tolist()
    # pinned, since a result is comparable only under one permutation
    assert mnist.permutation("bit-reversal")[:5].tolist() == [0, 512, 256, 768, 128]
    assert mnist.permutation("rru")[:5].tolist() == [693, 85, 647, 392, 765]


def test_a_permutation_may_come_from_a_command_line():
    """92916 as a number, none as None."""
    assert get_task("mnist-rows", permutation=92916).permutation == "92916"
    assert get_task("mnist-rows", permutation=None).permutation == "none"
    assert task_options("permuted-mnist-pixels")["permutation"] == "rru"
    assert task_options("mnist-pixels")["permutation"] == "none"


def test_limits_keep_the_first_images():
    """Of training, and of both held-out splits."""
    corpus = images(0)
    _, source = opened(corpus, 4, train_limit=5, evaluation_limit=3)
    seen = [
        flat(source.training(0, step), np.arange(784)) for step in range(source.steps_per_epoch)
    ]
    assert {one.tobytes() for one in corpus.train_images[:5]} == {i for b in seen for i, _ in b}
    held = {"validation": corpus.train_images[12:15], "test": corpus.test_images[:3]}
    for split, first in held.items():
        found = {i for b in source.evaluation(split) for i, _ in flat(b, np.arange(784))}
        assert {one.tobytes() for one in first} == found


def test_ignorance_is_the_majority_digit():
    """In percent."""
    corpus = images(3)
    task, source = opened(corpus)
    counts = np.bincount(corpus.train_labels[:12])
    assert task.ignorance(source) == pytest.approx(
        100 * np.mean(corpus.test_labels == counts.argmax())
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"permutation": "random"},
            "permutation: expected one of none, rru, bit-reversal, 92916, got",
        ),
        ({"train_limit": 0}, "train_limit: expected a whole number of at least 1, got 0"),
    ],
)
def test_bad_options(options, message):
    """Each is named, with what was expected."""
    with pytest.raises(StudyError, match=message):
        get_task("mnist-rows", **options)


def test_the_real_splits(real):
    """50,000 / 10,000 / 10,000; always answering 1 is right for 1,135 test images."""
    task, source = opened(real("mnist"), 64)
    assert len(source.train.digits) == 50_000
    assert source.steps_per_epoch == 782
    assert [10_000, 10_000] == [len(source.held_out[split].digits) for split in SPLITS]
    assert task.ignorance(source) == pytest.approx(11.35)
