"""Metrics against NumPy: what a number in a table means."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studies.core import metric as m

ALL = [value for value in vars(m).values() if isinstance(value, m.Metric)]


def softmax(values):
    """Probabilities of logits."""
    shifted = np.exp(values - values.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 6))
def test_scores_are_what_their_names_say(seed, classes, count):
    """Independent transcription."""
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(size=(count, classes)) * 3, rng.integers(0, classes, count)
    chosen = softmax(logits)[np.arange(count), targets]
    given_ = torch.tensor(logits), torch.tensor(targets)
    np.testing.assert_allclose(m.cross_entropy(*given_), -np.log(chosen), rtol=1e-9)
    np.testing.assert_allclose(m.target_probability(*given_), chosen, rtol=1e-9)
    np.testing.assert_allclose(m.correct(*given_), 100 * (logits.argmax(-1) == targets))
    notes = rng.integers(0, 2, (count, classes)).astype(float)
    p = 1 / (1 + np.exp(-logits))
    nll = -(notes * np.log(p) + (1 - notes) * np.log(1 - p)).sum(-1)
    np.testing.assert_allclose(m.bernoulli_nll(given_[0], torch.tensor(notes)), nll, rtol=1e-9)
    np.testing.assert_allclose(
        m.squared_error(given_[0][:, :1], torch.tensor(logits[:, 1])),
        (logits[:, 0] - logits[:, 1]) ** 2,
    )


def test_units():
    """Perplexity, bits and nats of one uniform guess among k."""
    assert m.PERPLEXITY.finish(math.log(50)) == pytest.approx(50)
    assert m.BITS_PER_CHARACTER.finish(math.log(32)) == pytest.approx(5)
    assert m.PERPLEXITY.finish(1e6) == math.inf


@pytest.mark.parametrize("metric", ALL, ids=lambda one: one.name)
def test_nan_is_never_an_improvement(metric):
    """Nor is the worst value; every finite one improves on it."""
    assert metric.improves(1.0, metric.worst)
    assert not metric.improves(math.nan, metric.worst)
    assert not metric.improves(metric.worst, 1.0)
