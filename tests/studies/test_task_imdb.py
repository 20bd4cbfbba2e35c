"""The IMDB task on tiny reviews, and the real ones' counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studies.core.errors import StudyError
from studies.core.registry import get_task
from studies.data.corpora.imdb import Imdb, Reviews
from studies.tasks import imdb
from tests.studies.task_laws import SPLITS, assert_lawful, assert_replicates_agree_in_length


def reviews(generator, count, longest=9, words=30):
    """Random reviews that begin with 1, no two of them alike."""
    texts = [
        [1, *generator.integers(4, words, generator.integers(0, longest)), 4 + k % 26, 4 + k // 26]
        for k in range(count)
    ]
    starts = np.cumsum([0, *map(len, texts)])
    labels = generator.integers(0, 2, count).astype(np.uint8)
    return Reviews(np.concatenate(texts).astype(np.int32), starts, labels)


def corpus(seed, train=21, test=8):
    """Both halves."""
    generator = np.random.default_rng(seed)
    return Imdb(reviews(generator, train), reviews(generator, test))


def opened(data, batch_size=3, **options):
    """The task and its source, with ``data`` in place of the files."""
    task = get_task("imdb", **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imdb, "read", lambda *_: data)
        return task, task.open(batch_size=batch_size)


def expected(part, rows, length, vocabulary):
    """Words and label of each review: the last ones, the rare ones as 2."""
    cut = [[w if w < vocabulary else 2 for w in part.review(i)][-length:] for i in rows]
    return sorted((words, int(part.labels[i])) for words, i in zip(cut, rows, strict=True))


def read_off(batches):
    """The same, from batches."""
    return sorted(
        (b.inputs[: b.lengths[k], k].tolist(), int(b.targets[k]))
        for b in batches
        for k in range(len(b.targets))
    )


cases = st.tuples(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 12), st.integers(5, 40))


@given(cases)
def test_laws(case):
    """Purity, shapes, types, zeros after the last word; replicates read batches of one length."""
    seed, size, length, vocabulary = case
    sources = [
        opened(corpus(seed), size, length=length, vocabulary=vocabulary)[1] for _ in range(2)
    ]
    assert_lawful(*sources)
    assert_replicates_agree_in_length(sources[0])


@given(cases)
def test_every_review_once_and_splits_apart(case):
    """The first reviews train, the last ones validate; cut at the front, and rare words unknown."""
    seed, size, length, vocabulary = case
    data = corpus(seed)
    _, source = opened(data, size, length=length, vocabulary=vocabulary)
    epoch = [source.training(seed, k) for k in range(source.steps_per_epoch)]
    assert expected(data.train, range(11), length, vocabulary) == read_off(epoch)
    held = {
        "validation": expected(data.train, range(11, 21), length, vocabulary),
        "test": expected(data.test, range(8), length, vocabulary),
    }
    for split in SPLITS:
        assert held[split] == read_off(source.evaluation(split))


@given(st.floats(0, 0.99), st.integers(0, 1000))
def test_the_loss_is_the_cross_entropy_to_smoothed_labels(smoothing, seed):
    """Written out for two classes."""
    task = get_task("imdb", smoothing=smoothing)
    generator = np.random.default_rng(seed)
    outputs, targets = generator.normal(size=(5, 2)), generator.integers(0, 2, 5)
    logs = outputs - np.log(np.exp(outputs).sum(1, keepdims=True))
    wanted = np.full((5, 2), smoothing / 2)
    wanted[np.arange(5), targets] += 1 - smoothing
    loss = task.loss(torch.as_tensor(outputs), torch.as_tensor(targets))
    assert np.allclose(-(wanted * logs).sum(1), loss)


def test_limits_keep_the_first_reviews():
    """Of training, and of both held-out splits."""
    data = corpus(0)
    _, source = opened(data, 4, train_limit=5, evaluation_limit=3)
    epoch = [source.training(0, k) for k in range(source.steps_per_epoch)]
    assert expected(data.train, range(5), 500, 10_000) == read_off(epoch)
    assert expected(data.train, range(11, 14), 500, 10_000) == read_off(
        source.evaluation("validation")
    )
    assert expected(data.test, range(3), 500, 10_000) == read_off(source.evaluation("test"))


def test_ignorance_is_the_majority():
    """In percent."""
    data = corpus(5)
    task, source = opened(data)
    most = np.bincount(data.train.labels[:11]).argmax()
    assert task.ignorance(source) == pytest.approx(100 * np.mean(data.test.labels == most))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length: expected a whole number of at least 1, got 0"),
        ({"vocabulary": 2}, "vocabulary: expected a whole number of at least 3, got 2"),
        ({"smoothing": 1}, "smoothing: expected a number of at least 0 and below 1, got 1"),
        ({"train_limit": 0}, "train_limit: expected a whole number of at least 1, got 0"),
        (
            {"evaluation_limit": 0.5},
            "evaluation_limit: expected a whole number of at least 1, got 0.5",
        ),
    ],
)
def test_bad_options(options, message):
    """Each is named, with what was expected."""
    with pytest.raises(StudyError, match=message):
        get_task("imdb", **options)


def test_the_real_reviews(real):
    """20,000 / 5,000 / 25,000, half of each positive; none longer than 500 words."""
    task, source = opened(real("imdb"), 64)
    parts = [source.train, *source.held_out.values()]
    assert [20_000, 5_000, 25_000] == [len(part.labels) for part in parts]
    assert [0.5, 0.5, 0.5] == [part.labels.mean() for part in parts]
    assert [500, 500, 500] == [part.lengths.max() for part in parts]
    assert task.ignorance(source) == pytest.approx(50)
