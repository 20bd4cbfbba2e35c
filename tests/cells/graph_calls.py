"""What the tests of recordings share: cells, calls, the comparison with the loop, and a cell to spoil."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

import cells
from cells import unroll

INPUTS = 3


ABSENT = torch.zeros(0)


def cell_of(name, seed=0, size=20):
    """A cell in double precision with weights of some size."""
    generator = torch.Generator().manual_seed(seed)
    cell = cells.get(name)(INPUTS, size, generator=generator).double()
    with torch.no_grad():
        for one in cell.parameters():
            one.add_(0.2 * torch.randn(one.shape, generator=generator, dtype=one.dtype))
    return cell


def call_of(cell, steps, batch, seed=0, *, graded=True):
    """Inputs, and a state away from zero."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(like, shape):
        if not (like.is_floating_point() or like.is_complex()):
            return like
        return torch.randn(shape, generator=generator, dtype=like.dtype).requires_grad_(graded)

    start = cell.initial_state(*batch)
    xs = drawn(torch.zeros(1, dtype=torch.float64), (steps, *batch, INPUTS))
    return xs, type(start)(*(drawn(one, one.shape) for one in start))


def loss_of(outputs, state):
    """A number that every output has its own share in."""
    total = outputs.new_zeros(())
    for one in (outputs, *state):
        if one.requires_grad:
            real = torch.view_as_real(one) if one.is_complex() else one
            weights = torch.linspace(0.5, 1.5, real.numel()).to(real)
            total = total + (real.flatten() * weights).sum()
    return total


def leaves_of(cell, xs, state):
    """What gradients are taken of."""
    return [one for one in (xs, *state, *cell.parameters()) if one.requires_grad]


def gradients_of(cell, xs, state, result, **options):
    """In inputs, states and parameters; ``ABSENT`` for None."""
    leaves = leaves_of(cell, xs, state)
    found = torch.autograd.grad(loss_of(*result), leaves, allow_unused=True, **options)
    return [ABSENT if one is None else one for one in found]


def assert_same(graphs, cell, xs, state):
    """Outputs, states and gradients are the loop's, to the last bit: it is the same work."""
    ours, theirs = graphs.run(cell, xs, state), unroll(cell, xs, state)
    for mine, other in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]), strict=True):
        assert torch.equal(mine, other)
        assert mine.requires_grad == other.requires_grad
    assert type(ours[1]) is type(theirs[1])
    mine, other = (gradients_of(cell, xs, state, one) for one in (ours, theirs))
    assert all(map(torch.equal, mine, other))


class Hidden(NamedTuple):
    hidden: Tensor


class Plain(nn.Module):
    """h' = tanh(W x + change(h)), for a ``change`` that should not be recorded."""

    input_size = 3

    def __init__(self, change):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(4, dtype=torch.float64))
        self.norm = nn.BatchNorm1d(4, dtype=torch.float64)
        self.change = change

    def initial_state(self, *batch):
        return Hidden(self.weight.new_zeros(*batch, 4))

    def step(self, x, state):
        return Hidden(torch.tanh(x @ self.weight.T + self.change(self, state.hidden)))

    def readout(self, state):
        return state.hidden


def branching(_, h):
    """Another way where a number says so."""
    return 2 * h if h.sum() > 0 else h


def refusal_of(graphs, cell, xs, state):
    """Why a call was refused."""
    name, reason = graphs.status(cell, xs, state)
    assert "reference" == name
    assert reason.startswith("no CUDA graph of it: ")
    return reason
