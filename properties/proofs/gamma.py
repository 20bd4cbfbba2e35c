"""Proofs about one scalar nonlinearity γ and its derivative as autograd returns it.

``bounded-decoder`` and ``bounded-decoder-gradient``: the range over the whole line, or a point at which Arb
balls show that the claim is exceeded. ``non-saturating``: every window of length L holds a point with
|γ′| ≥ δ, because |γ′| ≥ δ everywhere, or because γ′ is periodic and one short stretch of the period is
steep; refuted by one window on which |γ′| < δ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import torch
from flint import arb
from torch import Tensor

from properties.proofs import balls, periods
from properties.proofs.expression import Expressions
from properties.proofs.gamma_rules import WholeLine
from properties.proofs.interval_rules import Interval
from properties.proofs.intervals import Intervals
from properties.proofs.lowering import lower
from properties.proofs.rational import ball, precision
from properties.proofs.result import AUTOGRAD, EXACT, DecoderProof, ratio
from properties.proofs.rounding import Rounding
from properties.proofs.trace import trace_readout

WINDOW = (2 * math.pi, 0.1)
"""The (L, δ) that is asked of a γ which claims no window of its own."""

LINE = "the whole line"
_STRETCHES = 256
_FARTHEST = 40


@dataclass(frozen=True, slots=True)
class ScalarMap:
    """γ: the places of its variable, its value, and its derivative in one arena."""

    arena: Expressions
    leaf: int
    value: int
    derivative: int


@dataclass(frozen=True, slots=True)
class GammaProofs:
    """The three properties of γ."""

    bounded: DecoderProof
    non_saturating: DecoderProof
    bounded_gradient: DecoderProof


def scalar_map(function: Callable[[Tensor], Tensor]) -> ScalarMap:
    """Trace an elementwise ``function`` and its derivative.

    Raises :class:`~properties.proofs.trace.TraceRefused` where no single graph describes it.
    """
    trace = trace_readout(_Alone(function))
    arena = Expressions()
    value = lower(trace.forward, arena).outputs[0].reshape(-1).tolist()[0]
    one = {"readout": torch.ones(1, dtype=torch.float64)}
    derivative = lower(trace.backward, arena, one).outputs[0].reshape(-1).tolist()[0]
    return ScalarMap(arena, arena.leaf("state", "state", 0), value, derivative)


class _Number(NamedTuple):
    value: Tensor


class _Alone:
    """The least that the tracer takes for a cell: one state scalar and γ of it."""

    input_size = 1

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def initial_state(self, *batch: int) -> _Number:
        return _Number(torch.zeros(*batch, 1, dtype=torch.float64))

    def readout(self, state: _Number) -> Tensor:
        return self.function(state.value)


def prove_gamma(
    gamma: ScalarMap,
    bound: float | None = None,
    window: tuple[float, float] | None = None,
    gradient_bound: float | None = None,
) -> GammaProofs:
    """Decide the three properties; the claims are K, (L, δ) and K′, None where there is no number.

    Raises ``ValueError`` for a window that is not a positive length and a positive slope.
    """
    return GammaProofs(
        prove_bound(gamma, gamma.value, bound, EXACT),
        prove_non_saturating(gamma, window),
        prove_bound(gamma, gamma.derivative, gradient_bound, AUTOGRAD),
    )


# ---- sup |f| over the line --------------------------------------------------------------------


def prove_bound(
    gamma: ScalarMap, place: int, claimed: float | None, semantics: str
) -> DecoderProof:
    """Decide sup |f| ≤ ``claimed`` over the line for the expression at ``place``, or find the sup."""
    exact_claim = None if claimed is None else str(Fraction(claimed))
    blank = DecoderProof("inconclusive", semantics, LINE, "range", claimed=exact_claim)
    unknown = gamma.arena.unknown([place])
    if unknown:
        return replace(blank, reason=f"no rule for the operations {', '.join(unknown)}")
    domain = WholeLine(gamma.arena)
    size = domain.at(place).magnitude
    if domain.unproved:
        return replace(blank, reason=domain.unproved[0])
    if not math.isinf(size):
        proof = replace(blank, bound=ratio(Fraction(size)))
        if claimed is None or Fraction(size) <= Fraction(claimed):
            return replace(proof, status="proved")
        reason = f"the range over the line gives {float(size):.6g}, the claim is {claimed:.6g}"
    else:
        proof = blank
        reason = "the range over the line is not bounded"
    if claimed is not None:
        point = _exceeding_point(gamma, place, claimed)
        if point is not None:
            return replace(
                proof,
                status="refuted-abstract",
                method="arb",
                witness=point,
                reason=f"exceeds {claimed:.6g} at {point:.6g}",
            )
    return replace(proof, reason=reason)


def _exceeding_point(gamma: ScalarMap, place: int, claimed: float) -> float | None:
    """A point at which |f| is certainly above ``claimed``, looked for at all scales up to 2^64."""
    fine = torch.arange(64, dtype=torch.float64) / 64
    scales = 2.0 ** torch.arange(-4, 24, dtype=torch.float64)
    grid = (scales[:, None] * (1 + fine)).flatten()
    grid = torch.cat((grid, 2.0 ** torch.arange(24, 65, dtype=torch.float64)))
    grid = torch.cat((grid, -grid))
    found = Intervals(gamma.arena, Rounding(), {gamma.leaf: Interval(grid, grid)}).at(place)
    least = torch.where(found.low > 0, found.low, -found.high).broadcast_to(grid.shape)
    least = torch.nan_to_num(least, nan=-math.inf)
    clear = least > 1.1 * claimed
    best = grid[clear][grid[clear].abs().argmin()] if bool(clear.any()) else grid[least.argmax()]
    point = float(best)
    with precision(balls.BITS):
        value = balls.evaluate(gamma.arena, place, gamma.leaf, arb(point))
        return point if abs(value) > claimed else None


# ---- windows ----------------------------------------------------------------------------------


def prove_non_saturating(
    gamma: ScalarMap, window: tuple[float, float] | None = None
) -> DecoderProof:
    """Decide whether every window of length L holds a point with |γ′| ≥ δ."""
    length, slope = window or WINDOW
    if not (0 < length < math.inf and 0 < slope < math.inf):
        raise ValueError(
            f"window: expected a positive length and a positive slope, got {(length, slope)}"
        )
    claimed = f"L = {length.hex()}, δ = {slope.hex()}" if isinstance(length, float) else str(window)
    blank = DecoderProof("inconclusive", AUTOGRAD, LINE, "none", claimed=claimed)
    unknown = gamma.arena.unknown([gamma.derivative])
    if unknown:
        return replace(blank, reason=f"no rule for the operations {', '.join(unknown)}")
    domain = WholeLine(gamma.arena)
    least = abs(domain.at(gamma.derivative)).low
    if not domain.unproved and least >= slope:
        return replace(blank, status="proved", method="range", bound=ratio(Fraction(least)))
    steep = _periodic_proof(gamma, blank, length, slope)
    if steep is not None:
        return steep
    flat = flat_window(gamma, length, slope)
    if flat is None:
        return replace(blank, reason=f"neither periodic nor flat on a window up to 2^{_FARTHEST}")
    return replace(
        blank,
        status="refuted-abstract",
        method="arb",
        window=flat,
        witness=flat[0],
        reason=f"|γ′| < {slope:g} on all of [{flat[0]:g}, {flat[1]:g}]",
    )


def _periodic_proof(
    gamma: ScalarMap, blank: DecoderProof, length: float, slope: float
) -> DecoderProof | None:
    """With period P and |γ′| ≥ δ on a stretch of width w, every window of length P − w meets the stretch."""
    shape = periods.shape(gamma.arena, gamma.derivative, gamma.leaf)
    if not isinstance(shape, periods.Periodic):
        return None
    with precision(balls.BITS):
        period = 2 * arb.pi() * ball(shape.turns)
        width = period / _STRETCHES
        if not period - width <= arb(length):
            return None
        for k in range(_STRETCHES):
            start = width * k
            stretch = start.union(start + width)
            steepness = abs(balls.evaluate(gamma.arena, gamma.derivative, gamma.leaf, stretch))
            if steepness >= slope:
                return replace(
                    blank,
                    status="proved",
                    method="period",
                    bound=ratio(Fraction(slope)),
                    period=ratio(shape.turns),
                    witness=float((start + width / 2).mid()),
                )
    return None


def flat_window(gamma: ScalarMap, length: float, slope: float) -> tuple[float, float] | None:
    """A window of this length, at ±2^k, on which |γ′| < ``slope`` is certain; None where none was found."""
    for k in range(2, _FARTHEST):
        for start in (2.0**k, -(2.0**k) - length):
            # one ulp of the far end is added: a longer flat window holds a flat one of the length
            window = (start, math.nextafter(start + length, math.inf))
            if balls.stays_below(gamma.arena, gamma.derivative, gamma.leaf, window, slope):
                return window
    return None


def worst(proofs: Sequence[DecoderProof]) -> DecoderProof:
    """The joint verdict of several γ: refuted if one is, proved if all are, with the largest bound."""
    refuted = [p for p in proofs if p.status == "refuted-abstract"]
    open_ = [p for p in proofs if p.status == "inconclusive"]
    if refuted or open_:
        return (refuted or open_)[0]
    return max(proofs, key=lambda p: Fraction(p.bound or 0))
