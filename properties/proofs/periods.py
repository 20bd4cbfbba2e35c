"""Which expressions of one variable are periodic, and with which period, exactly.

A sine or cosine of an affine function a·h + b has period 2π/|a|; anything computed from functions whose
periods have a common multiple has that multiple. Slopes are the exact values of the program's constants, so
periods are rational multiples of 2π and commensurability is a question about fractions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from properties.proofs.expression import Expressions, Node


@dataclass(frozen=True, slots=True)
class Constant:
    """Does not depend on the variable; ``value`` where it is known exactly."""

    value: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Affine:
    """``slope``·h plus a constant."""

    slope: Fraction


@dataclass(frozen=True, slots=True)
class Periodic:
    """Repeats after ``turns``·2π."""

    turns: Fraction


Shape = Constant | Affine | Periodic | None
"""None: nothing is known."""


def shape(arena: Expressions, place: int, leaf: int) -> Shape:
    """The shape of the expression at ``place`` as a function of ``leaf``."""
    shapes: dict[int, Shape] = {}
    for p in arena.cone([place]):
        node = arena[p]
        if p == leaf:
            shapes[p] = Affine(Fraction(1))
        elif node.op == "literal":
            value = float(node.data[0])
            shapes[p] = Constant(Fraction(value) if math.isfinite(value) else None)
        elif node.op in ("leaf", "unknown"):
            shapes[p] = None  # another variable, or no function at all
        else:
            shapes[p] = _combined(node, [shapes[a] for a in node.args])
    return shapes[place]


def _combined(node: Node, a: list[Shape]) -> Shape:
    if any(s is None for s in a):
        return None
    if node.op in ("sin", "cos") and isinstance(a[0], Affine):
        return Periodic(1 / abs(a[0].slope)) if a[0].slope else Constant()
    if any(isinstance(s, Affine) for s in a):
        return _affine(node.op, a)
    periods = [s.turns for s in a if isinstance(s, Periodic)]
    return Periodic(_common(periods)) if periods else Constant(_value(node.op, a))


def _affine(op: str, a: list[Shape]) -> Shape:
    match op, a:
        case "neg", [Affine(slope)]:
            return Affine(-slope)
        case (
            ("cast", [Affine(slope)])
            | ("add" | "sub", [Affine(slope), Constant()])
            | (
                "add",
                [Constant(), Affine(slope)],
            )
        ):
            return Affine(slope)
        case "sub", [Constant(), Affine(slope)]:
            return Affine(-slope)
        case "add", [Affine(first), Affine(second)]:
            return Affine(first + second)
        case "sub", [Affine(first), Affine(second)]:
            return Affine(first - second)
        case ("mul", [Affine(slope), Constant(value)]) | ("mul", [Constant(value), Affine(slope)]):
            return None if value is None else Affine(slope * value)
        case "div", [Affine(slope), Constant(value)]:
            return Affine(slope / value) if value else None
    return None


def _value(op: str, a: list[Shape]) -> Fraction | None:
    values = [s.value for s in a if isinstance(s, Constant)]
    known = [v for v in values if v is not None]
    if len(known) != len(values) or len(known) != 2:
        return -known[0] if op == "neg" and len(known) == 1 else None
    match op:
        case "add":
            return known[0] + known[1]
        case "sub":
            return known[0] - known[1]
        case "mul":
            return known[0] * known[1]
    return None


def _common(periods: list[Fraction]) -> Fraction:
    """The least common multiple of fractions."""
    result = periods[0]
    for period in periods[1:]:
        result = Fraction(
            math.lcm(result.numerator, period.numerator),
            math.gcd(result.denominator, period.denominator),
        )
    return result
