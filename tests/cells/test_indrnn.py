"""IndRNN against a transcription of its equation, its count, and where it grows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.indrnn import IndRNN, IndRNNState


def randomize(cell, rng, scale=1.0):
    """Draw every parameter from a normal distribution."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(scale * rng.standard_normal(parameter.shape)))


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    nonlinearity=st.sampled_from(("relu", "tanh")),
    n_b=st.sampled_from((0, 1, 2)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_printed_equation(sizes, nonlinearity, n_b, seed):
    """The step is h' = φ(W x + u ⊙ h + b)."""
    rng = np.random.default_rng(seed)
    cell = IndRNN(*sizes, nonlinearity=nonlinearity, n_b=n_b).double()
    randomize(cell, rng)
    p = {name: value.detach().numpy() for name, value in cell.affine.named_parameters()}
    x, h = rng.standard_normal((2, sizes[0])), rng.standard_normal((2, sizes[1]))
    a = x @ p["weight_ih"].T + p["weight_hh"] * h + p.get("bias_ih", 0) + p.get("bias_hh", 0)
    expected = np.maximum(a, 0) if nonlinearity == "relu" else np.tanh(a)
    actual = cell.step(torch.from_numpy(x), IndRNNState(torch.from_numpy(h)))
    torch.testing.assert_close(torch.from_numpy(expected), actual.hidden)
    assert torch.equal(actual.hidden, cell.readout(actual))


@pytest.mark.parametrize("n_b", [0, 1, 2])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 5), (7, 3)])
def test_count(sizes, n_b):
    """H(D + 1 + n_b) parameters."""
    d, h = sizes
    assert h * (d + 1 + n_b) == sum(p.numel() for p in IndRNN(d, h, n_b=n_b).parameters())


def test_tanh_is_bounded_and_relu_multiplies():
    """At weights of 2, tanh stays below 1 and ReLU doubles its state every step."""
    last = {}
    for nonlinearity in ("tanh", "relu"):
        cell = IndRNN(1, 1, nonlinearity=nonlinearity).double()
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter.fill_(2.0)
            last[nonlinearity] = cells.unroll(cell, torch.ones(40, 1).double())[0][-2:].flatten()
    assert last["tanh"].max() <= 1
    assert 1e12 < last["relu"][1]
    # h' = 2h + 4 has the solution 4(2^t − 1)
    assert [4.0 * (2**39 - 1), 4.0 * (2**40 - 1)] == last["relu"].tolist()


def test_initialization():
    """Everything is drawn from U(±1/√H), which keeps |u| below 1."""
    part = IndRNN(2, 400, generator=torch.Generator().manual_seed(0)).affine
    for parameter in part.parameters():
        assert 0.98 / 20 < parameter.abs().max() <= 1 / 20


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"nonlinearity": "elu"}, "nonlinearity: expected one of 'relu', 'tanh', got 'elu'"),
        ({"n_b": 3}, "n_b: expected 0, 1 or 2"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments(knobs, message):
    """Expected, got, remedy."""
    with pytest.raises(ValueError, match=message):
        IndRNN(**{"input_size": 3, "hidden_size": 4, **knobs})
