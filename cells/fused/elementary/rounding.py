"""Whole numbers near a number, and what is left of a division."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def ceil(x: Tensor) -> Tensor:
    """The least whole number that is not below x."""
    return -torch.floor(-x)


def trunc(x: Tensor) -> Tensor:
    """The number without its fraction."""
    return torch.where(x < 0, -torch.floor(-x), torch.floor(x))


def rounded(x: Tensor) -> Tensor:
    """The nearest whole number, of two the even one."""
    below = torch.floor(x)
    over = x - below
    even = below + (below - 2 * torch.floor(0.5 * below))
    # an infinity is over itself by no number
    return torch.where(over > 0.5, below + 1, torch.where(over == 0.5, even, below))


def remainder(x: Tensor, y: Any) -> Tensor:
    """That is, x - y·⌊x/y⌋, of y's sign; where the quotient has more digits than two numbers, 0."""
    rest = _reduced(_reduced(x, y), y)
    return torch.where(torch.abs(rest) >= abs(y), 0.0, rest)


def _reduced(x: Tensor, y: Any) -> Tensor:
    """The same where the quotient has fewer digits than a number; else something smaller than x."""
    rest = x - y * torch.floor(x / y)
    # the quotient may have been rounded to the wrong side
    rest = torch.where(rest * y < 0, rest + y, rest)
    return torch.where(torch.abs(rest) >= abs(y), rest - y, rest)


def fmod(x: Tensor, y: Any) -> Tensor:
    """The same of the sign of x."""
    size, divisor = torch.abs(x), abs(y)
    rest = remainder(size, divisor)
    return torch.where(x < 0, -rest, rest)


def divided(x: Tensor, y: Any, *, rounding_mode: str | None = None) -> Any:
    """x/y, rounded down ("floor") or towards zero ("trunc")."""
    if rounding_mode == "floor":
        return torch.floor(x / y)
    return trunc(x / y) if rounding_mode == "trunc" else NotImplemented
