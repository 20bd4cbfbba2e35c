"""Transcendental functions that vectorize: loops over them become wide instructions, calls of libm do not.

Generic in the precision: float32 within about 2 units in the last place, float64 within about 3. Where the
result is infinite, zero or NaN in the library it is so here, but that results below the smallest normal
number are zero. Polynomials: Cephes (S. Moshier), tanh in float32 the rational approximation that Eigen uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

f32, f64, i32, i64 = np.float32, np.float64, np.int32, np.int64

# contract: a product and a sum may become one instruction; NaN and infinity keep their meaning
FAST = {"contract", "nsz", "arcp"}
OPTIONS: Any = {"forceinline": True, "fastmath": FAST, "error_model": "numpy"}


def exp(x: Any) -> Any:
    """e^x."""
    return math.exp(x)


def bounded(x: Any) -> Any:
    """e^x, held within the normal numbers: cheaper where the result is added to 1 or the argument small."""
    return math.exp(min(max(x, -708.0), 708.0))


def softlog(x: Any) -> Any:
    """log(1 + e^-x) for x ≥ 0."""
    return log1p(math.exp(-x))


def log1p(x: Any) -> Any:
    """log(1 + x) for 0 ≤ x ≤ 1."""
    return math.log1p(x)


def twice_artanh(x: Any) -> Any:
    """2 artanh(x) for 0 ≤ x ≤ 1/3, which is log(1 + y) at x = y/(2 + y)."""
    return 2 * math.atanh(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return math.tanh(x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return 1 / (1 + math.exp(-x))


def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return math.copysign(1.0, x) if x else x


def _bounded32(x: Any) -> Any:
    """e^x, where it is a normal number; beyond, the nearest such number. Comparisons let NaN through."""
    z = f32(87.0) if x > f32(87.0) else x
    z = f32(-87.0) if z < f32(-87.0) else z
    shifted = f32(z * f32(1.44269504088896341) + f32(12582912.0))  # its last bits are an integer
    k = shifted - f32(12582912.0)
    r = z - k * f32(0.693359375)
    r = r - k * f32(-2.12194440e-4)
    p = f32(1.9875691500e-4)
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    p = p * (r * r) + r + f32(1.0)
    power = i32(i32(shifted.view(i32) - i32(1262485504 - 127)) << i32(23))
    return p * power.view(f32)


def _bounded64(x: Any) -> Any:
    z = f64(708.0) if x > f64(708.0) else x
    z = f64(-708.0) if z < f64(-708.0) else z
    shifted = f64(z * f64(1.4426950408889634) + f64(6755399441055744.0))
    k = shifted - f64(6755399441055744.0)
    r = z - k * f64(6.93145751953125e-1)
    r = r - k * f64(1.42860682030941723212e-6)
    q = r * r
    p = f64(1.26177193074810590878e-4)
    p = p * q + f64(3.02994407707441961300e-2)
    p = (p * q + f64(9.99999999999999999910e-1)) * r
    d = f64(3.00198505138664455042e-6)
    d = d * q + f64(2.52448340349684104192e-3)
    d = d * q + f64(2.27265548208155028766e-1)
    d = d * q + f64(2.00000000000000000005e0)
    e = p / (d - p)
    # the integer from the low bits, since a conversion to 64-bit integers does not vectorize everywhere
    power = i64(i64(shifted.view(i64) - i64(4843621399236968448 - 1023)) << i64(52))
    return (f64(1.0) + (e + e)) * power.view(f64)


def _exp32(x: Any) -> Any:
    # the square of the half: its exponent fits where that of the whole may not
    half = bounded(f32(0.5) * x)
    value = half * half if x > f32(80.0) else bounded(x)
    value = f32(np.inf) if x > f32(88.72283) else value
    return f32(0.0) if x < f32(-87.0) else value


def _exp64(x: Any) -> Any:
    half = bounded(f64(0.5) * x)
    value = half * half if x > f64(700.0) else bounded(x)
    value = f64(np.inf) if x > f64(709.782712893384) else value
    return f64(0.0) if x < f64(-708.0) else value


def _tanh32(x: Any) -> Any:
    z = f32(7.90531110763549805) if x > f32(7.90531110763549805) else x
    z = f32(-7.90531110763549805) if z < f32(-7.90531110763549805) else z
    q = z * z
    p = f32(-2.76076847742355e-16)
    p = p * q + f32(2.00018790482477e-13)
    p = p * q + f32(-8.60467152213735e-11)
    p = p * q + f32(5.12229709037114e-08)
    p = p * q + f32(1.48572235717979e-05)
    p = p * q + f32(6.37261928875436e-04)
    p = p * q + f32(4.89352455891786e-03)
    d = f32(1.19825839466702e-06)
    d = d * q + f32(1.18534705686654e-04)
    d = d * q + f32(2.26843463243900e-03)
    d = d * q + f32(4.89352518554385e-03)
    return z * p / d


def _tanh64(x: Any) -> Any:
    q = x * x
    q = f64(0.390625) if q > f64(0.390625) else q
    p = f64(-9.64399179425052238628e-1)
    p = p * q + f64(-9.92877231001918586564e1)
    p = p * q + f64(-1.61468768441708447952e3)
    d = q + f64(1.12811678491632931402e2)
    d = d * q + f64(2.23548839060100448583e3)
    d = d * q + f64(4.84406305325125486048e3)
    near = x + x * q * p / d
    far = f64(1.0) - f64(2.0) / (bounded(f64(2.0) * abs(x)) + f64(1.0))
    far = -far if x < f64(0.0) else far
    return far if abs(x) > f64(0.625) else near


def _softlog32(x: Any) -> Any:
    return log1p(bounded(-x))


def _softlog64(x: Any) -> Any:
    return log1p(bounded(-x))


def _log1p32(x: Any) -> Any:
    return twice_artanh(x / (f32(2.0) + x))


def _log1p64(x: Any) -> Any:
    return twice_artanh(x / (f64(2.0) + x))


# best in the sense of Chebyshev over the squares, which are at most 1/9
def _twice_artanh32(x: Any) -> Any:
    q = x * x
    p = f32(0.13441801143)
    p = p * q + f32(0.14115640578)
    p = p * q + f32(0.200038911324)
    p = p * q + f32(0.333333194892)
    return f32(2.0) * (x + x * q * p)


def _twice_artanh64(x: Any) -> Any:
    q = x * x
    p = f64(0.080937560120798114162)
    p = p * q + f64(0.043945055759267156394)
    p = p * q + f64(0.060017572887472120515)
    p = p * q + f64(0.066569350386479728006)
    p = p * q + f64(0.076927939995529988189)
    p = p * q + f64(0.090908943735375598468)
    p = p * q + f64(0.11111111366147333558)
    p = p * q + f64(0.14285714283474087235)
    p = p * q + f64(0.20000000000007624781)
    p = p * q + f64(0.33333333333333329053)
    return f64(2.0) * (x + x * q * p)


def _sigmoid32(x: Any) -> Any:
    return f32(1.0) / (f32(1.0) + bounded(-x))


def _sigmoid64(x: Any) -> Any:
    return f64(1.0) / (f64(1.0) + bounded(-x))


def _sign32(x: Any) -> Any:
    value = f32(1.0) if x > f32(0.0) else x
    return f32(-1.0) if x < f32(0.0) else value


def _sign64(x: Any) -> Any:
    value = f64(1.0) if x > f64(0.0) else x
    return f64(-1.0) if x < f64(0.0) else value


def by_precision(single: Callable[..., Any], double: Callable[..., Any]) -> Callable[..., Any]:
    """What ``overload`` asks for: the implementation for the argument's precision."""

    def choose(x: Any) -> Any:
        return single if x == types.float32 else double

    return choose


overload(bounded, jit_options=OPTIONS)(by_precision(_bounded32, _bounded64))
overload(exp, jit_options=OPTIONS)(by_precision(_exp32, _exp64))
overload(tanh, jit_options=OPTIONS)(by_precision(_tanh32, _tanh64))
overload(twice_artanh, jit_options=OPTIONS)(by_precision(_twice_artanh32, _twice_artanh64))
overload(log1p, jit_options=OPTIONS)(by_precision(_log1p32, _log1p64))
overload(softlog, jit_options=OPTIONS)(by_precision(_softlog32, _softlog64))
overload(sigmoid, jit_options=OPTIONS)(by_precision(_sigmoid32, _sigmoid64))
overload(sign, jit_options=OPTIONS)(by_precision(_sign32, _sign64))
