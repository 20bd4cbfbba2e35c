"""What ignorance scores, against other ways to compute it and against published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from studies import baselines

pieces = st.lists(
    hnp.arrays(np.uint8, st.tuples(st.integers(2, 30), st.just(5)), elements=st.integers(0, 1)),
    min_size=1,
    max_size=4,
)


@given(train=pieces, test=pieces)
def test_the_pooled_likelihood_is_a_sum_over_notes(train, test):
    """Written out: Laplace's rule for each note, the binary cross-entropies summed, the frames averaged."""
    p = baselines.note_frequencies(train)
    frames = sum(map(len, train))
    total = count = 0.0
    for piece in test:
        for frame in piece:
            count += 1
            for note in range(5):
                on = (sum(int(one[:, note].sum()) for one in train) + 1) / (frames + 2)
                total -= math.log(on if frame[note] else 1 - on)
    assert total / count == pytest.approx(baselines.pooled_nll(p, test))


@given(train=pieces)
def test_frequencies_are_best_where_they_were_counted(train):
    """No other constant prediction has a higher likelihood on many copies of the training set."""
    many = [np.concatenate(train)] * 300
    p = baselines.note_frequencies(many)
    least = baselines.pooled_nll(p, many)
    for other in (0.9 * p, 0.9 * p + 0.1, np.full(5, 0.5)):
        assert least <= baselines.pooled_nll(other, many) + 1e-2


def test_the_first_frame_may_not_count():
    """In TCN's rule nothing predicts it."""
    p = np.array([0.25])
    piece = np.array([[1], [0], [0]], np.uint8)
    assert -math.log(0.75) == pytest.approx(baselines.pooled_nll(p, [piece, piece], first=False))


def test_windows_by_hand():
    """Rests vanish, a window counts by its own mean, and a batch of 16 as much as the rest of 17."""
    p = np.array([0.25, 0.5])
    on, off = np.array([[1, 0]]), np.array([[0, 1]])
    nll_on, nll_off = -math.log(0.125), -math.log(0.375)
    rests = np.zeros((7, 2), int)
    # 202 sounding frames: 200 targets, and a second window with one
    long = np.concatenate([np.repeat(on, 150, axis=0), rests, np.repeat(off, 52, axis=0)])
    first = (149 * nll_on + 51 * nll_off) / 200
    assert (first + nll_off) / 2 == pytest.approx(baselines.windowed_nll(p, [long]))
    short = np.concatenate([off, on])
    lone = np.concatenate([on, rests])  # one sounding frame: nothing to predict
    many = [short] * 16 + [lone] + [np.concatenate([on, off])] * 17
    assert (nll_on + nll_off) / 2 == pytest.approx(baselines.windowed_nll(p, many))


@pytest.mark.parametrize(
    ("name", "pooled", "targets", "windows"),
    [
        ("jsb-chorales", 11.061, 11.093, 11.003),
        ("nottingham", 10.252, 10.261, 10.245),
        ("musedata", 11.510, 11.514, 12.029),
        ("piano-midi", 11.046, 11.052, 11.286),
    ],
)
def test_the_note_frequencies_of_the_literature(real, name, pooled, targets, windows):
    """Boulanger-Lewandowski et al. report 11.06, 10.25, 11.51 and 11.05 for the pooled ones."""
    rolls = real(name)
    p = baselines.note_frequencies(rolls.train)
    assert pooled == pytest.approx(baselines.pooled_nll(p, rolls.test), abs=6e-4)
    assert targets == pytest.approx(baselines.pooled_nll(p, rolls.test, first=False), abs=6e-4)
    assert windows == pytest.approx(baselines.windowed_nll(p, rolls.test), abs=6e-4)


@given(classes=st.integers(1, 10_000))
def test_uniform(classes):
    """Its perplexity is the number of classes."""
    assert classes == pytest.approx(math.exp(baselines.uniform_nll(classes)))


def test_uniform_needs_a_class():
    """The logarithm of nothing is no score."""
    with pytest.raises(ValueError, match="expected at least one class, got 0"):
        baselines.uniform_nll(0)


def test_unigram_by_hand():
    """Counts 3, 1, 0 raised by one: 4, 2, 1 of 7."""
    train, test = np.array([0, 0, 1, 0]), np.array([0, 2])
    expected = -(math.log(4 / 7) + math.log(1 / 7)) / 2
    assert expected == pytest.approx(baselines.unigram_nll(train, test, 3))


def test_unigram_beats_uniform_on_real_text(real):
    """Words far more than characters."""
    treebank = real("ptb")
    for tokens in (treebank.words, treebank.characters):
        classes = len(tokens.vocabulary)
        score = baselines.unigram_nll(tokens.train, tokens.test, classes)
        assert score < 0.8 * baselines.uniform_nll(classes)


@given(
    labels=st.lists(st.integers(0, 3), min_size=1),
    evaluated=st.lists(st.integers(0, 3), min_size=1),
)
def test_majority_class(labels, evaluated):
    """The most frequent label of training, the least of several."""
    best = max(range(4), key=lambda label: (labels.count(label), -label))
    expected = evaluated.count(best) / len(evaluated)
    assert expected == pytest.approx(baselines.majority_class_accuracy(labels, evaluated))


def test_majority_class_of_mnist_is_one(real):
    """1,135 of the 10,000 test digits are ones, the most frequent of training."""
    mnist = real("mnist")
    assert 0.1135 == baselines.majority_class_accuracy(mnist.train_labels, mnist.test_labels)


def test_mean_predictor():
    """The variance where both sets are one; for the sum of two uniform numbers 1/6, adding's 0.167."""
    values = np.random.default_rng(0).random((200_000, 2)).sum(axis=1)
    assert values.var() == pytest.approx(baselines.mean_predictor_error(values, values))
    assert 1 / 6 == pytest.approx(baselines.mean_predictor_error(values, values), abs=2e-3)
    assert 4.5 == baselines.mean_predictor_error([[0, 2], [2, 4]], [[1, 0]])
