"""Draws evaluated as units of one layer: the blocks are the Jacobians, and who mixes units is found out."""

from __future__ import annotations

import re

import pytest
import torch

import cells
from cells.gato import GATO
from cells.indrnn import IndRNN
from properties import Profile, Status, certify
from properties.core import lanes
from properties.core.context import Context
from properties.core.diagonal_engine import DiagonalEngine
from properties.core.engine import BatchedEngine, SingleEngine
from properties.core.profile import profile
from properties.core.sampling import Regime
from properties.core.subject import Subject

pytest.importorskip("numba")

BRIEF = Profile("brief", 1, 24, 4, 12, 16, 1, 2, 4)
SIZES = ((2, 4), (3, 8))
DIAGONAL = ("gato", "gru-diag", "lstm-diag", "brhn-diag", "indrnn")


def bench_of(factory, dtype=torch.float64):
    """A context and its standard bench."""
    context = Context(Subject(factory, name="x", sizes=SIZES, dtype=dtype), profile("dev"), 0)
    return context, context.standard


def draws_of(context, steps, count=12, scope="at-init"):
    """Some draws of the standard size."""
    regime = Regime(context.subject.standard_size, steps, 7)
    return context.draws(regime, scope, count, state_scales=(0.0, 1.0))


@pytest.mark.parametrize("scope", ["at-init", "all-weights"])
@pytest.mark.parametrize("name", DIAGONAL)
def test_blocks_are_the_jacobians_over_every_gap(name, scope):
    """Against ordinary autograd on the real cell, from each step to the last."""
    context, bench = bench_of(cells.get(name))
    assert isinstance(bench.engine, DiagonalEngine), bench.mixing
    draws = draws_of(context, 6, 6, scope)
    states = torch.cat((draws.state.unsqueeze(0), bench.real.trajectories(draws)))
    found = list(lanes.gaps(bench.real.probe, draws))
    assert [1, 2, 3, 4, 5, 6] == [gap.steps for gap in found]
    for gap in found:
        since = 6 - gap.steps
        rest = draws.replace(inputs=draws.inputs[since:], state=states[since])
        expected = SingleEngine(bench.sampler.cell).jacobians(rest)
        whole = lanes.whole(bench.real.probe, gap, len(draws))
        torch.testing.assert_close(whole, expected, atol=1e-9, rtol=1e-8)
    # the engine of the bench gives the last of them
    torch.testing.assert_close(bench.engine.jacobians(draws), whole, atol=0, rtol=0)
    torch.testing.assert_close(bench.engine.whole_jacobians(draws), whole, atol=1e-9, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-30, 1e-200, 1e30])
def test_long_gaps_neither_underflow_nor_overflow(scale):
    """Without inputs the slope of every step is the weight itself: its logarithm adds up."""
    context, bench = bench_of(lambda d, h: IndRNN(d, h, nonlinearity="tanh"))
    draws = draws_of(context, 40, 2)
    own = torch.full_like(draws.parameters["affine.weight_hh"], scale)
    nothing = {k: torch.zeros_like(v) for k, v in draws.parameters.items()}
    draws = draws.replace(
        state=torch.zeros_like(draws.state), parameters=nothing | {"affine.weight_hh": own}
    )
    *_, last = lanes.gaps(bench.real.probe, draws)
    expected = 40 * torch.log2(torch.tensor(scale, dtype=torch.float64))
    torch.testing.assert_close(last.magnitude, expected.expand(2 * 8), rtol=1e-12, atol=0)
    plain = last.values
    assert bool((plain == 0).all() if scale < 1 else torch.isinf(plain).all())


class Leaks(GATO):
    """Declares its lanes, and lets the memory of one unit into that of the next."""

    def advance(self, projected, state):
        new = super().advance(projected, state)
        return new._replace(memory=new.memory + 1e-9 * torch.roll(state.memory, 1, -1))

    def step(self, x, state):
        return self.advance(self.project(x), state)


class Decays(Leaks):
    """Declares its lanes, and does something else, unit by unit."""

    def advance(self, projected, state):
        new = GATO.advance(self, projected, state)
        return new._replace(memory=new.memory - 1e-3 * state.memory)


class Mixes(IndRNN):
    """Declares its lanes; what it carries is no memory, and is mixed."""

    def step(self, x, state):
        new = super().step(x, state)
        return new._replace(hidden=new.hidden + 1e-3 * torch.roll(state.hidden, 1, -1))


@pytest.mark.parametrize(
    ("cell", "reason"),
    [(Leaks, r"units mix: memory\[\d\] depends on"), (Decays, "other derivatives")],
)
def test_a_cell_that_is_not_its_lanes_does_not_pass(cell, reason):
    """Its draws are not evaluated as units, and the identity block is falsified as for any cell."""
    _, bench = bench_of(cell)
    assert type(bench.engine) is BatchedEngine
    assert re.search(reason, bench.mixing), bench.mixing
    line = certify(cell, only=["identity-block"], profile=BRIEF, sizes=SIZES).verdict(
        "identity-block"
    )
    assert Status.FALSIFIED is line.status


def test_kernels_that_are_not_the_cell_are_found():
    """The property that compares them falsifies, as a step that mixes units is no elementwise one."""
    key = "fused-equals-reference"
    line = certify(Mixes, only=[key], profile=BRIEF, sizes=SIZES).verdict(key, "at-init")
    assert Status.FALSIFIED is line.status
    assert line.reason.startswith("fused: in float64")


def test_thousands_of_draws_are_counted():
    """The evidence says how many were evaluated as units; they stand in the count of cases."""
    line = certify("gato", only=["identity-block"], profile=BRIEF, sizes=SIZES).verdict(
        "identity-block"
    )
    assert Status.PROVED is line.status
    wide = line.evidence["draws_as_units"]
    assert 8 * 24 * 3 < wide < line.passed


def test_a_cell_with_a_part_behind_the_loop_is_evaluated_as_any_other():
    """GATO of two layers: its elementwise step is not its whole state, and the evidence says so."""
    _, bench = bench_of(cells.get("gato-2"))
    assert type(bench.engine) is BatchedEngine
    assert "not the whole of its state" in bench.mixing


def test_half_precision_has_no_kernels():
    """The search goes on as for any cell."""
    _, bench = bench_of(cells.get("gato"), torch.bfloat16)
    assert not isinstance(bench.engine, DiagonalEngine)
