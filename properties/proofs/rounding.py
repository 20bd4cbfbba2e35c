"""How a result differs from the exact one: not at all, or by the rounding of a dtype and its kernels.

Rounding to nearest is monotone. So where every operand lies between two numbers of the format, the rounded
sum, product or quotient lies between the rounded sums, products or quotients of the ends, and nothing
needs to be added to them. Kernels such as exp are not correctly rounded; of those an accuracy is assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_DIGITS = {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}
_LOW = torch.tensor(-math.inf, dtype=torch.float64)
_HIGH = torch.tensor(math.inf, dtype=torch.float64)

KERNEL_ULPS = 4
"""Assumed of every transcendental kernel: this many units in the last place, or the absolute floor."""

Ends = tuple[Tensor, Tensor]
"""Lower and upper ends, float64, of one shape; ends that are NaN are replaced by ∓∞."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """``dtype``: the format in which every operation is executed; None for exact reals.

    Sixteen-bit operations are executed in float32 and rounded once more, as torch does on a CPU.
    """

    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in _DIGITS:
            known = ", ".join(str(d) for d in _DIGITS)
            raise ValueError(
                f"dtype: expected one of {known}, or None for exact reals, got {self.dtype}"
            )

    @property
    def unit(self) -> float:
        """Half a unit in the last place of 1: the relative error of one rounding."""
        return float(2.0 ** -_DIGITS[self.dtype or torch.float64])

    @property
    def floor(self) -> float:
        """An absolute error that is always allowed for: kernels may flush what is not a normal number.

        Float32's sigmoid returns 0 at −89, where σ is 2.2e−39; a relative axiom alone would be false.
        """
        if self.dtype is torch.float16:
            return 2.0**-24
        return float(torch.finfo(self.dtype or torch.float64).tiny)

    def nearest(self, value: Tensor) -> Tensor:
        """``value``, float64, rounded to the format."""
        if self.dtype is None or self.dtype is torch.float64:
            return value
        return value.to(torch.float32).to(self.dtype).to(torch.float64)

    def literal(self, value: float) -> Ends:
        """A constant of the program, which a kernel may round to the format, or to float32 first."""
        exact = torch.tensor(value, dtype=torch.float64)
        if self.dtype in (None, torch.float64):
            return exact, exact
        single = exact.to(torch.float32).to(torch.float64)
        ends = torch.stack([single, self.nearest(exact)])
        return ends.amin(0), ends.amax(0)

    def sum(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Ends:
        """The rounded ends a + b and c + d."""
        return self._sum(a, b, _LOW), self._sum(c, d, _HIGH)

    def _sum(self, a: Tensor, b: Tensor, side: Tensor) -> Tensor:
        total = a + b
        if self.dtype is torch.float64:
            return _clean(total, side)
        part = (
            total - b
        )  # Knuth's error of the float64 sum: rounding twice must not pass a midpoint
        error = (a - part) + (b - (total - part))
        wrong = error != 0 if self.dtype is not None else torch.ones_like(total, dtype=torch.bool)
        total = torch.where(wrong & torch.isfinite(total), torch.nextafter(total, side), total)
        return _clean(self.nearest(total), side)

    def product(self, low: Tensor, high: Tensor) -> Ends:
        """The rounded ends of products of numbers of the format, which float64 holds exactly."""
        if self.dtype is None:
            low, high = torch.nextafter(low, _LOW), torch.nextafter(high, _HIGH)
        return _clean(self.nearest(low), _LOW), _clean(self.nearest(high), _HIGH)

    def quotient(self, low: Tensor, high: Tensor) -> Ends:
        """The rounded ends of quotients, computed in float64."""
        if self.dtype is not torch.float64:
            low, high = torch.nextafter(low, _LOW), torch.nextafter(high, _HIGH)
        return _clean(self.nearest(low), _LOW), _clean(self.nearest(high), _HIGH)

    def kernel(self, low: Tensor, high: Tensor, ulps: int = KERNEL_ULPS) -> Ends:
        """The ends of a transcendental kernel whose exact ends float64 gives to ``ulps`` of its own."""
        own = 2 * ulps * 2.0**-53
        relative = own if self.dtype is None else 2 * ulps * self.unit + own + 2 * self.unit
        low = low - relative * low.abs() - 2 * self.floor
        high = high + relative * high.abs() + 2 * self.floor
        return _clean(self.nearest(low), _LOW), _clean(self.nearest(high), _HIGH)

    def spread(self, lows: list[Tensor], highs: list[Tensor]) -> Ends:
        """The ends of a sum in an unknown order, given those of its terms.

        Whatever the order, the rounded sum is monotone in every term: it lies between the rounded sums of
        the lower and of the upper ends, and those are off by the usual error of a sum.
        """
        count = len(lows) + 2
        unit = self.unit + 2.0**-52
        share = count * unit
        # where there are so many terms that their roundings may add up to the sum itself, any number
        error = share / (1 - share) if share < 1 else math.inf
        low, high = _total(lows), _total(highs)
        low = low - _total([t.abs() for t in lows]) * error - count * self.floor
        high = high + _total([t.abs() for t in highs]) * error + count * self.floor
        return _clean(self.nearest(low), _LOW), _clean(self.nearest(high), _HIGH)


def _total(terms: list[Tensor]) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*terms)).sum(0)


def _clean(value: Tensor, side: Tensor) -> Tensor:
    return torch.where(torch.isnan(value), side, value)
