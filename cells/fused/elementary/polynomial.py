"""Polynomials."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def horner(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """The polynomial of two coefficients at least, that of the highest power first."""
    leading, following, *rest = coefficients
    value = (x if leading == 1 else leading * x) + following
    for one in rest:
        value = value * x + one
    return value
