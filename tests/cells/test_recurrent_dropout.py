"""Recurrent dropout: only the candidate is masked, and only in training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.parts.recurrent_dropout import RecurrentDropout

NAMES = ("lstm", "lstm-tied", "ur-lstm", "gru", "om-gru")


def field_of(name: str) -> str:
    """The field that carries the past."""
    return "cell" if "lstm" in name else "hidden"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scope", ["step", "sequence"])
def test_evaluation_ignores_it(name: str, scope: str) -> None:
    """In eval mode outputs equal those of the same cell without dropout."""
    torch.manual_seed(0)
    plain = cells.get(name)(2, 3).eval()
    dropped = cells.get(name)(2, 3, dropout=0.6, mask_scope=scope).eval()
    dropped.load_state_dict(plain.state_dict())
    xs = torch.randn(6, 4, 2)
    assert torch.equal(cells.unroll(plain, xs)[0], cells.unroll(dropped, xs)[0])


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**31), p=st.sampled_from((0.1, 0.5, 0.8)))
@settings(max_examples=8, deadline=None)
def test_what_is_written_is_zero_or_scaled_up(name: str, seed: int, p: float) -> None:
    """A training step is keep·old + write·candidate·m/(1−p), with m 0 or 1 unit by unit."""
    torch.manual_seed(seed)
    cell = cells.get(name)(2, 5, dropout=p).double()
    state = cell.initial_state(3)
    state = state._replace(**{f: torch.randn(3, 5).double() for f in state._fields})
    x, field = torch.randn(3, 2).double(), field_of(name)
    keep, _ = cell.gate_values(x, state)
    kept = keep * getattr(state, field)
    trained = getattr(cell.step(x, state), field) - kept
    whole = getattr(cell.eval().step(x, state), field) - kept
    dropped = trained.abs() < 1e-12
    torch.testing.assert_close(
        trained, torch.where(dropped, torch.zeros_like(whole), whole / (1 - p)), atol=1e-12, rtol=0
    )


def test_share_of_dropped_units_is_the_probability() -> None:
    """Over many units the mean is kept and the share of zeros is p, in both scopes."""
    torch.manual_seed(0)
    ones = torch.ones(100_000)
    for scope in ("step", "sequence"):
        part = RecurrentDropout(0.3, scope)
        out = part(ones, part.draw(ones))
        assert 0.3 == pytest.approx(float((out == 0).float().mean()), abs=0.01)
        assert 1.0 == pytest.approx(float(out.mean()), abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_sequence_mask_is_state_and_the_step_is_pure(name: str) -> None:
    """One mask lasts the sequence, two calls agree, and new sequences and rows draw anew."""
    torch.manual_seed(0)
    cell = cells.get(name)(2, 50, dropout=0.5, mask_scope="sequence")
    xs = torch.randn(5, 4, 2)
    start = cell.initial_state(4)
    assert torch.bool == start.mask.dtype
    first, last = cells.unroll(cell, xs, start)
    again, _ = cells.unroll(cell, xs, start)
    assert torch.equal(first, again)
    assert torch.equal(start.mask, last.mask)
    assert not torch.equal(start.mask[0], start.mask[1])
    assert not torch.equal(start.mask, cell.initial_state(4).mask)
    assert bool(cell.eval().initial_state(4).mask.all())


@pytest.mark.parametrize("name", NAMES)
def test_mask_takes_no_part_in_the_flat_state(name: str) -> None:
    """A boolean field is neither in the Jacobian nor lost by raveling."""
    cell = cells.get(name)(2, 3, dropout=0.5, mask_scope="sequence")
    state = cell.initial_state()
    layout = cells.Layout.of(state)
    assert sum(f.name == "mask" for f in layout.fields) == 0
    assert torch.equal(state.mask, layout.unravel(layout.ravel(state), state).mask)
    cells.describe(cell)


@pytest.mark.parametrize("name", ["lstm-tied", "ur-lstm", "gru", "om-gru"])
def test_training_states_stay_below_the_scaled_bound(name: str) -> None:
    """The claim's bound is 1/(1−p), and training comes close to it without passing."""
    torch.manual_seed(0)
    cell = cells.get(name)(2, 20, dropout=0.75).double()
    assert 4.0 == cells.describe(cell).claim("bounded-state", "all-weights").bound
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.mul_(20)
    state, largest = cell.initial_state(8), 0.0
    for x in 20 * torch.randn(40, 8, 2).double():
        state = cell.step(x, state)
        largest = max(largest, float(getattr(state, field_of(name)).detach().abs().max()))
    assert 2.0 < largest <= 4.0 + 1e-12


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        (
            {"dropout": 1.0},
            "dropout: expected a probability from 0 up to, not including, 1, got 1.0",
        ),
        ({"dropout": -0.1}, "dropout: expected a probability"),
        ({"mask_scope": "batch"}, "mask_scope: expected one of 'step', 'sequence'"),
    ],
)
def test_bad_knobs_are_refused(name: str, knobs: dict[str, Any], message: str) -> None:
    """Each wrong knob is named with what was expected."""
    with pytest.raises(ValueError, match=message):
        cells.get(name)(2, 3, **knobs)


def test_a_training_state_without_its_mask_is_refused() -> None:
    """A state made for another cell does not silently fall back to a mask per step."""
    plain = cells.get("lstm")(2, 3).initial_state()
    cell = cells.get("lstm")(2, 3, dropout=0.5, mask_scope="sequence")
    with pytest.raises(ValueError, match="mask_scope='sequence' expects the mask in the state"):
        cell.step(torch.zeros(2), plain)
