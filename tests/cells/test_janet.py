"""JANET against a transcription of its equations, its count, its chrono biases and its bound e^β."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.janet import JANET, JANETState


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
    beta=st.sampled_from((-1.0, 0.0, 1.0, 2.5)),
    n_b=st.sampled_from((0, 1, 2)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_printed_equations(sizes, beta, n_b, seed):
    """The step is h' = σ(a) h + (1 − σ(a − β)) tanh(·), the complement as the paper writes it."""
    rng = np.random.default_rng(seed)
    cell = JANET(*sizes, beta=beta, n_b=n_b).double()
    randomize(cell, rng)
    p = {name: value.detach().numpy() for name, value in cell.affine.named_parameters()}
    x, h = rng.standard_normal((2, sizes[0])), rng.standard_normal((2, sizes[1]))
    zero = np.zeros(2 * sizes[1])
    a = x @ p["weight_ih"].T + h @ p["weight_hh"].T
    a += p.get("bias_ih", zero) + p.get("bias_hh", zero)
    s, c = a[:, : sizes[1]], a[:, sizes[1] :]
    expected = sigmoid(s) * h + (1 - sigmoid(s - beta)) * np.tanh(c)
    actual = cell.step(torch.from_numpy(x), JANETState(torch.from_numpy(h)))
    torch.testing.assert_close(torch.from_numpy(expected), actual.hidden)
    assert torch.equal(actual.hidden, cell.readout(actual))


@pytest.mark.parametrize("n_b", [0, 1, 2])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 5), (7, 3)])
def test_count(sizes, n_b):
    """2H(D + H + n_b) parameters."""
    d, h = sizes
    assert 2 * h * (d + h + n_b) == sum(p.numel() for p in JANET(d, h, n_b=n_b).parameters())


@pytest.mark.parametrize("beta", [-2.0, 0.0, 0.5, 1.0])
def test_the_bound_holds_and_is_approached(beta):
    """No weights take |h| beyond e^max(β, 0), and a constant drive with a wide open gate gets near."""
    rng = np.random.default_rng(0)
    bound = math.exp(max(beta, 0.0))
    claimed = {c.property: c.bound for c in JANET(1, 1, beta=beta).claims}
    assert bound == claimed["bounded-state"] == claimed["bounded-decoder"]
    for scale in (1.0, 10.0, 100.0):
        cell = JANET(2, 4, beta=beta).double()
        randomize(cell, rng, scale)
        xs = torch.from_numpy(1e3 * rng.uniform(-1, 1, (100, 16, 2)))
        with torch.no_grad():
            readouts, _ = cells.unroll(cell, xs)
        assert readouts.abs().max() <= bound * (1 + 1e-12)
    cell = JANET(1, 1, beta=beta).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.affine.bias_ih.copy_(torch.tensor([5.0, 50.0]))
        readouts, _ = cells.unroll(cell, torch.zeros(2000, 1).double())
    assert 0.95 * math.exp(beta) < readouts[-1].item() <= bound


def test_the_forget_bias_is_one_or_chrono():
    """Without ``t_max`` b_f = 1; with it b_f = log v, v in [1, t_max − 1]; b_c and a second bias are 0."""
    plain = JANET(3, 200, n_b=2).affine
    assert torch.equal(torch.ones(200), plain.bias_ih[:200])
    chrono = JANET(3, 200, n_b=2, t_max=50, generator=torch.Generator().manual_seed(1)).affine
    v = chrono.bias_ih[:200].exp()
    assert 1 <= v.min() < v.max() <= 49 * (1 + 1e-6)
    assert 20 < v.mean() < 30
    for part in (plain, chrono):
        assert not part.bias_ih[200:].any()
        assert not part.bias_hh.any()


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"t_max": 2}, "t_max: expected a longest dependency above 2 steps.*got 2"),
        ({"t_max": float("nan")}, "t_max: expected a longest dependency above 2 steps.*got nan"),
        ({"t_max": 9, "n_b": 0}, "t_max: chrono initialization needs a stored forget bias"),
        ({"beta": float("inf")}, "beta: expected a number from -100 to 100, got inf"),
        ({"n_b": 3}, "n_b: expected 0, 1 or 2"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments(knobs, message):
    """Expected, got, remedy."""
    with pytest.raises(ValueError, match=message):
        JANET(**{"input_size": 3, "hidden_size": 4, **knobs})
