"""The replay gate: graph and cell agree in every bit for as long as the cell is honest."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import cells
from properties.proofs.replay import replay
from properties.proofs.trace import trace_step


class State(NamedTuple):
    s: Tensor


class Honest(nn.Module):
    """``change(cell, s_new) -> s_new`` may lie."""

    input_size = 2

    def __init__(self, change=lambda _cell, s: s):
        super().__init__()
        self.f = nn.Linear(2, 3)
        self.change = change
        self.calls = itertools.count()
        self.number = 0

    def initial_state(self, *batch):
        return State(torch.zeros(*batch, 3))

    def readout(self, state):
        return state.s

    def step(self, x, state):
        return State(self.change(self, state.s + torch.tanh(self.f(x) * state.s)))


@pytest.mark.parametrize("name", ["gato", "gato-2", "gru", "lstm", "eurnn", "kaf-gru", "rru"])
def test_honest_cells_pass(name):
    """The graph runs the kernels that the cell runs, in the same order: not one bit differs."""
    assert None is replay(trace_step(cells.get(name)(3, 8).eval()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_every_precision_replays(dtype):
    """Non-finite values and subnormal ones are compared as well."""
    assert None is replay(trace_step(cells.get("gato")(3, 4).to(dtype)), steps=32)


def at_call(count):
    """A change that begins with a later call; the first two calls are those of the tracer."""

    def change(cell, s):
        cell.number += 1
        return s if cell.number <= count else s * 0.5

    return change


@pytest.mark.parametrize("count", [1, 50, 127])
def test_a_change_is_found_at_the_step_where_it_happens(count):
    """Tracing leaves a counter where it was, so the step of the divergence is the counter's."""
    cell = Honest(at_call(count))
    trace = trace_step(cell)
    assert count == replay(trace)
    assert 0 == cell.number


def test_a_change_after_the_last_step_is_not_seen():
    """The gate is a test: 128 steps are what it says, and no more."""
    assert None is replay(trace_step(Honest(at_call(128))))


def test_one_bit_is_enough():
    """A difference in the last place of one unit is a difference."""

    def change(cell, s):
        cell.number += 1
        return s if cell.number <= 20 else s * torch.tensor([1.0, 1.0, 1.0 + 2**-23])

    assert 20 == replay(trace_step(Honest(change)))


def test_a_gradient_that_changes_alone_is_found():
    """Forward values agree for ever; a hook that starts later is seen in the gradient."""

    def change(cell, s):
        cell.number += 1
        if cell.number > 30 and s.requires_grad:
            s.register_hook(lambda g: 2 * g)
        return s

    assert 30 == replay(trace_step(Honest(change)))


def test_numbers_from_outside_are_found():
    """Randomness that torch does not know of differs from one call to the next."""
    numbers = itertools.count()
    assert 0 == replay(trace_step(Honest(lambda _cell, s: s + next(numbers))))


def test_a_readout_has_nothing_to_replay_but_itself():
    """A trace of γ replays too: it has no x."""
    from properties.proofs.trace import trace_readout

    assert None is replay(trace_readout(Honest()), steps=4)
