"""Li-GRU against a transcription of its equations; batch normalization against torch; how it grows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.ligru import LiGRU, LiGRUState


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
    batch_norm=st.booleans(),
    n_b=st.sampled_from((None, 0, 1, 2)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_printed_equations(sizes, batch_norm, n_b, seed):
    """The step is h' = z h + (1 − z) ReLU(N(W x) + U h + b), N by its running statistics (eval mode)."""
    rng = np.random.default_rng(seed)
    d, width = sizes
    cell = LiGRU(d, width, batch_norm=batch_norm, n_b=n_b).double().eval()
    randomize(cell, rng)
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    x, h = rng.standard_normal((2, d)), rng.standard_normal((2, width))
    inputs = x @ p["affine.weight_ih"].T
    if batch_norm:
        mean, var = rng.standard_normal(2 * width), rng.uniform(0.1, 2, 2 * width)
        cell.norm.running_mean.copy_(torch.from_numpy(mean))
        cell.norm.running_var.copy_(torch.from_numpy(var))
        inputs = (inputs - mean) / np.sqrt(var + 1e-5) * p["norm.weight"] + p["norm.bias"]
    a = inputs + h @ p["affine.weight_hh"].T
    a = a + p.get("affine.bias_ih", 0) + p.get("affine.bias_hh", 0)
    z = sigmoid(a[:, :width])
    expected = z * h + (1 - z) * np.maximum(a[:, width:], 0)
    actual = cell.step(torch.from_numpy(x), LiGRUState(torch.from_numpy(h)))
    torch.testing.assert_close(torch.from_numpy(expected), actual.hidden)
    assert torch.equal(actual.hidden, cell.readout(actual))


@pytest.mark.parametrize("n_b", [None, 0, 1, 2])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 5), (7, 3)])
def test_count(sizes, batch_norm, n_b):
    """2H(D + H + n_b), and 4H for the gains and shifts of a batch normalization, which drops n_b to 0."""
    d, h = sizes
    biases = n_b if n_b is not None else int(not batch_norm)
    expected = 2 * h * (d + h + biases) + 4 * h * batch_norm
    cell = LiGRU(d, h, batch_norm=batch_norm, n_b=n_b)
    assert expected == sum(p.numel() for p in cell.parameters())


def test_in_eval_mode_no_example_sees_another():
    """Batch normalization with frozen statistics: one example in a batch gives what it gives alone."""
    cell = LiGRU(2, 3, batch_norm=True).double()
    xs = torch.randn(5, 4, 2, generator=torch.Generator().manual_seed(0)).double()
    cells.unroll(cell, xs)  # moves the statistics away from 0 and 1
    cell.eval()
    before = {name: value.clone() for name, value in cell.state_dict().items()}
    together, _ = cells.unroll(cell, xs)
    alone, _ = cells.unroll(cell, xs[:, 1])
    torch.testing.assert_close(alone, together[:, 1])
    assert all(torch.equal(value, cell.state_dict()[name]) for name, value in before.items())


def test_training_mode_mixes_the_batch():
    """What the docstring warns of: in training mode another example changes this one."""
    # a fixed draw: in some draws every ReLU of the first example is shut, and nothing is seen
    cell = LiGRU(2, 3, batch_norm=True, generator=torch.Generator().manual_seed(0)).double()
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).double()
    other = torch.cat((x[:3], 5 + x[3:]))
    state = cell.initial_state(4)
    assert not torch.equal(cell.step(x, state).hidden[0], cell.step(other, state).hidden[0])


def test_an_orthogonal_initialization_can_drift():
    """At one unit U is ±1: at U = 1 with the update gate turning away, h rises by a constant a step."""
    cell = LiGRU(1, 1).double()
    assert (
        1.0 == cell.affine.weight_hh.abs().min().item() == cell.affine.weight_hh.abs().max().item()
    )
    with torch.no_grad():
        cell.affine.weight_hh.copy_(torch.tensor([[-1.0], [1.0]]))
        cell.affine.weight_ih.fill_(0.5)
        readouts, _ = cells.unroll(cell, torch.ones(401, 1).double())
    rise = (readouts[400] - readouts[200]) / 200
    torch.testing.assert_close(torch.tensor([0.5]).double(), rise)


def test_a_gain_above_one_explodes():
    """With U_h = 2 and a shut update gate the state doubles."""
    cell = LiGRU(1, 1).double()
    with torch.no_grad():
        cell.affine.weight_hh.copy_(torch.tensor([[-2.0], [2.0]]))
        cell.affine.weight_ih.fill_(0.5)
        readouts, _ = cells.unroll(cell, torch.ones(50, 1).double())
    assert 1e12 < readouts[-1].item()
    torch.testing.assert_close(2 * readouts[-2] + 0.5, readouts[-1])


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n_b": 3}, "n_b: expected 0, 1 or 2"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments(knobs, message):
    """Expected, got, remedy."""
    with pytest.raises(ValueError, match=message):
        LiGRU(**{"input_size": 3, "hidden_size": 4, **knobs})


def test_training_on_one_example_is_refused():
    """One example has no variance."""
    cell = LiGRU(2, 3, batch_norm=True)
    with pytest.raises(
        ValueError, match="at least 2 examples at a step; pass a batch or call eval"
    ):
        cell.step(torch.zeros(2), cell.initial_state())
