"""Sine and cosine that vectorize, as :mod:`cells.fused.numba_math` has the other functions.

π/2 is taken in three parts, and the nearest multiple of each is subtracted by a fused multiply-add, which
rounds once: about 2 units in the last place for angles of some turns, and half a unit in that of 1 up to
10⁶ in float32, where neighboring numbers lie a sixteenth of a radian apart, and 10¹⁵ in float64. Beyond, the
result is some number between -1 and 1. Polynomials: Cephes (S. Moshier).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

from cells.fused.numba_math import OPTIONS, by_precision

f32, f64, i32, i64 = np.float32, np.float64, np.int32, np.int64
_inline: Any = njit(**OPTIONS)

TWO_OVER_PI = 0.6366197723675814


def sin(x: Any) -> Any:
    """The sine of an angle in radians."""
    return math.sin(x)


def cos(x: Any) -> Any:
    """The cosine of an angle in radians."""
    return math.cos(x)


def turned(x: Any, quarters: Any) -> Any:
    """The sine of an angle in radians, turned by so many quarters: 1 gives the cosine, 2 minus the sine."""
    return math.sin(x + quarters * math.pi / 2)


def _typed_fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001 - Numba's protocol
    """A·b + c, rounded once; all of one type."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.fma(*arguments)

    return a(a, a, a), emit


_fma: Any = intrinsic(_typed_fma)


@_inline  # type: ignore[untyped-decorator]
def _rest32(x: Any) -> Any:
    """What is left of an angle in [-π/4, π/4], and how many quarters were taken away, modulo 2³²."""
    shifted = f32(_fma(x, f32(TWO_OVER_PI), f32(12582912.0)))  # its last bits are an integer
    k = shifted - f32(12582912.0)
    r = _fma(-k, f32(1.57079637050628662), x)
    r = _fma(-k, f32(-4.37113882867379e-8), r)
    r = _fma(-k, f32(-1.71512451000588e-15), r)
    # comparisons let NaN through
    r = f32(1.0) if r > f32(1.0) else r
    r = f32(-1.0) if r < f32(-1.0) else r
    return r, shifted.view(i32)


@_inline  # type: ignore[untyped-decorator]
def _rest64(x: Any) -> Any:
    shifted = f64(_fma(x, f64(TWO_OVER_PI), f64(6755399441055744.0)))
    k = shifted - f64(6755399441055744.0)
    r = _fma(-k, f64(1.5707963267948966), x)
    r = _fma(-k, f64(6.123233995736766e-17), r)
    r = _fma(-k, f64(-1.4973849048591698e-33), r)
    r = f64(1.0) if r > f64(1.0) else r
    r = f64(-1.0) if r < f64(-1.0) else r
    return r, i32(shifted.view(i64))


@_inline  # type: ignore[untyped-decorator]
def _sine32(r: Any) -> Any:
    z = r * r
    p = f32(-1.9515295891e-4)
    p = p * z + f32(8.3321608736e-3)
    p = p * z + f32(-1.6666654611e-1)
    return p * z * r + r


@_inline  # type: ignore[untyped-decorator]
def _cosine32(r: Any) -> Any:
    z = r * r
    p = f32(2.443315711809948e-5)
    p = p * z + f32(-1.388731625493765e-3)
    p = p * z + f32(4.166664568298827e-2)
    return p * z * z + (f32(1.0) - f32(0.5) * z)


@_inline  # type: ignore[untyped-decorator]
def _sine64(r: Any) -> Any:
    z = r * r
    p = f64(1.58962301576546568060e-10)
    p = p * z + f64(-2.50507477628578072866e-8)
    p = p * z + f64(2.75573136213857245213e-6)
    p = p * z + f64(-1.98412698295895385996e-4)
    p = p * z + f64(8.33333333332211858878e-3)
    p = p * z + f64(-1.66666666666666307295e-1)
    return p * z * r + r


@_inline  # type: ignore[untyped-decorator]
def _cosine64(r: Any) -> Any:
    z = r * r
    p = f64(-1.13585365213876817300e-11)
    p = p * z + f64(2.08757008419747316778e-9)
    p = p * z + f64(-2.75573141792967388112e-7)
    p = p * z + f64(2.48015872888517045348e-5)
    p = p * z + f64(-1.38888888888730564116e-3)
    p = p * z + f64(4.16666666666665929218e-2)
    return p * z * z + (f64(1.0) - f64(0.5) * z)


def _turned32(x: Any, quarters: Any) -> Any:
    r, taken = _rest32(x)
    taken = taken + i32(quarters)
    value = _cosine32(r) if taken & i32(1) else _sine32(r)
    return -value if taken & i32(2) else value


def _turned64(x: Any, quarters: Any) -> Any:
    r, taken = _rest64(x)
    taken = taken + i32(quarters)
    value = _cosine64(r) if taken & i32(1) else _sine64(r)
    return -value if taken & i32(2) else value


@overload(turned, jit_options=OPTIONS)
def _turned(x: Any, quarters: Any) -> Any:  # noqa: ARG001 - Numba's protocol
    return _turned32 if x == types.float32 else _turned64


def _sine(x: Any) -> Any:
    return turned(x, 0)


def _cosine(x: Any) -> Any:
    return turned(x, 1)


overload(sin, jit_options=OPTIONS)(by_precision(_sine, _sine))
overload(cos, jit_options=OPTIONS)(by_precision(_cosine, _cosine))
