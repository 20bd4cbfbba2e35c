"""Hyperbolic functions and their inverses, without cancellation and without overflow before the result's."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LARGE = 1e8
"""From here on ±1 under a root is lost."""
_LN2 = math.log(2)


def sinh(x: Tensor) -> Tensor:
    """(e^x - e^-x)/2."""
    size = torch.abs(x)
    grown = torch.expm1(torch.where(size > 1, 1.0, size))
    near = 0.5 * (grown + grown / (grown + 1))
    half = _half_exp(size)
    value = torch.where(size > 1, half - 0.25 / half, near)
    return torch.where(x < 0, -value, value)


def cosh(x: Tensor) -> Tensor:
    """(e^x + e^-x)/2."""
    half = _half_exp(torch.abs(x))
    return half + 0.25 / half


def _half_exp(x: Tensor) -> Tensor:
    """e^x/2, finite where that is: e^x may not be."""
    root = torch.exp(0.5 * x)
    return 0.5 * root * root


def asinh(x: Tensor) -> Tensor:
    """log(x + √(x² + 1))."""
    size = torch.abs(x)
    held = torch.where(size > _LARGE, 1.0, size)
    near = torch.log1p(held + held * held / (1 + torch.sqrt(1 + held * held)))
    value = torch.where(size > _LARGE, torch.log(size) + _LN2, near)
    return torch.where(x < 0, -value, value)


def acosh(x: Tensor) -> Tensor:
    """log(x + √(x² - 1)), NaN below 1."""
    above = torch.where(x > _LARGE, 1.0, x) - 1
    near = torch.log1p(above + torch.sqrt(above) * torch.sqrt(above + 2))
    return torch.where(x > _LARGE, torch.log(x) + _LN2, near)


def atanh(x: Tensor) -> Tensor:
    """log((1 + x)/(1 - x))/2, NaN outside of [-1, 1]."""
    size = torch.abs(x)
    value = 0.5 * torch.log1p(2 * size / (1 - size))
    return torch.where(x < 0, -value, value)
