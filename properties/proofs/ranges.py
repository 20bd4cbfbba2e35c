"""Intervals of the extended real line with rational ends, and the range of every kernel over one.

Ends are fractions or ±∞. The numbers inside are finite reals, so 0·(−∞, ∞) is {0}; an operation that leaves
the reals (a logarithm of a number that may be negative, a quotient by one that may be zero) has no
range here, and nothing is proved about it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb

from properties.proofs import rational

End = Fraction | float
"""A fraction, or one of the floats ±∞."""


@dataclass(frozen=True, slots=True)
class Range:
    """All reals from ``low`` to ``high``."""

    low: End
    high: End

    @classmethod
    def of(cls, low: float | Fraction, high: float | Fraction) -> Range:
        """The range between two numbers, floats taken at their exact value."""
        return cls(_end(low), _end(high))

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are finite."""
        return not (math.isinf(self.low) or math.isinf(self.high))

    @property
    def magnitude(self) -> End:
        """The largest absolute value."""
        low, high = -self.low, self.high
        return low if low > high else high  # noqa: FURB136 - max has no overload for a union

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def __neg__(self) -> Range:
        return Range(-self.high, -self.low)

    def __sub__(self, other: Range) -> Range:
        return self + (-other)

    def __mul__(self, other: Range) -> Range:
        products = [_times(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        return Range(min(products), max(products))

    def square(self) -> Range:
        """The range of x·x."""
        ends = abs(self)
        return Range(_times(ends.low, ends.low), _times(ends.high, ends.high))

    def __abs__(self) -> Range:
        if self.low >= 0:
            return self
        if self.high <= 0:
            return -self
        return Range(Fraction(0), self.magnitude)

    def reciprocal(self) -> Range | None:
        """The range of 1/x; None where x may be zero."""
        if self.low <= 0 <= self.high:
            return None
        return Range(_inverse(self.high), _inverse(self.low))

    def join(self, other: Range) -> Range:
        """The smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    def meet(self, other: Range) -> Range:
        """What both hold; they are known to overlap."""
        return Range(max(self.low, other.low), min(self.high, other.high))


LINE = Range(-math.inf, math.inf)
UNIT = Range(Fraction(0), Fraction(1))
SYMMETRIC = Range(Fraction(-1), Fraction(1))


def _end(value: float | Fraction) -> End:
    if isinstance(value, float) and math.isinf(value):
        return value
    return Fraction(value)


def _times(a: End, b: End) -> End:
    return Fraction(0) if a == 0 or b == 0 else a * b


def _inverse(a: End) -> End:
    return Fraction(0) if math.isinf(a) else 1 / Fraction(a)


_FAR = 4096
"""Beyond this argument a kernel's limit stands for its value: e^4096 has thousands of digits."""


def _increasing(function: Callable[[Any], Any], least: Any, most: Any) -> Callable[[Range], Range]:
    def rule(a: Range) -> Range:
        low, high = _end(least), _end(most)
        if a.low > -_FAR and not math.isinf(a.low):
            at = Fraction(min(a.low, Fraction(_FAR)))
            low = max(low, rational.enclose(function, at, at)[0])
        if a.high < _FAR and not math.isinf(a.high):
            at = Fraction(max(a.high, Fraction(-_FAR)))
            high = min(high, rational.enclose(function, at, at)[1])
        return Range(low, high)

    return rule


def _on(
    domain: Callable[[Range], bool], rule: Callable[[Range], Range]
) -> Callable[[Range], Range | None]:
    return lambda a: rule(a) if domain(a) else None


def _periodic(function: Callable[[Any], Any]) -> Callable[[Range], Range]:
    def rule(a: Range) -> Range:
        if not a.is_bounded or a.high - a.low > 6:
            return SYMMETRIC
        with rational.precision(2 * rational.BITS):
            value = function(rational.ball(Fraction(a.low)).union(rational.ball(Fraction(a.high))))
            return Range(rational.lower(value), rational.upper(value)).meet(SYMMETRIC)

    return rule


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + (-x).exp())


def _softplus(x: Any) -> Any:
    return (1 + x.exp()).log()


def _steps(down: int, up: int) -> Callable[[Range], Range]:
    return lambda a: Range(a.low - down, a.high + up)


def _rsqrt(a: Range) -> Range | None:
    root = _sqrt(a)
    return None if root is None else root.reciprocal()


_sqrt = _on(lambda a: a.low >= 0, _increasing(arb.sqrt, 0, math.inf))
_HALF_PI = Fraction(1_570_796_327, 10**9)

KERNELS: dict[str, Callable[[Range], Range | None]] = {
    "sigmoid": _increasing(_sigmoid, 0, 1),
    "tanh": _increasing(arb.tanh, -1, 1),
    "exp": _increasing(arb.exp, 0, math.inf),
    "expm1": _increasing(arb.expm1, -1, math.inf),
    "softplus": _increasing(_softplus, 0, math.inf),
    "erf": _increasing(arb.erf, -1, 1),
    "atan": _increasing(arb.atan, -_HALF_PI, _HALF_PI),
    "sinh": _increasing(arb.sinh, -math.inf, math.inf),
    "asinh": _increasing(arb.asinh, -math.inf, math.inf),
    "log": _on(lambda a: a.low > 0, _increasing(arb.log, -math.inf, math.inf)),
    "log1p": _on(lambda a: a.low > -1, _increasing(arb.log1p, -math.inf, math.inf)),
    "sqrt": _sqrt,
    "rsqrt": _rsqrt,
    "sin": _periodic(arb.sin),
    "cos": _periodic(arb.cos),
    "sign": lambda _: SYMMETRIC,
    "floor": _steps(1, 0),
    "ceil": _steps(0, 1),
    "round": _steps(1, 1),
    "trunc": _steps(1, 1),
    "cosh": lambda _: Range(Fraction(1), math.inf),
    "abs": abs,
    "reciprocal": Range.reciprocal,
    "neg": lambda a: -a,
    "relu": lambda a: Range(max(a.low, Fraction(0)), max(a.high, Fraction(0))),
}
"""The range of each kernel of one argument; None where the argument may lie outside its domain."""


def minimum(a: Range, b: Range) -> Range:
    """The range of min(x, y)."""
    return Range(min(a.low, b.low), min(a.high, b.high))


def maximum(a: Range, b: Range) -> Range:
    """The range of max(x, y)."""
    return Range(max(a.low, b.low), max(a.high, b.high))


def logaddexp(a: Range, b: Range) -> Range:
    """The range of log(e^x + e^y), which lies within log 2 above max(x, y)."""
    ends = maximum(a, b)
    return Range(ends.low, ends.high + Fraction(6931472, 10**7))
