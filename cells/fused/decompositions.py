"""Elementwise operators of torch in terms of the few that kernels are generated for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions, get_decompositions

_aten: Any = torch.ops.aten

_TORCHS_OWN = (
    "elu elu_backward hardsigmoid hardsigmoid_backward hardswish hardswish_backward hardtanh_backward "
    "leaky_relu leaky_relu_backward log_sigmoid_forward log_sigmoid_backward mish mish_backward rsub "
    "sigmoid_backward silu silu_backward softplus softplus_backward tanh_backward threshold_backward"
)


def decompositions() -> dict[Any, Any]:
    """Operator to its decomposition: torch's where that is enough, ours where it stops too early."""
    table: dict[Any, Any] = dict(core_aten_decompositions())
    table |= get_decompositions([getattr(_aten, name) for name in _TORCHS_OWN.split()])
    return table | {
        _aten.add.Tensor: _add,
        _aten.sub.Tensor: _subtract,
        _aten.clamp.default: _clamp,
        _aten.clamp_max.default: lambda x, largest: _clamp(x, None, largest),
        _aten.clamp_min.default: _clamp,
        _aten.expm1.default: _expm1,
        _aten.hardtanh.default: lambda x, least=-1.0, largest=1.0: _clamp(x, least, largest),
        _aten.logaddexp.default: _logaddexp,
        _aten.pow.Tensor_Scalar: _power,
    }


def _logaddexp(a: Tensor, b: Tensor) -> Tensor:
    """Without the library's branches for infinities: where both are infinite the same way it is NaN."""
    return torch.maximum(a, b) + torch.log1p(torch.exp(-torch.abs(a - b)))


def _add(a: Tensor, b: Any, *, alpha: float = 1) -> Any:
    return NotImplemented if alpha == 1 else a + alpha * b


def _subtract(a: Tensor, b: Any, *, alpha: float = 1) -> Any:
    return NotImplemented if alpha == 1 else a - alpha * b


def _clamp(x: Tensor, least: float | None = None, largest: float | None = None) -> Tensor:
    # by comparisons, which let NaN through
    x = x if least is None else torch.where(x < least, least, x)
    return x if largest is None else torch.where(x > largest, largest, x)


def _expm1(x: Tensor) -> Tensor:
    t = torch.tanh(0.5 * x)
    return torch.where(torch.abs(x) < 1, 2 * t / (1 - t), torch.exp(x) - 1)


def _power(x: Tensor, exponent: float) -> Any:
    """Whole and half powers up to the eighth; others have no decomposition."""
    size = abs(exponent)
    if size > 8 or 2 * size != int(2 * size):
        return NotImplemented
    whole = int(size)
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
