"""The minimal gated unit against a transcription of its equations, its count and its bound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.mgu import MGU, MGUState


def sigmoid(a):
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


def randomize(cell, rng, scale=1.0):
    """Draw every parameter from a normal distribution."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(scale * rng.standard_normal(parameter.shape)))


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    n_b=st.sampled_from((0, 1, 2)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_printed_equations(sizes, n_b, seed):
    """The step is f = σ(L_f(x, h)); h' = (1 − f) h + f tanh(W x + U (f h) + b)."""
    rng = np.random.default_rng(seed)
    cell = MGU(*sizes, n_b=n_b).double()
    randomize(cell, rng)
    x, h = rng.standard_normal((2, sizes[0])), rng.standard_normal((2, sizes[1]))

    def affine(part, v):
        p = {name: value.detach().numpy() for name, value in part.named_parameters()}
        bias = p.get("bias_ih", 0) + p.get("bias_hh", 0)
        return x @ p["weight_ih"].T + v @ p["weight_hh"].T + bias

    f = sigmoid(affine(cell.gate, h))
    expected = (1 - f) * h + f * np.tanh(affine(cell.candidate, f * h))
    actual = cell.step(torch.from_numpy(x), MGUState(torch.from_numpy(h)))
    torch.testing.assert_close(torch.from_numpy(expected), actual.hidden)
    assert torch.equal(actual.hidden, cell.readout(actual))


@pytest.mark.parametrize("n_b", [0, 1, 2])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 5), (7, 3)])
def test_count(sizes, n_b):
    """2H(D + H + n_b) parameters."""
    d, h = sizes
    assert 2 * h * (d + h + n_b) == sum(p.numel() for p in MGU(d, h, n_b=n_b).parameters())


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_the_bound_holds_at_all_weights(scale):
    """No weights take |h| beyond 1."""
    rng = np.random.default_rng(0)
    cell = MGU(2, 4).double()
    randomize(cell, rng, scale)
    xs = torch.from_numpy(1e3 * rng.uniform(-1, 1, (100, 16, 2)))
    with torch.no_grad():
        readouts, _ = cells.unroll(cell, xs)
    assert readouts.abs().max() <= 1 + 1e-12


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n_b": 3}, "n_b: expected 0, 1 or 2"),
        ({"input_size": 0}, "input_size: expected an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments(knobs, message):
    """Expected, got, remedy."""
    with pytest.raises(ValueError, match=message):
        MGU(**{"input_size": 3, "hidden_size": 4, **knobs})
