"""The plain LSTM against torch, a transcription of its equations, and its claims."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.lstm import LSTM, LSTMState

Array = np.ndarray[Any, np.dtype[np.float64]]


def sigmoid(a: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    n_b=st.sampled_from((0, 1, 2)),
    diagonal=st.booleans(),
    forget_offset=st.sampled_from((0.0, 1.0, -2.33)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_printed_equations(
    sizes: tuple[int, int], n_b: int, diagonal: bool, forget_offset: float, seed: int
) -> None:
    """The step is c' = f c + i g and h' = o tanh(c'), gates stacked i, f, g, o, φ inside the forget gate."""
    rng = np.random.default_rng(seed)
    cell = LSTM(
        *sizes,
        n_b=n_b,
        diagonal=diagonal,
        forget_offset=forget_offset,
    ).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    width = sizes[1]
    x, h, c = (rng.standard_normal((2, n)) for n in (sizes[0], width, width))

    def affine(k: int) -> Array:
        at = slice(k * width, (k + 1) * width)
        u = p["weight_hh"][at]
        state = h * u if diagonal else h @ u.T
        biases = sum(p[b][at] for b in ("bias_ih", "bias_hh") if b in p)
        out: Array = x @ p["weight_ih"][at].T + state + biases
        return out

    i, f = sigmoid(affine(0)), sigmoid(affine(1) + forget_offset)
    expected_c = f * c + i * np.tanh(affine(2))
    expected_h = sigmoid(affine(3)) * np.tanh(expected_c)
    actual = cell.step(torch.from_numpy(x), LSTMState(torch.from_numpy(h), torch.from_numpy(c)))
    np.testing.assert_allclose(expected_c, actual.cell.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(expected_h, actual.hidden.detach().numpy(), atol=1e-12)
    assert torch.equal(actual.hidden, cell.readout(actual))


@given(sizes=st.tuples(st.integers(1, 5), st.integers(1, 6)), seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_equals_torch_on_copied_weights(sizes: tuple[int, int], seed: int) -> None:
    """torch.nn.LSTMCell's state dict loads as it is and gives the same step."""
    torch.manual_seed(seed)
    theirs = torch.nn.LSTMCell(*sizes).double()
    ours = LSTM(*sizes).double()
    ours.load_state_dict(theirs.state_dict())
    x, h, c = (torch.randn(3, n).double() for n in (sizes[0], sizes[1], sizes[1]))
    expected = theirs(x, (h, c))
    actual = ours.step(x, LSTMState(h, c))
    for e, a in zip(expected, actual, strict=True):
        torch.testing.assert_close(a, e, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_b", [0, 1, 2])
def test_parameter_count_is_the_formula(n_b: int) -> None:
    """4H(D + H + n_b), and 4H(D + 1 + n_b) with diagonal recurrent weights."""
    for d, h in ((1, 1), (3, 2), (2, 7)):
        for diagonal in (False, True):
            cell = LSTM(d, h, n_b=n_b, diagonal=diagonal)
            expected = 4 * h * (d + (1 if diagonal else h) + n_b)
            assert expected == sum(p.numel() for p in cell.parameters())


def test_units_of_the_diagonal_cell_never_mix() -> None:
    """Moving one unit of the state moves no other unit one step later."""
    cell = cells.get("lstm-diag")(2, 4).double()
    x = torch.randn(2).double()
    start = LSTMState(torch.randn(4).double(), torch.randn(4).double())

    def step(h: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = cell.step(x, LSTMState(h, start.cell)).cell
        return out

    jacobian = torch.func.jacrev(step)(start.hidden)
    assert torch.equal(jacobian, torch.diag(torch.diagonal(jacobian)))


def test_cell_state_grows_by_one_per_step_when_the_forget_gate_is_open() -> None:
    """The growth law that the denial names: large biases make |c_t| = t."""
    cell = LSTM(1, 1).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias_ih.fill_(40.0)
    _, last = cells.unroll(cell, torch.zeros(100, 1).double())
    torch.testing.assert_close(last.cell, torch.tensor([100.0]).double())


def test_moderate_biases_settle_below_the_bound_of_one_minus_f() -> None:
    """With biases 1 in every block c converges: each fixed parameter vector is bounded."""
    cell = LSTM(1, 1).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias_ih.fill_(1.0)
    _, last = cells.unroll(cell, torch.zeros(1000, 1).double())
    fixed_point = sigmoid(np.array(1.0)) * np.tanh(1) / sigmoid(np.array(-1.0))
    assert fixed_point == pytest.approx(last.cell.item(), abs=1e-9)
    assert fixed_point == pytest.approx(2.070, abs=5e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": 0, "hidden_size": 2}, "input_size: expected an integer of at least 1"),
        ({"input_size": 2, "hidden_size": 0}, "hidden_size: expected an integer of at least 1"),
        ({"input_size": 2, "hidden_size": 2, "n_b": 3}, "n_b: expected 0, 1 or 2"),
        (
            {"input_size": 2, "hidden_size": 2, "forget_offset": float("nan")},
            "forget_offset: expected a finite number",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    """Each wrong knob is named with what was expected."""
    with pytest.raises(ValueError, match=message):
        LSTM(**arguments)
