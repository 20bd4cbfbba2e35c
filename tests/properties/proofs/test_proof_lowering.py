"""Lowering: the scalar expressions compute what the traced graph computes, for every cell."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import cells
from properties.proofs.graph import TracedGraph
from properties.proofs.interval_rules import Interval
from properties.proofs.intervals import Intervals
from properties.proofs.lowering import TooLarge, lower
from properties.proofs.rounding import Rounding
from properties.proofs.trace import trace_readout, trace_step

SIZES = {"sru": 10, "nru": 3}


def built(name: str):
    """A small cell."""
    return cells.get(name)(2, SIZES.get(name, 4)).double()


def points(graph: TracedGraph, arena, tensors) -> dict[int, Interval]:
    """Every leaf as the interval of its one value."""
    known = {}
    for port, tensor in zip(graph.inputs, tensors, strict=True):
        for i, value in enumerate(tensor.double().reshape(-1)):
            known[arena.leaf(port.role, port.name, i)] = Interval(value, value)
    return known


@pytest.mark.parametrize("name", [n for n in cells.names() if n not in ("nru", "eurnn")])
def test_expressions_enclose_the_step_tightly(name):
    """At one point, the outward intervals of the expressions hold the graph's result and little else."""
    torch.manual_seed(0)
    trace = trace_step(built(name))
    lowered = lower(trace.forward)
    arena = lowered.arena
    tensors = [torch.randn(p.shape, dtype=torch.float64) for p in trace.forward.inputs]
    for i, port in enumerate(trace.forward.inputs):
        if port.role in ("buffer", "discrete"):
            tensors[i] = trace.weights[i] if port.role == "buffer" else trace.initial[-1]
    known = points(trace.forward, arena, tensors)
    expected = trace.forward.run(*tensors)[0].reshape(-1)
    domain = Intervals(arena, Rounding(), known)
    for place, value in zip(lowered.outputs[0].reshape(-1).tolist(), expected, strict=True):
        found = domain.at(place)
        assert found.low <= value <= found.high
        assert found.high - found.low < 1e-8
    assert [] == domain.unproved


@pytest.mark.parametrize("name", ["gato", "lstm", "rru"])
def test_expressions_enclose_the_gradient_of_the_readout(name):
    """The same for what autograd returns of γ."""
    torch.manual_seed(0)
    trace = trace_readout(built(name))
    lowered = lower(trace.backward)
    tensors = [torch.randn(p.shape, dtype=torch.float64) for p in trace.backward.inputs]
    known = points(trace.backward, lowered.arena, tensors)
    expected = trace.backward.run(*tensors)[0].reshape(-1)
    domain = Intervals(lowered.arena, Rounding(), known)
    for place, value in zip(lowered.outputs[0].reshape(-1).tolist(), expected, strict=True):
        assert domain.at(place).low <= value <= domain.at(place).high


class _State(NamedTuple):
    hidden: Tensor


class Cell(nn.Module):
    """A cell whose new state is what ``update`` makes of (x, h)."""

    def __init__(self, update, size: int = 2):
        super().__init__()
        self.input_size, self.size, self.update = 2, size, update

    def initial_state(self, *batch):
        return _State(torch.zeros(*batch, self.size, dtype=torch.float64))

    def step(self, x, state):
        return _State(self.update(x, state.hidden))

    def readout(self, state):
        return state.hidden


@pytest.mark.parametrize(
    "update",
    [
        lambda x, h: torch.special.bessel_j0(h) + x,
        lambda x, h: torch.linalg.inv(torch.eye(2, dtype=torch.float64) + h[:, None] * x) @ h,
        lambda x, h: torch.fft.fft(h).real + x,
    ],
    ids=["bessel", "inverse", "fourier"],
)
def test_an_operation_without_a_rule_is_unknown_and_reads_its_operands(update):
    """What has no rule keeps its dependencies and is listed by name."""
    trace = trace_step(Cell(update))
    lowered = lower(trace.forward)
    roots = lowered.outputs[0].reshape(-1).tolist()
    assert [] != lowered.arena.unknown(roots)
    assert [] != lowered.arena.leaves(roots, "state")


def test_two_unknown_calls_are_two_numbers():
    """Nothing says that an operation without a rule is a function: it is never equal to itself."""
    trace = trace_step(Cell(lambda _, h: torch.special.bessel_j0(h) - torch.special.bessel_j0(h)))
    lowered = lower(trace.forward)
    node = lowered.arena[lowered.outputs[0].tolist()[0]]
    assert node.args[0] != node.args[1]


def test_equal_operations_share_a_place_and_movement_needs_no_rule():
    """Rolling, stacking, flipping and selecting move places; equal scalars stay equal."""

    def update(_, h):
        return torch.stack((h.roll(1), h.flip(0)), 0).sum(0) - 2 * h.roll(1)

    lowered = lower(trace_step(Cell(update)).forward)
    arena = lowered.arena
    old = [arena.leaf("state", "state", i) for i in range(2)]
    first = arena[arena[lowered.outputs[0].tolist()[0]].args[0]]
    assert ("sum", (old[1], old[1])) == (first.op, first.args)


def test_too_large_a_step_is_refused(monkeypatch):
    """The limit is reported with its remedy."""
    monkeypatch.setattr("properties.proofs.lowering.MAXIMUM_NODES", 10)
    with pytest.raises(TooLarge, match="build the cell at a smaller size"):
        lower(trace_step(built("gru")).forward)
