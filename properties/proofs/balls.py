"""Expressions of one variable in Arb balls: rigorous values at points and over short windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from flint import arb

from properties.proofs.expression import Expressions, Node
from properties.proofs.rational import precision

BITS = 80
_NAN = arb.nan()


def evaluate(arena: Expressions, place: int, leaf: int, at: arb) -> arb:
    """A ball that holds the expression's value for every point of ``at``; NaN where nothing is known.

    Comparisons with a NaN ball are false, so that nothing is ever certified with one.
    """
    values: dict[int, Any] = {}
    for p in arena.cone([place]):
        node = arena[p]
        if p == leaf:
            values[p] = at
        elif node.op == "literal":
            values[p] = arb(float(node.data[0]))
        else:
            result = _node(node, [values[a] for a in node.args])
            square = node.op == "mul" and node.args[0] == node.args[1]
            values[p] = result.nonnegative_part() if square else result
    result = values[place]
    return result if isinstance(result, arb) else _NAN


def _node(node: Node, a: list[Any]) -> Any:
    if node.op in _COMPARE:
        return _COMPARE[node.op](_number(a[0]) - _number(a[1]))
    if node.op in _LOGIC:
        return _LOGIC[node.op](*(x if isinstance(x, bool) else None for x in a))
    if node.op == "where":
        condition, chosen, other = a
        if not isinstance(condition, bool):
            return _number(chosen).union(_number(other))
        return chosen if condition else other
    rule = _RULES.get(node.op)
    return _NAN if rule is None else rule(*(_number(x) for x in a))


def _number(value: Any) -> arb:
    """A truth value that is computed with: 1, 0, or anything between where it is not decided."""
    if isinstance(value, arb):
        return value
    return arb(0).union(arb(1)) if value is None else arb(int(value))


def _certain(yes: bool, no: bool) -> bool | None:
    return True if yes else False if no else None


_COMPARE: dict[str, Callable[[arb], bool | None]] = {
    "gt": lambda d: _certain(d > 0, d <= 0),
    "ge": lambda d: _certain(d >= 0, d < 0),
    "lt": lambda d: _certain(d < 0, d >= 0),
    "le": lambda d: _certain(d <= 0, d > 0),
    "eq": lambda d: _certain(d.is_zero(), not d.contains(0)),
    "ne": lambda d: _certain(not d.contains(0), d.is_zero()),
}
_LOGIC: dict[str, Callable[..., bool | None]] = {
    "and": lambda a, b: False if a is False or b is False else None if None in (a, b) else True,
    "or": lambda a, b: True if a is True or b is True else None if None in (a, b) else False,
    "not": lambda a: None if a is None else not a,
}


def _sign(x: arb) -> arb:
    if x > 0:
        return arb(1)
    return arb(-1) if x < 0 else arb(0) if x.is_zero() else arb(0, 1)


def _sigmoid(x: arb) -> arb:
    return 1 / (1 + (-x).exp())


def _softplus(x: arb) -> arb:
    return (1 + x.exp()).log()


def _floor(x: arb) -> arb:
    low, high = x.lower().floor(), x.upper().floor()
    return low.union(high)


_RULES: dict[str, Callable[..., arb]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "fma": lambda a, b, c: a * b + c,
    "neg": lambda a: -a,
    "cast": lambda a: a,
    "inexact": lambda a: a,
    "unrounded": lambda a: a,
    "abs": lambda a: abs(a).nonnegative_part(),
    "reciprocal": lambda a: 1 / a,
    "min": lambda a, b: a.min(b),
    "max": lambda a, b: a.max(b),
    "relu": lambda a: a.max(arb(0)),
    "sum": lambda *a: sum(a, arb(0)),
    "sqrt": arb.sqrt,
    "rsqrt": arb.rsqrt,
    "exp": arb.exp,
    "expm1": arb.expm1,
    "log": arb.log,
    "log1p": arb.log1p,
    "sin": arb.sin,
    "cos": arb.cos,
    "tan": arb.tan,
    "tanh": arb.tanh,
    "sinh": arb.sinh,
    "cosh": arb.cosh,
    "asinh": arb.asinh,
    "atan": arb.atan,
    "erf": arb.erf,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "logaddexp": lambda a, b: a.max(b) + (-abs(a - b)).exp().log1p(),
    "sign": _sign,
    "floor": _floor,
}


def stays_below(
    arena: Expressions,
    place: int,
    leaf: int,
    window: tuple[float, float],
    level: float,
    budget: int = 400,
) -> bool:
    """Whether |expression| < ``level`` on all of ``window``, proved with at most ``budget`` balls."""
    pending = [window]
    with precision(BITS):
        for _ in range(budget):
            if not pending:
                return True
            low, high = pending.pop()
            value = abs(evaluate(arena, place, leaf, _between(low, high)))
            if value < level:
                continue
            middle = low + (high - low) / 2
            if not low < middle < high or (
                value.is_finite() and _exceeds_inside(arena, place, leaf, middle, level)
            ):
                return False
            pending += [(low, middle), (middle, high)]
    return not pending


def _exceeds_inside(arena: Expressions, place: int, leaf: int, point: float, level: float) -> bool:
    return bool(abs(evaluate(arena, place, leaf, arb(point))) >= level)


def _between(low: float, high: float) -> arb:
    return arb(low).union(arb(high)) if math.isfinite(low) and math.isfinite(high) else _NAN
