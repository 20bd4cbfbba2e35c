"""Elementwise operators of torch in terms of the few that kernels are generated for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions, get_decompositions

from cells.fused.elementary import (
    arctangent,
    comparison,
    error_function,
    hyperbolic,
    power,
    rounding,
)

_aten: Any = torch.ops.aten

_TORCHS_OWN = (
    "elu elu_backward gelu_backward hardsigmoid hardsigmoid_backward hardswish hardswish_backward "
    "hardtanh_backward leaky_relu leaky_relu_backward log_sigmoid_forward log_sigmoid_backward mish "
    "mish_backward rsub sigmoid_backward silu silu_backward softplus softplus_backward tanh_backward "
    "threshold_backward"
)


def decompositions() -> dict[Any, Any]:
    """Operator to its decomposition: torch's where that is enough, ours where it stops too early."""
    table: dict[Any, Any] = dict(core_aten_decompositions())
    table |= get_decompositions([getattr(_aten, name) for name in _TORCHS_OWN.split()])
    return table | _ARITHMETIC | _CHOICES | _FUNCTIONS | _REMAINDERS


def _add(a: Tensor, b: Any, *, alpha: float = 1) -> Any:
    return NotImplemented if alpha == 1 else a + alpha * b


def _subtract(a: Tensor, b: Any, *, alpha: float = 1) -> Any:
    return NotImplemented if alpha == 1 else a - alpha * b


_ARITHMETIC = {_aten.add.Tensor: _add, _aten.sub.Tensor: _subtract}
_CHOICES = {
    _aten.clamp.default: comparison.clamp,
    _aten.clamp.Tensor: comparison.clamp,
    _aten.clamp_max.default: lambda x, largest: comparison.clamp(x, None, largest),
    _aten.clamp_max.Tensor: lambda x, largest: comparison.clamp(x, None, largest),
    _aten.clamp_min.default: comparison.clamp,
    _aten.clamp_min.Tensor: comparison.clamp,
    _aten.fmax.default: comparison.fmax,
    _aten.fmin.default: comparison.fmin,
    _aten.hardshrink_backward.default: comparison.shrunk,
    _aten.hardtanh.default: lambda x, least=-1.0, largest=1.0: comparison.clamp(x, least, largest),
    _aten.isinf.default: comparison.isinf,
    _aten.isnan.default: comparison.isnan,
    _aten.logical_xor.default: comparison.exclusive,
    _aten.softshrink_backward.default: comparison.shrunk,
}
_FUNCTIONS = {
    _aten.acos.default: arctangent.acos,
    _aten.acosh.default: hyperbolic.acosh,
    _aten.asin.default: arctangent.asin,
    _aten.asinh.default: hyperbolic.asinh,
    _aten.atan.default: arctangent.atan,
    _aten.atan2.default: arctangent.atan2,
    _aten.atanh.default: hyperbolic.atanh,
    _aten.cosh.default: hyperbolic.cosh,
    _aten.erf.default: error_function.erf,
    _aten.erfc.default: error_function.erfc,
    _aten.exp2.default: power.exp2,
    _aten.expm1.default: power.expm1,
    _aten.gelu.default: error_function.gelu,
    _aten.hypot.default: power.hypot,
    _aten.log10.default: power.log10,
    _aten.log2.default: power.log2,
    _aten.logaddexp.default: power.logaddexp,
    _aten.logaddexp2.default: power.logaddexp2,
    _aten.pow.Scalar: power.of_number,
    _aten.pow.Tensor_Scalar: power.to_number,
    _aten.pow.Tensor_Tensor: power.to_tensor,
    _aten.sinh.default: hyperbolic.sinh,
    _aten.tan.default: lambda x: torch.sin(x) / torch.cos(x),
    _aten.xlogy.Tensor: power.xlogy,
}
_REMAINDERS = {
    _aten.ceil.default: rounding.ceil,
    _aten.div.Scalar_mode: rounding.divided,
    _aten.div.Tensor_mode: rounding.divided,
    _aten.floor_divide.default: lambda x, y: torch.floor(x / y),
    _aten.fmod.Scalar: rounding.fmod,
    _aten.fmod.Tensor: rounding.fmod,
    _aten.remainder.Scalar: rounding.remainder,
    _aten.remainder.Tensor: rounding.remainder,
    _aten.round.default: rounding.rounded,
    _aten.trunc.default: rounding.trunc,
}
