"""Two engines, one meaning: many draws under vmap give what the real cell gives one by one."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import cells
from properties import Subject
from properties.core.context import Context
from properties.core.engine import fast_engine
from properties.core.profile import Profile
from properties.core.sampling import Regime
from properties.core.tolerance import tolerance
from properties.core.witness import Draws

TINY = Profile("tiny", 1, 12, 6, 4, 16, 2, 2, 2)
DTYPE = torch.float64


def close(one, other):
    """Equal up to what another order of additions does, relative to the largest number."""
    slack = 100 * tolerance(DTYPE).agreement
    finite = torch.isfinite(one) & torch.isfinite(other)
    scale = 1 + float(one[finite].abs().max()) if bool(finite.any()) else 1.0
    return torch.equal(torch.isfinite(one), torch.isfinite(other)) and bool(
        ((one - other)[finite].abs() <= slack * scale).all()
    )


@pytest.fixture(scope="module", params=cells.names())
def case(request):
    """A registered cell, its two engines, and draws at initialization and beyond, three steps long."""
    context = Context(Subject(request.param), TINY, 0)
    bench = context.standard
    draws = [
        context.draws(Regime(bench.size, 3, 5), scope, 6) for scope in ("at-init", "all-weights")
    ]
    return context, bench, draws


def test_registered_cells_are_evaluated_together(case):
    """No cell of the catalogue falls back to one draw at a time."""
    context, _, _ = case
    assert context.evaluation.startswith("batched")


QUESTIONS = {
    "trajectories": lambda e, d, _: e.trajectories(d),
    "finals": lambda e, d, _: e.finals(d),
    "final values": lambda e, d, v: e.pullbacks(d, v)[0],
    "pullbacks": lambda e, d, v: e.pullbacks(d, v)[1],
    "jacobians": lambda e, d, _: e.jacobians(d),
    "readouts": lambda e, d, v: e.readouts(d, torch.stack([v, 3 * v], 1)),
    "slopes": lambda e, d, v: e.slopes(d, torch.stack([v, 3 * v], 1), emitted=False),
    "slopes of the step": lambda e, d, v: e.slopes(d, v.unsqueeze(1), emitted=True),
    "drift": lambda e, d, v: e.drift(d, d.inputs[0], d.state, torch.ones(v.shape[-1])),
    "lessons": lambda e, d, v: e.lessons(d, v),
}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("what", QUESTIONS)
def test_batched_equals_single(case, what, place):
    """Values and every kind of gradient, at initialization and at weights up to saturation."""
    _, bench, draws = case
    generator = torch.Generator().manual_seed(3)
    cotangents = torch.randn(draws[place].state.shape, generator=generator, dtype=DTYPE)
    ask = QUESTIONS[what]
    together = ask(bench.engine, draws[place], cotangents)
    alone = ask(bench.real, draws[place], cotangents)
    assert alone.shape == together.shape
    assert close(alone, together)


class State(NamedTuple):
    """``r``: (\\*batch, 2)."""

    r: Tensor


class Plain(nn.Module):
    """r′ = tanh(w x + r), γ = r: the cell that the variants below tell from what vmap sees."""

    input_size = 1

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dtype=DTYPE))

    def initial_state(self, *batch):
        return State(torch.zeros(*batch, 2, dtype=DTYPE))

    def step(self, x, state):
        return state._replace(r=torch.tanh(self.weight * x + state.r))

    def readout(self, state):
        return state.r


class Branch(Plain):
    def step(self, x, state):
        return super().step(x, state) if float(x.sum()) > 0 else state


class BranchInReadout(Plain):
    def readout(self, state):
        return state.r if bool((state.r > 0).any()) else state.r * 1


class OldStyle(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):  # noqa: ARG004 - the signature is torch's
        return x.clone()

    @staticmethod
    def backward(ctx, g):  # noqa: ARG004
        return g


class CustomReadout(Plain):
    def readout(self, state):
        return OldStyle.apply(state.r)


def trial():
    """Six draws of a cell with one parameter."""
    generator = torch.Generator().manual_seed(0)
    return Draws(
        1, 2, {"weight": torch.ones(6, 1, dtype=DTYPE)},
        torch.randn(6, 2, generator=generator, dtype=DTYPE),
        torch.randn(3, 6, 1, generator=generator, dtype=DTYPE),
    )  # fmt: skip


def test_a_plain_cell_is_evaluated_together():
    """Nothing stands in the way."""
    engine, obstacle = fast_engine(Plain(), trial())
    assert engine.batched
    assert obstacle is None


@pytest.mark.parametrize("kind", [Branch, BranchInReadout, CustomReadout])
def test_what_vmap_cannot_follow_is_evaluated_one_by_one(kind):
    """A branch on data, in step or readout, and an old-style function: the reason names the error."""
    engine, obstacle = fast_engine(kind(), trial())
    assert not engine.batched
    assert obstacle.startswith("vmap raised RuntimeError")


def test_what_vmap_sees_differently_is_evaluated_one_by_one():
    """A cell that asks whether it is under a transform is caught by comparing."""

    class TwoFaced(Plain):
        def step(self, x, state):
            seen = 2.0 if torch._C._functorch.maybe_current_level() else 1.0
            return state._replace(r=seen * torch.tanh(self.weight * x + state.r))

    engine, obstacle = fast_engine(TwoFaced(), trial())
    assert not engine.batched
    assert obstacle.startswith("vmapped values differ from the one-by-one ones by")


def test_what_is_no_number_under_vmap_alone_is_evaluated_one_by_one():
    """A NaN that only the batch sees would discard every draw: the masks of finite values must agree."""

    class Lost(Plain):
        def step(self, x, state):
            seen = torch.nan if torch._C._functorch.maybe_current_level() else 1.0
            return state._replace(r=seen * torch.tanh(self.weight * x + state.r))

    engine, obstacle = fast_engine(Lost(), trial())
    assert not engine.batched
    assert obstacle.startswith("vmapped values are not finite in the places where")
