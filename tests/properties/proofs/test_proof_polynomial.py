"""Polynomials over boxes: exact at vertices, enclosing everywhere."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from properties.proofs.polynomial import Polynomial, at_corner, corners, enclosure

SMALL = st.integers(-4, 4).map(lambda n: Fraction(n, 2))
MONOMIALS = st.lists(st.integers(0, 3), max_size=3).map(lambda v: tuple(sorted(v)))
POLYNOMIALS = st.dictionaries(MONOMIALS, SMALL.filter(bool), max_size=5).map(Polynomial)
SHARES = st.fractions(min_value=0, max_value=1, max_denominator=7)


@st.composite
def boxes(draw):
    """Ends for four variables."""
    ends = [sorted((draw(SMALL), draw(SMALL))) for _ in range(4)]
    return {v: (low, high) for v, (low, high) in enumerate(ends)}


@given(POLYNOMIALS, POLYNOMIALS, st.tuples(SMALL, SMALL, SMALL, SMALL))
@settings(max_examples=50, deadline=None)
def test_arithmetic_is_that_of_the_values(p, q, at):
    """The value of a sum, difference or product is that of the values."""
    point = dict(enumerate(at))
    a, b = p.value(point), q.value(point)
    assert a + b == (p + q).value(point)
    assert a - b == (p - q).value(point)
    assert a * b == (p * q).value(point)
    assert 3 * a == p.scale(Fraction(3)).value(point)


@given(POLYNOMIALS, boxes(), st.tuples(SHARES, SHARES, SHARES, SHARES))
@settings(max_examples=80, deadline=None)
def test_enclosure_holds_every_value(p, box, shares):
    """No point of the box has a value outside the enclosure, whatever the degrees."""
    point = {v: low + (high - low) * shares[v] for v, (low, high) in box.items()}
    low, high = enclosure(p, box)
    assert low <= p.value(point) <= high
    wide_low, wide_high = enclosure(p, box, limit=0)
    assert wide_low <= low
    assert high <= wide_high


@given(POLYNOMIALS.filter(lambda p: p.is_multi_affine), boxes())
@settings(max_examples=50, deadline=None)
def test_multi_affine_polynomials_attain_their_enclosure(p, box):
    """For a polynomial without squares both ends are values at vertices of the box."""
    values = [
        p.value({v: ends[k] for v, (ends, k, _) in corner.items()})
        for corner in corners(p.degrees, box)
    ]
    assert (min(values), max(values)) == enclosure(p, box)


def test_a_square_on_the_unit_interval_is_enclosed_exactly():
    """The refined gate f + f(1−f)(2ρ−1) lies in [0, 1], although f(1−f) appears in it."""
    f, rho = Polynomial.variable(0), Polynomial.variable(1)
    one = Polynomial.constant(1)
    gate = f + f * (one - f) * (rho.scale(Fraction(2)) - one)
    unit = (Fraction(0), Fraction(1))
    assert (0, 1) == enclosure(gate, {0: unit, 1: unit})
    assert not gate.is_multi_affine
    corner = {0: (unit, 2, 2), 1: (unit, 1, 1)}
    assert 1 == at_corner(gate, corner)
