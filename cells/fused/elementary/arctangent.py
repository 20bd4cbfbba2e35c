"""Inverse trigonometric functions, all by one arctangent: a rational function of Cephes (S. Moshier)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cells.fused.elementary.polynomial import horner

_ABOVE = (
    -8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1,
    -1.228866684490136173410e2, -6.485021904942025371773e1,
)  # fmt: skip
_BELOW = (
    1.0, 2.485846490142306297962e1, 1.650270098316988542046e2, 4.328810604912902668951e2,
    4.853903996359136964868e2, 1.945506571482613964425e2,
)  # fmt: skip


def atan(x: Tensor) -> Tensor:
    """The arctangent: of x, of (x - 1)/(x + 1) or of -1/x, whichever is small."""
    size = torch.abs(x)
    middle, far = size > 0.66, size > 1 + math.sqrt(2)
    small = torch.where(middle, (size - 1) / (size + 1), size)
    small = torch.where(far, -1 / size, small)
    square = small * small
    value = small + small * (square * horner(square, _ABOVE) / horner(square, _BELOW))
    value = torch.where(middle, value + torch.where(far, math.pi / 2, _quarter(x)), value)
    return torch.where(x < 0, -value, value)


def _quarter(x: Tensor) -> Tensor:
    return torch.full_like(x, math.pi / 4)


def atan2(y: Tensor, x: Tensor) -> Tensor:
    """The angle of (x, y): 0 for (0, 0), whatever the signs of the zeros are."""
    across, up = torch.abs(x), torch.abs(y)
    most = torch.maximum(across, up)
    angle = atan(torch.where(most > 0, torch.minimum(across, up) / most, most))
    angle = torch.where(up > across, math.pi / 2 - angle, angle)
    angle = torch.where(x < 0, math.pi - angle, angle)
    return torch.where(y < 0, -angle, angle)


def asin(x: Tensor) -> Tensor:
    """The arcsine, NaN outside of [-1, 1]."""
    return atan(x / torch.sqrt((1 - x) * (1 + x)))


def acos(x: Tensor) -> Tensor:
    """The arccosine, NaN outside of [-1, 1]."""
    return 2 * atan(torch.sqrt((1 - x) / (1 + x)))
