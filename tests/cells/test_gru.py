"""The plain GRU against torch, a transcription of its equations, and its claims."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.gru import GRU, GRUState

Array = np.ndarray[Any, np.dtype[np.float64]]


def sigmoid(a: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    n_b=st.sampled_from((0, 1, 2)),
    diagonal=st.booleans(),
    reset=st.sampled_from(("after", "before")),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=50, deadline=None)
def test_equals_the_printed_equations(
    sizes: tuple[int, int], n_b: int, diagonal: bool, reset: str, seed: int
) -> None:
    """The step is h' = z h + (1 − z) n with the reset gate before or after the product U_n."""
    rng = np.random.default_rng(seed)
    cell = GRU(
        *sizes,
        n_b=n_b,
        diagonal=diagonal,
        reset=reset,
    ).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    width = sizes[1]
    x, h = rng.standard_normal((2, sizes[0])), rng.standard_normal((2, width))

    def part(name: str, k: int) -> Array:
        zero = np.zeros(3 * width)
        out: Array = p.get(name, zero)[k * width : (k + 1) * width]
        return out

    def product(k: int, v: Array) -> Array:
        u = part("weight_hh", k)
        out: Array = v * u if diagonal else v @ u.T
        return out

    def inputs(k: int) -> Array:
        out: Array = x @ part("weight_ih", k).T + part("bias_ih", k)
        return out

    r = sigmoid(inputs(0) + product(0, h) + part("bias_hh", 0))
    z = sigmoid(inputs(1) + product(1, h) + part("bias_hh", 1))
    if reset == "after":
        n = np.tanh(inputs(2) + r * (product(2, h) + part("bias_hh", 2)))
    else:
        n = np.tanh(inputs(2) + product(2, r * h) + part("bias_hh", 2))
    actual = cell.step(torch.from_numpy(x), GRUState(torch.from_numpy(h)))
    np.testing.assert_allclose(z * h + (1 - z) * n, actual.hidden.detach().numpy(), atol=1e-12)
    assert torch.equal(actual.hidden, cell.readout(actual))


@given(sizes=st.tuples(st.integers(1, 5), st.integers(1, 6)), seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_equals_torch_on_copied_weights(sizes: tuple[int, int], seed: int) -> None:
    """torch.nn.GRUCell's state dict loads as it is and gives the same step."""
    torch.manual_seed(seed)
    theirs = torch.nn.GRUCell(*sizes).double()
    ours = GRU(*sizes).double()
    ours.load_state_dict(theirs.state_dict())
    x, h = torch.randn(3, sizes[0]).double(), torch.randn(3, sizes[1]).double()
    torch.testing.assert_close(ours.step(x, GRUState(h)).hidden, theirs(x, h), rtol=0, atol=1e-14)


def test_second_candidate_bias_is_not_redundant_after_the_reset() -> None:
    """Moving b'_n into b_n changes the "after" cell, and leaves the "before" cell as it is."""
    torch.manual_seed(0)
    for reset, same in (("after", False), ("before", True)):
        two = GRU(2, 3, reset=reset).double()
        one = GRU(2, 3, reset=reset, n_b=1).double()
        with torch.no_grad():
            one.weight_ih.copy_(two.weight_ih)
            one.weight_hh.copy_(two.weight_hh)
            one.bias_ih.copy_(two.bias_ih + two.bias_hh)
        x, state = torch.randn(2).double(), GRUState(torch.randn(3).double())
        assert same == torch.allclose(two.step(x, state).hidden, one.step(x, state).hidden)


def test_reset_orders_coincide_for_diagonal_weights_without_a_second_bias() -> None:
    """Since u (r h) = r (u h), only b'_n tells the two orders apart where U is diagonal."""
    torch.manual_seed(0)
    after, before = (
        GRU(2, 3, reset=reset, n_b=1, diagonal=True).double() for reset in ("after", "before")
    )
    before.load_state_dict(after.state_dict())
    x, state = torch.randn(2).double(), GRUState(torch.randn(3).double())
    torch.testing.assert_close(after.step(x, state).hidden, before.step(x, state).hidden)


@pytest.mark.parametrize("n_b", [0, 1, 2])
def test_parameter_count_is_the_formula(n_b: int) -> None:
    """3H(D + H + n_b), and 3H(D + 1 + n_b) with diagonal recurrent weights."""
    for d, h in ((1, 1), (3, 2), (2, 7)):
        for diagonal in (False, True):
            cell = GRU(d, h, n_b=n_b, diagonal=diagonal)
            expected = 3 * h * (d + (1 if diagonal else h) + n_b)
            assert expected == sum(p.numel() for p in cell.parameters())


@given(seed=st.integers(0, 2**31), scale=st.sampled_from((1.0, 30.0)))
@settings(max_examples=15, deadline=None)
def test_state_never_leaves_the_unit_ball(seed: int, scale: float) -> None:
    """From |h_0| ≤ 1, |h_t| ≤ 1 for every parameter and input, up to rounding of z + (1 − z)."""
    torch.manual_seed(seed)
    cell = cells.get("gru")(2, 4).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.mul_(scale)
    xs = scale * torch.randn(50, 2).double()
    ys, _ = cells.unroll(cell, xs, GRUState(2 * torch.rand(4).double() - 1))
    assert float(ys.detach().abs().max()) <= 1 + 1e-12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": 0, "hidden_size": 2}, "input_size: expected an integer of at least 1"),
        ({"input_size": 2, "hidden_size": 0}, "hidden_size: expected an integer of at least 1"),
        ({"input_size": 2, "hidden_size": 2, "n_b": 3}, "n_b: expected 0, 1 or 2"),
        (
            {"input_size": 2, "hidden_size": 2, "reset": "never"},
            "reset: expected one of 'after', 'before'",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    """Each wrong knob is named with what was expected."""
    with pytest.raises(ValueError, match=message):
        GRU(**arguments)
