"""Whether a recording computes what the loop does, on the numbers of one call."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cells.graphs.key import rounds_to_tf32

FLOOR = 64
"""Units of rounding, of a tensor's largest entry, by which two right answers may differ; one more per step.

A compiled step rounds at other places than the loop, once or twice per step, and gradients of parameters
are sums over all steps. What is wrong (a buffer of an earlier call, another tensor's gradient) is off by
about the largest entry itself. Where roundings grow from step to step a compiled step may miss this; the
step as it is has the loop's own kernels and the loop's own bits, and is recorded instead.
"""
WIDEST = 1e-2
"""At most this share of the largest entry, however many steps and however coarse the numbers."""


class UndecidedError(Exception):
    """The loop's own numbers are not finite, so nothing can be told from them."""


def disagreement(
    found: Sequence[Tensor | None], expected: Sequence[Tensor | None], steps: int
) -> str | None:
    """How ``found`` differs from ``expected`` by more than rounding over ``steps`` steps, or None.

    A gradient that is None equals zeros. Numbers too small beside the largest of all tensors to be more
    than its rounding are not compared.
    """
    if len(found) != len(expected):
        return f"{len(found)} tensors instead of {len(expected)}"
    overall = max((_largest(one) for one in expected), default=0.0)
    for place, (mine, other) in enumerate(zip(found, expected, strict=True)):
        like = other if mine is None else mine
        if like is None:
            continue
        if mine is not None and other is not None and _form(mine) != _form(other):
            return f"{place} is {_form(mine)} instead of {_form(other)}"
        unit = _unit(like.dtype)
        share = min((FLOOR + steps) * unit, WIDEST) if unit else 0.0
        off = _distance(mine, other)
        if not off <= share * _largest(other) + unit * overall:
            return f"{place} is off by {off:.3g}, where the largest entry is {_largest(other):.3g}"
    return None


def _distance(one: Tensor | None, other: Tensor | None) -> float:
    if one is None or other is None:
        return _largest(other if one is None else one)
    return _largest(one != other if one.dtype == torch.bool else one - other)


def require_finite(tensors: Sequence[Tensor | None]) -> None:
    """Raise :class:`UndecidedError` where a number is infinite or none."""
    if not all(math.isfinite(_largest(one)) for one in tensors):
        raise UndecidedError


def _form(tensor: Tensor) -> tuple[tuple[int, ...], torch.dtype]:
    return tuple(tensor.shape), tensor.dtype


def _largest(tensor: Tensor | None) -> float:
    if tensor is None or tensor.numel() == 0:
        return 0.0
    return float(tensor.abs().max()) if tensor.dtype != torch.bool else float(tensor.any())


def _unit(dtype: torch.dtype) -> float:
    """Half the distance of neighboring numbers around 1; 0 for what is counted and not rounded."""
    if not (dtype.is_floating_point or dtype.is_complex):
        return 0.0
    real = dtype.to_real() if dtype.is_complex else dtype
    coarse = real == torch.float32 and rounds_to_tf32()
    return 2.0**-11 if coarse else torch.finfo(real).eps / 2
