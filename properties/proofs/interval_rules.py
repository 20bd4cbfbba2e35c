"""One rule per operation: from intervals of the operands to an interval of the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from properties.proofs.rounding import KERNEL_ULPS, Rounding

_LINE = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Interval:
    """Every number from ``low`` to ``high``, float64 tensors of one shape: one interval per case.

    A value inside is what the operation returns if it is not NaN; where it may be NaN the ends say
    nothing about that.
    """

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, low: float, high: float) -> Interval:
        """The same interval in every case."""
        return cls(torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64))

    @property
    def magnitude(self) -> Tensor:
        """The largest absolute value, per case."""
        return torch.maximum(self.low.abs(), self.high.abs())

    def meet(self, low: float, high: float) -> Interval:
        """What of it lies between two numbers known to bound the result."""
        return Interval(self.low.clamp(low, high), self.high.clamp(low, high))


Rule = Callable[..., Interval | None]


def add(rounding: Rounding, a: Interval, b: Interval) -> Interval:
    """The sum a + b, rounded once."""
    return Interval(*rounding.sum(a.low, b.low, a.high, b.high))


def sub(rounding: Rounding, a: Interval, b: Interval) -> Interval:
    """The difference a − b, rounded once."""
    return add(rounding, a, neg(rounding, b))


def neg(_: Rounding, a: Interval) -> Interval:
    """−a, exact."""
    return Interval(-a.high, -a.low)


def products(a: Interval, b: Interval) -> tuple[Tensor, Tensor]:
    """The ends of a·b before rounding; the numbers inside are finite, so 0·∞ is 0."""
    ends = torch.broadcast_tensors(a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high)
    stacked = torch.nan_to_num(torch.stack(ends), nan=0.0, posinf=math.inf, neginf=-math.inf)
    return stacked.amin(0), stacked.amax(0)


def mul(rounding: Rounding, a: Interval, b: Interval) -> Interval:
    """The product a·b, rounded once."""
    return Interval(*rounding.product(*products(a, b)))


def square(rounding: Rounding, a: Interval) -> Interval:
    """The square a·a, which is not negative."""
    ends = absolute(rounding, a)
    return Interval(*rounding.product(ends.low * ends.low, ends.high * ends.high)).meet(
        0.0, math.inf
    )


def reciprocal(rounding: Rounding, a: Interval) -> Interval | None:
    """1/a; no rule where a may be zero."""
    if not _nonzero(a):
        return None
    return Interval(*rounding.quotient(1 / a.high, 1 / a.low))


def div(rounding: Rounding, a: Interval, b: Interval) -> Interval | None:
    """The quotient a/b; no rule where b may be zero, since 0/0 is NaN."""
    if not _nonzero(b):
        return None
    quotients = torch.broadcast_tensors(
        a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high
    )
    ends = torch.nan_to_num(torch.stack(quotients), nan=0.0, posinf=math.inf, neginf=-math.inf)
    return Interval(*rounding.quotient(ends.amin(0), ends.amax(0)))


def _nonzero(a: Interval) -> bool:
    return bool(((a.low > 0) | (a.high < 0)).all())


def absolute(_: Rounding, a: Interval) -> Interval:
    """|a|, exact."""
    low = torch.where((a.low <= 0) & (a.high >= 0), 0.0, torch.minimum(a.low.abs(), a.high.abs()))
    return Interval(low, a.magnitude)


def minimum(_: Rounding, a: Interval, b: Interval) -> Interval:
    """min(a, b), exact."""
    return Interval(torch.minimum(a.low, b.low), torch.minimum(a.high, b.high))


def maximum(_: Rounding, a: Interval, b: Interval) -> Interval:
    """max(a, b), exact."""
    return Interval(torch.maximum(a.low, b.low), torch.maximum(a.high, b.high))


def where(_: Rounding, __: Interval, a: Interval, b: Interval) -> Interval:
    """Either of the two."""
    return Interval(torch.minimum(a.low, b.low), torch.maximum(a.high, b.high))


def relu(_: Rounding, a: Interval) -> Interval:
    """max(a, 0), exact."""
    return a.meet(0.0, math.inf)


def total(rounding: Rounding, *terms: Interval) -> Interval:
    """A sum in an unknown order."""
    return Interval(*rounding.spread([t.low for t in terms], [t.high for t in terms]))


def dot(rounding: Rounding, *factors: Interval) -> Interval:
    """x₁y₁ + x₂y₂ + … in an unknown order, fused or not."""
    pairs = zip(factors[::2], factors[1::2], strict=True)
    return total(rounding, *(Interval(*products(a, b)) for a, b in pairs))


def fma(rounding: Rounding, a: Interval, b: Interval, c: Interval) -> Interval:
    """The sum a·b + c, rounded once or twice."""
    return total(rounding, Interval(*products(a, b)), c)


def accumulate(rounding: Rounding, product: Interval, base: Interval) -> Interval:
    """A product of matrices plus what its accumulation starts from or ends with."""
    return total(rounding, product, base)


def inexact(rounding: Rounding, a: Interval) -> Interval:
    """What one kernel computes in its own way, where the operands say it in several operations."""
    return Interval(*rounding.kernel(a.low, a.high, 2 * KERNEL_ULPS))


def truth(_: Rounding, *__: Interval) -> Interval:
    """A comparison: 0 or 1."""
    return Interval.of(0.0, 1.0)


def _increasing(
    function: Callable[[Tensor], Tensor],
    least: float = -math.inf,
    most: float = math.inf,
    slack: float = 0.0,
) -> Rule:
    """A monotone kernel; ``slack`` is an absolute error where the relative one does not hold."""

    def rule(rounding: Rounding, a: Interval) -> Interval:
        low, high = function(a.low) - slack, function(a.high) + slack
        return Interval(*rounding.kernel(low, high)).meet(least, most)

    return rule


def _above(least: float, rule: Rule) -> Rule:
    def guarded(rounding: Rounding, a: Interval) -> Interval | None:
        return rule(rounding, a) if bool((a.low > least).all()) else None

    return guarded


def _square_root(rounding: Rounding, a: Interval) -> Interval | None:
    if not bool((a.low >= 0).all()):
        return None
    # a kernel like the others: float32's is not correctly rounded on processors with AVX-512
    return Interval(*rounding.kernel(a.low.sqrt(), a.high.sqrt())).meet(0.0, math.inf)


def _inverse_root(rounding: Rounding, a: Interval) -> Interval:
    return Interval(*rounding.kernel(a.high.rsqrt(), a.low.rsqrt())).meet(0.0, math.inf)


def _softplus(rounding: Rounding, a: Interval) -> Interval:
    zero = torch.zeros_like(a.low)
    low, high = torch.logaddexp(a.low, zero), torch.logaddexp(a.high, zero)
    return Interval(*rounding.kernel(low, high, 16)).meet(0.0, math.inf)


def _logaddexp(rounding: Rounding, a: Interval, b: Interval) -> Interval:
    low, high = torch.logaddexp(a.low, b.low), torch.logaddexp(a.high, b.high)
    size = torch.maximum(a.magnitude, b.magnitude)
    slack = torch.where(torch.isfinite(size), size * 16 * rounding.unit, 0.0)
    return Interval(*rounding.kernel(low - slack, high + slack, 16))


def _wave(phase: float) -> Rule:
    """cos(x − phase): ±1 wherever a turning point may lie inside, the ends' values otherwise."""

    def rule(rounding: Rounding, a: Interval) -> Interval:
        near = (a.magnitude <= 1e6) & (a.high - a.low < 2 * math.pi - 1e-3)
        low, high = torch.where(near, a.low, 0.0) - phase, torch.where(near, a.high, 0.0) - phase
        margin = 1e-6  # far more than the error of the phase and of the ends
        peak = _meets(low - margin, high + margin, 0.0)
        trough = _meets(low - margin, high + margin, math.pi)
        ends = torch.cos(low), torch.cos(high)
        slack = 1e-9 + 4 * rounding.unit
        bottom = torch.where(near & ~trough, torch.minimum(*ends) - slack, -1.0)
        top = torch.where(near & ~peak, torch.maximum(*ends) + slack, 1.0)
        return Interval(*rounding.kernel(bottom, top)).meet(-1.0, 1.0)

    return rule


def _meets(low: Tensor, high: Tensor, phase: float) -> Tensor:
    """Whether [low, high] holds a number phase + 2πk."""
    turns = torch.ceil((low - phase) / (2 * math.pi))
    return turns * 2 * math.pi + phase <= high


def _floor(_: Rounding, a: Interval) -> Interval:
    return Interval(torch.floor(a.low), torch.floor(a.high))


def _sign(_: Rounding, a: Interval) -> Interval:
    return Interval(torch.sign(a.low), torch.sign(a.high))


def softmax(rounding: Rounding, *group_and_member: Any) -> Interval:
    """Member i of a softmax, 1/(1 + Σ e^(x_j − x_i)).

    Kernels subtract the largest x first, whose rounding the exponential multiplies by up to a hundred. No
    member exceeds 1, also when rounded: e_i ≤ Σ e_j, and neither does their quotient.
    """
    *group, member = group_and_member
    own = group[member]
    others = [a for j, a in enumerate(group) if j != member]
    low = sum((_exp_gap(a.high, own.low, math.inf) for a in others), torch.ones_like(own.low))
    high = sum((_exp_gap(a.low, own.high, -math.inf) for a in others), torch.ones_like(own.high))
    return Interval(*rounding.kernel(1 / low, 1 / high, 256 + 4 * len(group))).meet(0.0, 1.0)


def _exp_gap(other: Tensor, own: Tensor, either: float) -> Tensor:
    """The exponential of the difference, or of ``either`` where both are the same infinity."""
    gap = other - own
    return torch.exp(torch.where(torch.isnan(gap), either, gap))


def norm(rounding: Rounding, *terms_and_order: Any) -> Interval | None:
    """√(Σ x²), the terms in an unknown order; other orders have no rule."""
    *terms, order = terms_and_order
    if order != 2:
        return None
    squares = total(rounding, *(square(rounding, t) for t in terms)).meet(0.0, math.inf)
    return _square_root(rounding, squares)


RULES: dict[str, Rule] = {
    "add": add,
    "sub": sub,
    "neg": neg,
    "mul": mul,
    "div": div,
    "reciprocal": reciprocal,
    "abs": absolute,
    "min": minimum,
    "max": maximum,
    "where": where,
    "relu": relu,
    "sum": total,
    "dot": dot,
    "fma": fma,
    "accumulate": accumulate,
    "inexact": inexact,
    **dict.fromkeys(("gt", "ge", "lt", "le", "eq", "ne", "and", "or", "not"), truth),
    "sigmoid": _increasing(torch.sigmoid, 0.0, 1.0),
    "tanh": _increasing(torch.tanh, -1.0, 1.0),
    "exp": _increasing(torch.exp, 0.0),
    "expm1": _increasing(torch.expm1, -1.0),
    "erf": _increasing(torch.erf, -1.0, 1.0, 1e-6),  # float32's returns 4e−7 for 2e−7
    "atan": _increasing(torch.atan, -1.571, 1.571),
    "log": _above(0.0, _increasing(torch.log)),
    "log1p": _above(-1.0, _increasing(torch.log1p)),
    "sqrt": _square_root,
    "rsqrt": _above(0.0, _inverse_root),
    "softplus": _softplus,
    "logaddexp": _logaddexp,
    "cos": _wave(0.0),
    "sin": _wave(math.pi / 2),
    "floor": _floor,
    "sign": _sign,
    "softmax": softmax,
    "norm": norm,
}
"""Operation to rule. A rule that returns None met an argument outside the kernel's domain."""

LINE = Interval.of(*_LINE)
