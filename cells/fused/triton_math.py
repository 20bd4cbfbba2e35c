"""Transcendental functions in Triton's own operations, since its interpreter has no library of others.

Generic in the precision. Where the function is infinite, zero or NaN in the library it is so here; the
polynomials are those of :mod:`~cells.fused.numba_math`. In float32 Triton's exponential is the device's,
exact to about (1 + |x|) / 10⁷, and a division is exact to 2 units in the last place. A polynomial begins with
a tensor, because Triton makes float32 of a number that is given a name.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def sigmoid(x):
    """1 / (1 + e^-x)."""
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def tanh(x):
    """The hyperbolic tangent, as exact near 0 as elsewhere."""
    if x.dtype == tl.float64:
        q = x * x
        q = tl.where(q > 0.390625, q * 0.0 + 0.390625, q)  # what is beyond is not taken
        p = q * -9.64399179425052238628e-1 - 9.92877231001918586564e1
        p = p * q - 1.61468768441708447952e3
        d = q + 1.12811678491632931402e2
        d = d * q + 2.23548839060100448583e3
        d = d * q + 4.84406305325125486048e3
        near = x + x * q * p / d
        far = 1.0 - 2.0 / (tl.exp(2.0 * tl.abs(x)) + 1.0)
        far = tl.where(x < 0.0, -far, far)
        result = tl.where(tl.abs(x) > 0.625, far, near)
    else:
        z = tl.where(x > 7.90531110763549805, 7.90531110763549805, x)
        z = tl.where(z < -7.90531110763549805, -7.90531110763549805, z)
        q = z * z
        p = q * -2.76076847742355e-16 + 2.00018790482477e-13
        p = p * q - 8.60467152213735e-11
        p = p * q + 5.12229709037114e-08
        p = p * q + 1.48572235717979e-05
        p = p * q + 6.37261928875436e-04
        p = p * q + 4.89352455891786e-03
        d = q * 1.19825839466702e-06 + 1.18534705686654e-04
        d = d * q + 2.26843463243900e-03
        d = d * q + 4.89352518554385e-03
        result = z * p / d
    return result


@triton.jit
def _double_artanh(w):
    """2 artanh(w) for |w| ≤ 1/3, where every term of the series is a ninth of the one before."""
    q = w * w
    if w.dtype == tl.float64:
        p = q * (1 / 33) + 1 / 31
        p = p * q + 1 / 29
        p = p * q + 1 / 27
        p = p * q + 1 / 25
        p = p * q + 1 / 23
        p = p * q + 1 / 21
        p = p * q + 1 / 19
        p = p * q + 1 / 17
        p = p * q + 1 / 15
        p = p * q + 1 / 13
    else:
        p = q * (1 / 15) + 1 / 13
    p = p * q + 1 / 11
    p = p * q + 1 / 9
    p = p * q + 1 / 7
    p = p * q + 1 / 5
    p = p * q + 1 / 3
    return 2.0 * (w + w * q * p)


@triton.jit
def softlog(x):
    """log(1 + e^-x) for x ≥ 0."""
    e = tl.exp(-x)
    return _double_artanh(e / (2.0 + e))


@triton.jit
def log1p(x):
    """log(1 + x), as exact near 0 as elsewhere."""
    near = tl.abs(x) < 0.4
    small = tl.where(near, x, 0.0)
    return tl.where(near, _double_artanh(small / (2.0 + small)), tl.log(1.0 + x))


@triton.jit
def sign(x):
    """-1, 0 or 1; NaN of NaN."""
    return tl.where(x > 0.0, 1.0, tl.where(x < 0.0, -1.0, x))


@triton.jit
def larger(a, b):
    """The larger of both, NaN if one of them is, as in torch."""
    return tl.where((a >= b) | (a != a), a, b)  # noqa: PLR0124 - NaN


@triton.jit
def smaller(a, b):
    """The smaller of both, NaN if one of them is."""
    return tl.where((a <= b) | (a != a), a, b)  # noqa: PLR0124 - NaN


@triton.jit
def _rest(x):
    """What is left of an angle in [-π/4, π/4], and how many quarters were taken away, modulo 4, as a float.

    See :mod:`~cells.fused.numba_circular`. The device's own needs memory in every thread.
    """
    k = tl.floor(x * 0.6366197723675814 + 0.5)
    if x.dtype == tl.float64:
        r = tl.fma(-k, 0.0 * k + 1.5707963267948966, x)
        r = tl.fma(-k, 0.0 * k + 6.123233995736766e-17, r)
        r = tl.fma(-k, 0.0 * k - 1.4973849048591698e-33, r)
    else:
        r = tl.fma(-k, 0.0 * k + 1.57079637050628662, x)
        r = tl.fma(-k, 0.0 * k - 4.37113882867379e-8, r)
        r = tl.fma(-k, 0.0 * k - 1.71512451000588e-15, r)
    r = tl.where(r > 1.0, 1.0, tl.where(r < -1.0, -1.0, r))  # NaN goes through
    return r, k - 4.0 * tl.floor(0.25 * k)


@triton.jit
def _sine(r):
    z = r * r
    if r.dtype == tl.float64:
        p = z * 1.58962301576546568060e-10 - 2.50507477628578072866e-8
        p = p * z + 2.75573136213857245213e-6
        p = p * z - 1.98412698295895385996e-4
        p = p * z + 8.33333333332211858878e-3
        p = p * z - 1.66666666666666307295e-1
    else:
        p = z * -1.9515295891e-4 + 8.3321608736e-3
        p = p * z - 1.6666654611e-1
    return p * z * r + r


@triton.jit
def _cosine(r):
    z = r * r
    if r.dtype == tl.float64:
        p = z * -1.13585365213876817300e-11 + 2.08757008419747316778e-9
        p = p * z - 2.75573141792967388112e-7
        p = p * z + 2.48015872888517045348e-5
        p = p * z - 1.38888888888730564116e-3
        p = p * z + 4.16666666666665929218e-2
    else:
        p = z * 2.443315711809948e-5 - 1.388731625493765e-3
        p = p * z + 4.166664568298827e-2
    return p * z * z + (1.0 - 0.5 * z)


@triton.jit
def sin(x):
    """The sine of an angle in radians."""
    r, quarters = _rest(x)
    value = tl.where((quarters == 1.0) | (quarters == 3.0), _cosine(r), _sine(r))
    return tl.where(quarters >= 2.0, -value, value)


@triton.jit
def cos(x):
    """The cosine of an angle in radians."""
    r, quarters = _rest(x)
    value = tl.where((quarters == 1.0) | (quarters == 3.0), _sine(r), _cosine(r))
    return tl.where((quarters == 1.0) | (quarters == 2.0), -value, value)
