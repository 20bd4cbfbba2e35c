r"""What gradient a gate passes at a given distance from saturation, in multiples of a sigmoid's.

All pre-activations p at which one unit has g(p) = 1 − ε (or g(p) = ε) form a surface; for a sigmoid it is a
point, with gradient ε(1 − ε). The measure is ‖∇_p g‖ / (ε(1 − ε)) on that surface, which is also the slope
of the gate's logit: 1 for a sigmoid. The norm is over the pre-activations since each is an affine map of the
same (x, h): the weights' gradient is ‖∇_p g‖ times the length of (x, h, 1).

Four numbers describe a surface: the largest and the least ratio on it, the largest share of a single
pre-activation (no gain by reading two pre-activations where one would do), and the ratio where gradient
ascent of the gate arrives that starts from pre-activations of zero.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from properties.core.effective_gate import EffectiveGate

EPSILONS = tuple(10.0**-k for k in range(1, 7))
SIDES = ("open", "shut")
LINES = 96
_SCALES = (0.0, 0.5, 2.0, 8.0, 64.0, 512.0)  # of the points that the lines go through
_REACH = 4096.0  # lines are followed to both sides up to here: a trained bias may be large
_BISECTIONS = 48
_MOST_POINTS = 4096  # a random choice where there are more crossings
_RK4_STEPS = 8  # per decade of ε: the field is smooth, the error below 1e-6


@dataclass(frozen=True, slots=True)
class Level:
    """One surface g = 1 − ε ("open") or g = ε ("shut"), ratios to the sigmoid's gradient ε(1 − ε).

    ``most``: the largest ratio found, of the unit where that is smallest; ``least``: the smallest found;
    ``single``: like ``most``, for the largest single entry of the gradient; ``ascent``: the median over
    units on the path of gradient ascent (None where it gets nowhere or was not asked for);
    ``units``: how many units reach the surface; ``points``: how many points of it were looked at.
    """

    side: str
    epsilon: float
    most: float
    least: float
    single: float
    ascent: float | None
    units: int
    points: int

    @property
    def sigmoid(self) -> float:
        """The gradient of a sigmoid at this distance."""
        return self.epsilon * (1 - self.epsilon)

    def to_json(self) -> dict[str, Any]:
        """Plain data, with enough digits to compare and too few to depend on the machine."""
        ratios = {k: _rounded(getattr(self, k)) for k in ("most", "least", "single", "ascent")}
        return {
            "side": self.side,
            "epsilon": self.epsilon,
            **ratios,
            "units": self.units,
            "points": self.points,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def levels(gate: EffectiveGate, seed: int, *, ascent: bool = True) -> tuple[Level, ...]:
    """Every surface that some unit reaches, side by side from ε = 1e-1 to 1e-6; in float64.

    Points are found where random lines through the pre-activations cross the surface, by bisection. A
    maximum found in this way is a lower bound: the point where it is attained is exhibited.
    """
    generator = torch.Generator().manual_seed(seed)
    base, direction = _lines(gate, generator)
    targets = torch.tensor([1 - e for e in EPSILONS] + list(EPSILONS), dtype=torch.float64)
    which, unit, at = _crossings(gate, base, direction, targets, generator)
    value, slope = gate.units(at, unit)
    scale = value * (1 - value)
    norms, singles = slope.norm(dim=-1) / scale, slope.abs().amax(-1) / scale
    climbed = _ascent(gate, int(unit.max()) + 1) if ascent and len(unit) else [None] * len(targets)
    found = []
    for k in range(len(targets)):
        here = which == k
        if not bool(here.any()):
            continue
        units = unit[here].unique()
        found.append(
            Level(
                side=SIDES[k // len(EPSILONS)],
                epsilon=EPSILONS[k % len(EPSILONS)],
                most=min(float(norms[here & (unit == j)].max()) for j in units),
                least=float(norms[here].min()),
                single=min(float(singles[here & (unit == j)].max()) for j in units),
                ascent=climbed[k],
                units=len(units),
                points=int(here.sum()),
            )
        )
    return tuple(found)


def _lines(gate: EffectiveGate, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points and directions (N, width); most lines move one block and leave the others as they are."""

    def normal() -> Tensor:
        return torch.randn(LINES, gate.width, generator=generator, dtype=torch.float64)

    scales = torch.tensor(_SCALES, dtype=torch.float64).repeat(LINES // len(_SCALES) + 1)[:LINES]
    base, direction = normal() * scales.unsqueeze(-1), normal()
    # the period of the choice of blocks is not that of the scales: each meets each
    choice = torch.arange(LINES).div(len(_SCALES), rounding_mode="floor") % (len(gate.blocks) + 1)
    owner = torch.repeat_interleave(
        torch.arange(len(gate.blocks)), torch.tensor(list(gate.blocks.values()))
    )
    moved = (choice.unsqueeze(-1) == owner) | (choice == len(gate.blocks)).unsqueeze(-1)
    return base, direction * moved


def _crossings(
    gate: EffectiveGate,
    base: Tensor,
    direction: Tensor,
    targets: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each line, unit and target the first crossing: the target's place, the unit, the point."""
    grid = torch.sinh(torch.linspace(-1, 1, 81, dtype=torch.float64) * math.asinh(_REACH))
    with torch.no_grad():
        seen = gate(
            base.unsqueeze(1) + grid.unsqueeze(-1) * direction.unsqueeze(1)
        )  # (N, P, units)
        above = seen >= targets.reshape(-1, 1, 1, 1)
        crossed = above[:, :, 1:] != above[:, :, :-1]
        place = crossed.int().argmax(2)  # the first where there are several
        crossings = crossed.any(2).nonzero()
        chosen = torch.randperm(len(crossings), generator=generator)[:_MOST_POINTS]
        which, line, unit = crossings[chosen].unbind(-1)
        place = place[which, line, unit]
        rising = above[which, line, place + 1, unit]
        low, high, target = grid[place], grid[place + 1], targets[which]
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            at = base[line] + middle.unsqueeze(-1) * direction[line]
            value = gate(at).gather(-1, unit.unsqueeze(-1)).squeeze(-1)
            beyond = (value >= target) == rising
            low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
        at = base[line] + ((low + high) / 2).unsqueeze(-1) * direction[line]
    return which, unit, at


def _ascent(gate: EffectiveGate, units: int) -> list[float | None]:
    """The ratio where gradient ascent, then descent, from zero crosses each surface: median over units.

    The path is followed with the gate's logit in place of time: dp/dλ = ∇λ/‖∇λ‖².
    """
    unit = torch.arange(units).repeat(2)
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(units)
    at = torch.zeros(2 * units, gate.width, dtype=torch.float64)

    def logit_slope(p: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = gate.units(p, unit)
        return torch.logit(value), slope / (value * (1 - value)).unsqueeze(-1)

    def field(p: Tensor) -> Tensor:
        slope = logit_slope(p)[1]
        return slope / slope.square().sum(-1, keepdim=True)

    ratios = torch.full((2, len(EPSILONS)), math.nan, dtype=torch.float64)
    for k, epsilon in enumerate(EPSILONS):
        goal = sign * math.log((1 - epsilon) / epsilon)
        step = ((goal - logit_slope(at)[0]) / _RK4_STEPS).unsqueeze(-1)
        for _ in range(_RK4_STEPS):
            a = field(at)
            b = field(at + step / 2 * a)
            c = field(at + step / 2 * b)
            d = field(at + step * c)
            at = at + step / 6 * (a + 2 * b + 2 * c + d)
        reached, slope = logit_slope(at)
        arrived = (reached - goal).abs() < 1e-3  # false for NaN too: a unit whose gradient vanishes
        # a path that stopped at an extremum of the gate stays where it is
        at = torch.where(arrived.unsqueeze(-1), at, math.nan)
        norms = torch.where(arrived, slope.norm(dim=-1), math.nan).reshape(2, units)
        ratios[:, k] = norms.nanmedian(-1).values
    return [None if math.isnan(r) else r for r in ratios.reshape(-1).tolist()]


def at_distance(found: tuple[Level, ...], epsilon: float) -> tuple[Level, ...]:
    """The levels at one distance, open before shut."""
    return tuple(level for level in found if math.isclose(level.epsilon, epsilon))


def decay(found: tuple[Level, ...], side: str) -> float:
    """The exponent α of gradient ∝ ε^α as ε → 0, for the largest gradient found; from ε ≤ 1e-3."""
    near = [level for level in found if level.side == side and level.epsilon < 2e-3]
    x = [math.log(level.epsilon) for level in near]
    y = [math.log(level.most * level.sigmoid) for level in near]
    return statistics.linear_regression(x, y).slope
