"""Writable memory: dead units are found, live ones come with a witness."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import cells
from properties.proofs.writable import prove_writable


class State(NamedTuple):
    s: Tensor
    r: Tensor


class Cell(nn.Module):
    """Two memory units and two recurrent ones; ``gain(cell, x, r)`` is what the memory adds."""

    input_size = 2

    def __init__(self, gain, readout=lambda state: torch.cos(state.s)):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2, 2))
        self.gain, self._readout = gain, readout

    def initial_state(self, *batch):
        return State(torch.zeros(*batch, 2), torch.zeros(*batch, 2))

    def readout(self, state):
        return self._readout(state)

    def step(self, x, state):
        return State(state.s + self.gain(self, x, state.r), torch.tanh(x @ self.w))


ALIVE = {
    "by-input": lambda _c, x, _r: x,
    "through-r": lambda _c, _x, r: torch.sigmoid(r),
    "one-of-two-steps": lambda _c, x, r: x * r,
}


@pytest.mark.parametrize("name", ALIVE)
def test_memory_that_inputs_move_is_proved_with_a_witness(name):
    """The witness replays: two input sequences from one state end in different memories."""
    cell = Cell(ALIVE[name])
    proof = prove_writable(cell, (0, 1))
    assert ("proved", ()) == (proof.status, proof.dead)
    ends = []
    for xs in proof.witness.inputs:
        state = State(*proof.witness.state.split(2))
        for x in xs:
            state = cell.step(x, state)
        ends.append(state.s)
    assert bool((ends[0] != ends[1]).all())


DEAD = {
    "frozen": (lambda _c, _x, r: 0 * r, (0, 1)),
    "constant": (lambda _c, _x, r: torch.ones_like(r), (0, 1)),
    "closed-gate": (lambda _c, x, _r: torch.tensor([1.0, 0.0]) * x, (1,)),
    "parameters-only": (lambda c, _x, _r: c.w[0], (0, 1)),
}


@pytest.mark.parametrize("name", DEAD)
def test_memory_that_no_input_reaches_is_refuted(name):
    """An identity block that is never written remembers nothing."""
    gain, dead = DEAD[name]
    proof = prove_writable(Cell(gain), (0, 1))
    assert ("refuted", dead, dead) == (proof.status, proof.unwritten, proof.dead)
    assert f"no input reaches s[{dead[0]}]" in proof.reason


def test_memory_that_the_readout_ignores_is_refuted():
    """What the decoder never sees is no memory of the model."""
    proof = prove_writable(Cell(ALIVE["by-input"], lambda state: state.s[..., :1]), (0, 1))
    assert ("refuted", (1,), ()) == (proof.status, proof.unread, proof.unwritten)
    assert "the readout does not read s[1]" in proof.reason


def test_what_the_domain_allows_and_nobody_sees_is_inconclusive():
    """A gain that is zero for every draw, and not for the domain, is neither proved nor refuted."""
    proof = prove_writable(Cell(lambda _c, x, _r: torch.relu(x - 1e9)), (0, 1), draws=3)
    assert "inconclusive" == proof.status
    assert "in 3 draws, s[0], s[1] did not move or was not seen" == proof.reason


def test_a_refused_trace_is_inconclusive():
    """The reason is the tracer's."""
    proof = prove_writable(Cell(lambda _c, x, _r: x if x.sum() > 0 else -x), (0,))
    assert "inconclusive" == proof.status
    assert "not traced: data-dependent" in proof.reason


@pytest.mark.parametrize("name", ["gato", "gato-2"])
def test_gatos_memory_is_written(name):
    """The increment reads x, γ reads s (GATO 4.1, 4.2)."""
    assert "proved" == prove_writable(cells.get(name)(3, 8), range(4)).status


def test_an_empty_block_is_an_error():
    """There is nothing to ask about no unit."""
    with pytest.raises(ValueError, match="units: expected at least one place in the flat state"):
        prove_writable(Cell(ALIVE["by-input"]), ())
