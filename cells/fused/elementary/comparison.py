"""What is chosen by comparisons: bounds, the larger and the smaller, what is a number."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def clamp(x: Tensor, least: Any = None, largest: Any = None) -> Tensor:
    """Within bounds, numbers or tensors; a NaN stays one."""
    x = x if least is None else torch.where(x < least, least, x)
    return x if largest is None else torch.where(x > largest, largest, x)


def fmax(a: Tensor, b: Tensor) -> Tensor:
    """The larger one; where one is no number, the other."""
    return torch.where((a >= b) | isnan(b), a, b)


def fmin(a: Tensor, b: Tensor) -> Tensor:
    """The smaller one; where one is no number, the other."""
    return torch.where((a <= b) | isnan(b), a, b)


def isnan(x: Tensor) -> Tensor:
    """Whether x is not a number."""
    return x != x  # noqa: PLR0124 - a NaN equals nothing


def isinf(x: Tensor) -> Tensor:
    """Whether x is infinite."""
    return torch.abs(x) == math.inf


def exclusive(a: Tensor, b: Tensor) -> Tensor:
    """Whether one of two truths holds, and not the other."""
    return (a | b) & ~(a & b)


def shrunk(gradient: Tensor, x: Tensor, width: float) -> Tensor:
    """The gradient of a function that is 0 between ``-width`` and ``width``."""
    return torch.where((x >= -width) & (x <= width), 0.0, gradient)
