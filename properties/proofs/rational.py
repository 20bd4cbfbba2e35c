"""Rational enclosures of real functions: Arb balls turned into fractions, rounded outward."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction

from flint import arb, ctx, fmpq

BITS = 64
"""Significant bits of a fraction that stands for an irrational end."""

Ends = tuple[Fraction, Fraction]
_lock = threading.RLock()


@contextlib.contextmanager
def precision(bits: int) -> Iterator[None]:
    """Evaluate balls with ``bits`` bits; the setting is global to the library, hence the lock."""
    with _lock:
        before = ctx.prec
        ctx.prec = bits
        try:
            yield
        finally:
            ctx.prec = before


def ball(value: Fraction) -> arb:
    """A ball that holds ``value``; exact for a float's value at sufficient precision."""
    return arb(fmpq(value.numerator, value.denominator))


def lower(value: arb) -> Fraction:
    """A fraction at or below every point of ``value``, of at most :data:`BITS` bits."""
    return _fraction(value.lower(), math.floor)


def upper(value: arb) -> Fraction:
    """A fraction at or above every point of ``value``, of at most :data:`BITS` bits."""
    return _fraction(value.upper(), math.ceil)


def _fraction(end: arb, rounded: Callable[[Fraction], int]) -> Fraction:
    if not end.is_finite():
        raise ValueError(f"expected a finite ball, got one whose end is {end}")
    mantissa, exponent = (int(part) for part in end.man_exp())
    exact = Fraction(mantissa) * Fraction(2) ** exponent
    excess = abs(mantissa).bit_length() - BITS
    if excess <= 0:
        return exact
    unit = Fraction(2) ** (exponent + excess)
    return rounded(exact / unit) * unit


def enclose(function: Callable[[arb], arb], low: Fraction, high: Fraction) -> Ends:
    """Ends of ``function``, an increasing one, over [low, high]: rational and rounded outward."""
    with precision(2 * BITS):
        return lower(function(ball(low))), upper(function(ball(high)))


def exp(value: Fraction) -> Ends:
    """e^value, enclosed."""
    return (Fraction(1), Fraction(1)) if not value else enclose(arb.exp, value, value)
