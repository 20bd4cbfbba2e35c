"""Powers, and exponentials and logarithms to other bases than e."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from cells.fused.elementary import comparison

_MOST = 64
"""Powers up to here are products, each of which rounds once; beyond, a logarithm is no worse."""
_LN2, _LN10 = math.log(2), math.log(10)
_FIRST, _REST = 355 / 512, -2.121944400546905827679e-4
_FAR = 1100.0
"""Beyond, 2^x is infinite or 0 in double precision too."""


def to_number(x: Tensor, exponent: float) -> Tensor:
    """To a fixed exponent; NaN for a negative x unless the exponent is whole."""
    size = abs(exponent)
    whole = int(size) if size <= _MOST and 2 * size == int(2 * size) else None
    if whole is None:
        return (
            _large(x, exponent) if exponent == int(exponent) else torch.exp(exponent * torch.log(x))
        )
    result = torch.sqrt(x) if size != whole else None
    square = x
    while whole:
        if whole % 2:
            result = square if result is None else result * square
        whole //= 2
        square = square * square if whole else square
    if result is None:
        return torch.ones_like(x)
    return torch.reciprocal(result) if exponent < 0 else result


def _large(x: Tensor, exponent: float) -> Tensor:
    size = torch.exp(exponent * torch.log(torch.abs(x)))
    return torch.where(x < 0, -size, size) if exponent % 2 else size


def of_number(base: float, exponent: Tensor) -> Any:
    """A positive number to a power."""
    return torch.exp(math.log(base) * exponent) if base > 0 else NotImplemented


def to_tensor(x: Tensor, exponent: Tensor) -> Tensor:
    """To the power of ``exponent``: 1 where that is 0; NaN for a negative x unless it is whole."""
    size = torch.exp(exponent * torch.log(torch.abs(x)))
    half = 0.5 * exponent
    odd = torch.where(torch.floor(half) == half, size, -size)
    signed = torch.where(torch.floor(exponent) == exponent, odd, torch.log(x))  # that is NaN
    value = torch.where(x < 0, signed, size)
    return torch.where((exponent == 0) | (x == 1), 1.0, value)


def exp2(x: Tensor) -> Tensor:
    """Two to the x, in two parts: the large one has an exact exponent, of x to 1/64 and few bits of log 2."""
    x = comparison.clamp(x, -_FAR, _FAR)
    coarse = torch.floor(64 * x) / 64
    return torch.exp(_FIRST * coarse) * torch.exp(_REST * coarse + _LN2 * (x - coarse))


def log2(x: Tensor) -> Tensor:
    """The logarithm to the base 2."""
    return torch.log(x) / _LN2


def log10(x: Tensor) -> Tensor:
    """The logarithm to the base 10."""
    return torch.log(x) / _LN10


def logaddexp(a: Tensor, b: Tensor) -> Tensor:
    """Without the library's branches for infinities: where both are infinite the same way it is NaN."""
    return torch.maximum(a, b) + torch.log1p(torch.exp(-torch.abs(a - b)))


def logaddexp2(a: Tensor, b: Tensor) -> Tensor:
    """The same to the base 2."""
    return logaddexp(_LN2 * a, _LN2 * b) / _LN2


def expm1(x: Tensor) -> Tensor:
    """e^x - 1, near 0 by tanh, which has no cancellation there."""
    t = torch.tanh(0.5 * x)
    return torch.where(torch.abs(x) < 1, 2 * t / (1 - t), torch.exp(x) - 1)


def xlogy(x: Tensor, y: Tensor) -> Tensor:
    """x·log y, 0 where x is."""
    return torch.where((x == 0) & (y == y), 0.0, x * torch.log(y))  # noqa: PLR0124 - unless y is NaN


def hypot(a: Tensor, b: Tensor) -> Tensor:
    """√(a² + b²), which overflows where the result does."""
    a, b = torch.abs(a), torch.abs(b)
    most = torch.maximum(a, b)
    ratio = torch.minimum(a, b) / torch.where(most > 0, most, 1.0)
    return most * torch.sqrt(1 + ratio * ratio)
