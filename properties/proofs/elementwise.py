"""Elementwise operators as scalar expressions, gradients of kernels included.

A rule takes the arena and the operator's arguments, tensors as tensors of places, and returns a tensor of
places, or None where it has no rule for this use.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from properties.proofs.expression import Expressions

Rule = Callable[..., Any]


def places(arena: Expressions, value: Any) -> Tensor:
    """``value`` as a tensor of places: a number becomes a literal."""
    return value if isinstance(value, Tensor) else torch.tensor(arena.literal(float(value)))


def apply(arena: Expressions, op: str, *values: Any, data: tuple[Any, ...] = ()) -> Tensor:
    """``op`` on every group of corresponding scalars, with broadcasting."""
    tensors = torch.broadcast_tensors(*(places(arena, v) for v in values))
    columns = zip(*(t.reshape(-1).tolist() for t in tensors), strict=True)
    flat = [arena.apply(op, *column, data=data) for column in columns]
    return torch.tensor(flat, dtype=torch.int64).reshape(tensors[0].shape)


def _fused(arena: Expressions, value: Tensor) -> Tensor:
    """Mark ``value`` as what one kernel computes: equal in exact reals, rounded in its own way."""
    return apply(arena, "inexact", value)


def _unrounded(arena: Expressions, value: Tensor) -> Tensor:
    """Mark ``value`` as known in exact reals only: how its kernel rounds has no rule."""
    return apply(arena, "unrounded", value)


def _plain(op: str, arity: int = 1) -> Rule:
    def rule(arena: Expressions, *args: Any, **keywords: Any) -> Tensor | None:
        if keywords or len(args) != arity:
            return None
        return apply(arena, op, *args)

    return rule


def _scaled(arena: Expressions, value: Any, alpha: float) -> Any:
    return value if alpha == 1 else apply(arena, "mul", value, alpha)


def _add(arena: Expressions, a: Any, b: Any, alpha: float = 1) -> Tensor:
    return apply(arena, "add", a, _scaled(arena, b, alpha))


def _sub(arena: Expressions, a: Any, b: Any, alpha: float = 1) -> Tensor:
    return apply(arena, "sub", a, _scaled(arena, b, alpha))


def _rsub(arena: Expressions, a: Any, b: Any, alpha: float = 1) -> Tensor:
    return apply(arena, "sub", b, _scaled(arena, a, alpha))


def _div(arena: Expressions, a: Any, b: Any, rounding_mode: str | None = None) -> Tensor | None:
    return apply(arena, "div", a, b) if rounding_mode is None else None


def _square(arena: Expressions, a: Any) -> Tensor:
    return apply(arena, "mul", a, a)


def _pow(arena: Expressions, a: Any, exponent: Any) -> Tensor | None:
    if isinstance(exponent, Tensor) or not isinstance(a, Tensor):
        return None
    named = {0.5: "sqrt", -1.0: "reciprocal", -0.5: "rsqrt"}
    if exponent in named:
        return apply(arena, named[exponent], a)
    if exponent != int(exponent) or not 0 <= exponent <= 16:
        return None
    result = _power(arena, a, int(exponent))
    return result if exponent <= 3 else _fused(arena, result)  # up to x·x·x torch multiplies


def _power(arena: Expressions, a: Tensor, exponent: int) -> Tensor:
    if exponent == 0:
        return torch.full_like(a, arena.literal(1.0))
    if exponent == 1:
        return a
    half = _power(arena, a, exponent // 2)
    square = apply(arena, "mul", half, half)
    return apply(arena, "mul", square, a) if exponent % 2 else square


def _clamp(arena: Expressions, a: Any, low: Any = None, high: Any = None, **kw: Any) -> Tensor:
    low, high = kw.get("min", low), kw.get("max", high)
    if low is not None:
        a = apply(arena, "max", a, low)
    return a if high is None else apply(arena, "min", a, high)


def _hardtanh(arena: Expressions, a: Any, low: float = -1, high: float = 1) -> Tensor:
    return _clamp(arena, a, low, high)


def _where(arena: Expressions, condition: Any, a: Any, b: Any) -> Tensor:
    return apply(arena, "where", condition, a, b)


def _compare(op: str) -> Rule:
    def rule(arena: Expressions, a: Any, b: Any) -> Tensor:
        return apply(arena, op, a, b)

    return rule


def _softplus(arena: Expressions, a: Any, beta: float = 1, threshold: float = 20) -> Tensor:
    scaled = _scaled(arena, a, beta)
    curve = apply(arena, "softplus", scaled)
    curve = curve if beta == 1 else _unrounded(arena, apply(arena, "div", curve, beta))
    # torch returns a itself beyond the threshold, which is less than the formula
    return apply(arena, "where", apply(arena, "gt", scaled, threshold), a, curve)


def _leaky_relu(arena: Expressions, a: Any, slope: float = 0.01) -> Tensor:
    return apply(arena, "where", apply(arena, "gt", a, 0.0), a, apply(arena, "mul", a, slope))


def _elu(
    arena: Expressions, a: Any, alpha: float = 1, scale: float = 1, inner: float = 1
) -> Tensor:
    low = apply(arena, "mul", apply(arena, "expm1", apply(arena, "mul", a, inner)), alpha * scale)
    high = apply(arena, "mul", a, scale)
    result = apply(arena, "where", apply(arena, "gt", a, 0.0), high, low)
    return _fused(arena, result) if inner == 1 else _unrounded(arena, result)


def _silu(arena: Expressions, a: Any) -> Tensor:
    return _fused(arena, apply(arena, "mul", a, apply(arena, "sigmoid", a)))


def _hardsigmoid(arena: Expressions, a: Any) -> Tensor:
    shifted = _clamp(arena, apply(arena, "add", a, 3.0), 0.0, 6.0)
    return _fused(arena, apply(arena, "div", shifted, 6.0))


def _lerp(arena: Expressions, a: Any, b: Any, weight: Any) -> Tensor:
    return apply(arena, "lerp", a, b, weight)


def _addcmul(arena: Expressions, a: Any, b: Any, c: Any, value: float = 1) -> Tensor:
    return apply(arena, "fma", apply(arena, "mul", b, value) if value != 1 else b, c, a)


def _gelu(arena: Expressions, a: Any, approximate: str = "none") -> Tensor | None:
    if approximate != "none":
        return None
    inner = apply(arena, "erf", apply(arena, "mul", a, math.sqrt(0.5)))
    half = apply(arena, "mul", a, 0.5)
    return _fused(arena, apply(arena, "mul", half, apply(arena, "add", inner, 1.0)))


# ---- what autograd returns --------------------------------------------------------------------


def _sigmoid_backward(arena: Expressions, gradient: Any, output: Any) -> Tensor:
    slope = apply(arena, "mul", output, apply(arena, "sub", 1.0, output))
    return apply(arena, "mul", gradient, slope)


def _tanh_backward(arena: Expressions, gradient: Any, output: Any) -> Tensor:
    slope = apply(arena, "sub", 1.0, apply(arena, "mul", output, output))
    return apply(arena, "mul", gradient, slope)


def _threshold_backward(arena: Expressions, gradient: Any, a: Any, threshold: float) -> Tensor:
    return apply(arena, "where", apply(arena, "gt", a, threshold), gradient, 0.0)


def _softplus_backward(
    arena: Expressions, gradient: Any, a: Any, beta: float = 1, threshold: float = 20
) -> Tensor:
    scaled = _scaled(arena, a, beta)
    slope = apply(arena, "mul", gradient, apply(arena, "sigmoid", scaled))
    return apply(arena, "where", apply(arena, "gt", scaled, threshold), gradient, slope)


def _hardtanh_backward(
    arena: Expressions, gradient: Any, a: Any, low: float, high: float
) -> Tensor:
    inside = apply(arena, "and", apply(arena, "gt", a, low), apply(arena, "lt", a, high))
    return apply(arena, "where", inside, gradient, 0.0)


def _leaky_relu_backward(
    arena: Expressions, gradient: Any, a: Any, slope: float, is_result: bool
) -> Tensor | None:
    if is_result:
        return None
    low = apply(arena, "mul", gradient, slope)
    return apply(arena, "where", apply(arena, "gt", a, 0.0), gradient, low)


def _silu_backward(arena: Expressions, gradient: Any, a: Any) -> Tensor:
    s = apply(arena, "sigmoid", a)
    rest = apply(arena, "mul", a, apply(arena, "mul", s, apply(arena, "sub", 1.0, s)))
    return apply(arena, "mul", gradient, apply(arena, "add", s, rest))


def _elu_backward(
    arena: Expressions,
    gradient: Any,
    alpha: float,
    scale: float,
    inner: float,
    is_result: bool,
    a: Any,
) -> Tensor | None:
    if is_result:
        return None
    growth = apply(arena, "exp", apply(arena, "mul", a, inner))
    low = apply(arena, "mul", apply(arena, "mul", gradient, alpha * scale * inner), growth)
    high = apply(arena, "mul", gradient, scale)
    return apply(arena, "where", apply(arena, "gt", a, 0.0), high, low)


_SAME = (
    "neg reciprocal sqrt rsqrt exp expm1 log log1p sigmoid tanh sin cos tan atan erf abs floor ceil round "
    "trunc sinh cosh asinh"
).split()

ELEMENTWISE: dict[str, Rule] = {
    **{name: _plain(name) for name in _SAME},
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "mul": _plain("mul", 2),
    "div": _div,
    "true_divide": _div,
    "square": _square,
    "pow": _pow,
    "sgn": _plain("sign"),
    "sign": _plain("sign"),
    "relu": _plain("relu"),
    "minimum": _plain("min", 2),
    "maximum": _plain("max", 2),
    "logaddexp": _plain("logaddexp", 2),
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": lambda arena, a, high: _clamp(arena, a, None, high),
    "hardtanh": _hardtanh,
    "where": _where,
    "softplus": _softplus,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "silu": _silu,
    "gelu": _gelu,
    "hardsigmoid": _hardsigmoid,
    "lerp": _lerp,
    "addcmul": _addcmul,
    **{op: _compare(op) for op in ("gt", "ge", "lt", "le", "eq", "ne")},
    "logical_and": _plain("and", 2),
    "bitwise_and": _plain("and", 2),
    "logical_or": _plain("or", 2),
    "bitwise_or": _plain("or", 2),
    "logical_not": _plain("not"),
    "bitwise_not": _plain("not"),
    "sigmoid_backward": _sigmoid_backward,
    "tanh_backward": _tanh_backward,
    "threshold_backward": _threshold_backward,
    "softplus_backward": _softplus_backward,
    "hardtanh_backward": _hardtanh_backward,
    "leaky_relu_backward": _leaky_relu_backward,
    "silu_backward": _silu_backward,
    "elu_backward": _elu_backward,
}
"""Operator name (without overload) to its rule."""
