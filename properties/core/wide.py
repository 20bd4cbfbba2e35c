"""The search for an identity block made wide: cells whose units do not mix, by Jacobians at every gap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from properties.core import lanes
from properties.core.context import Bench, Block, Context
from properties.core.diagonal_engine import DiagonalEngine
from properties.core.engine import Engine
from properties.core.sampling import Regime
from properties.core.search import Evaluate, Margins, Outcome, search
from properties.core.witness import Draws

_TIMES = 8  # as many draws as the narrow search has in a regime
_NUMBERS = (
    2**20
)  # per regime at most, of steps times draws times scalars: what a cache still helps with
_CERTIFIED, _STEPS = 24, 5  # draws and steps of the whole Jacobians that units are seen apart with


@dataclass(frozen=True)
class Narrow:
    """The search that this one widens: the block at a size, its margins and its draws of ``count``."""

    block_of: Callable[[Context, tuple[int, int]], Block]
    evaluate: Evaluate
    make: Callable[[Regime, int], Draws]


@dataclass(frozen=True)
class Wide:
    """``outcome``; ``objection``: why draws were not evaluated as units, where the cell says they can be."""

    outcome: Outcome
    objection: str = ""


def widen(
    context: Context, key: str, scope: str, explicit: tuple[Regime, ...], narrow: Narrow
) -> Wide:
    """Search again over thousands of draws, each with its Jacobians over every gap up to the last step.

    Only where the cell declares an elementwise step; that its units do not mix is certified first, at
    every size, by whole Jacobians of the real step. A violation counts where the narrow search's own
    margins, on the real cell, confirm it.
    """
    objection = next(
        (why for size in context.subject.sizes if (why := _objection(context, scope, size))), ""
    )
    if objection or not isinstance(context.standard.engine, DiagonalEngine):
        return Wide(Outcome(), objection)

    def evaluate(bench: Bench, engine: Engine, draws: Draws) -> Margins:
        units = narrow.block_of(context, bench.size).units
        if engine is bench.real or not units:
            return narrow.evaluate(bench, engine, draws)
        return margins(bench, draws, units)

    def make(regime: Regime) -> Draws:
        most = _NUMBERS // (regime.horizon * context.bench(regime.size).layout.size)
        return narrow.make(regime, max(1, min(_TIMES * context.profile.draws, most)))

    longest = max(regime.horizon for regime in explicit)
    outcome = search(context, key, scope, evaluate, longest=longest, explicit=explicit, make=make)
    return Wide(outcome)


def _objection(context: Context, scope: str, size: tuple[int, int]) -> str:
    """Why the draws of ``scope`` are not evaluated as units at ``size``."""
    bench = context.bench(size)
    if not isinstance(bench.engine, DiagonalEngine):
        return bench.mixing
    regime = Regime(size, _STEPS, context.derive("lanes", scope, size))
    draws = context.draws(regime, scope, _CERTIFIED, state_scales=(0.0, 1.0, 10.0))
    return lanes.objection(bench.real.probe, bench.engine.whole_jacobians, draws) or ""


def margins(bench: Bench, draws: Draws, units: tuple[int, ...]) -> Margins:
    """Minus the worst deviation of the block from the identity over all gaps; exact, as it has to be."""
    form = bench.real.probe.cell.lanes()
    places = [bench.layout.indices(name) for name in form.fields]
    inside = torch.tensor([[place in units for place in row] for row in places])  # (s, J)
    pairs = [
        (i, k, inside[i] & inside[k])
        for i in range(len(places))
        for k in range(len(places))
        if bool((inside[i] & inside[k]).any())
    ]
    worst: list[Tensor | None] = [None] * len(pairs)
    for gap in lanes.gaps(bench.real.probe, draws):
        values = gap.values
        for place, (i, k, _) in enumerate(pairs):
            off = (values[i, k] - float(i == k)).abs()
            before = worst[place]
            worst[place] = off if before is None else torch.maximum(before, off)
    deviation = torch.zeros(len(draws), dtype=torch.float64)
    for most, (_, _, both) in zip(worst, pairs, strict=True):
        if most is not None:
            per_unit = torch.where(both, most.unflatten(0, (len(draws), -1)), 0)
            deviation = torch.maximum(deviation, per_unit.amax(-1).double())

    def sentence(i: int) -> str:
        off = float(deviation[i])
        return (
            f"over a gap of at most {len(draws.inputs)} the block is off the identity by {off:.6g}"
        )

    return Margins(-deviation, 1 + deviation, torch.ones_like(deviation), sentence)
