"""Polynomials with exact rational coefficients, and their range over a box.

A polynomial in which no variable is squared (a *multi-affine* one) takes its extremes over a box at vertices.
The generalization to higher degrees is the polar form: a variable of degree d becomes d copies that enter
symmetrically, and the values at the vertices of the copies (the Bernstein coefficients) enclose the
polynomial, exactly at the corners of the box.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

Monomial = tuple[int, ...]
"""Variables in increasing order, repeated according to their power."""

Ends = tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Σ c·Π v over ``terms``, a mapping of monomials to coefficients none of which is zero."""

    terms: Mapping[Monomial, Fraction]

    @classmethod
    def constant(cls, value: Fraction | int) -> Polynomial:
        """The constant polynomial."""
        return cls({(): Fraction(value)} if value else {})

    @classmethod
    def variable(cls, number: int) -> Polynomial:
        """The polynomial that is variable ``number``."""
        return cls({(number,): Fraction(1)})

    @classmethod
    def total(cls, polynomials: Iterable[Polynomial]) -> Polynomial:
        """The sum of many polynomials."""
        terms: dict[Monomial, Fraction] = {}
        for polynomial in polynomials:
            for monomial, value in polynomial.terms.items():
                terms[monomial] = terms.get(monomial, Fraction(0)) + value
        return cls({m: c for m, c in terms.items() if c})

    def __add__(self, other: Polynomial) -> Polynomial:
        return Polynomial.total((self, other))

    def __neg__(self) -> Polynomial:
        return Polynomial({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + (-other)

    def __mul__(self, other: Polynomial) -> Polynomial:
        terms: dict[Monomial, Fraction] = {}
        for (m, a), (n, b) in itertools.product(self.terms.items(), other.terms.items()):
            monomial = tuple(sorted(m + n))
            terms[monomial] = terms.get(monomial, Fraction(0)) + a * b
        return Polynomial({m: c for m, c in terms.items() if c})

    def scale(self, factor: Fraction) -> Polynomial:
        """``factor`` times this polynomial."""
        return Polynomial({m: c * factor for m, c in self.terms.items()} if factor else {})

    @property
    def constant_term(self) -> Fraction:
        """The coefficient of 1."""
        return self.terms.get((), Fraction(0))

    @property
    def is_constant(self) -> bool:
        """Whether no variable appears."""
        return not self.terms or tuple(self.terms) == ((),)

    @property
    def variables(self) -> tuple[int, ...]:
        """Every variable that appears, in increasing order."""
        return tuple(sorted({v for m in self.terms for v in m}))

    @property
    def degrees(self) -> dict[int, int]:
        """The highest power of every variable."""
        return {v: max(m.count(v) for m in self.terms) for v in self.variables}

    @property
    def is_multi_affine(self) -> bool:
        """Whether no variable is squared."""
        return all(len(set(m)) == len(m) for m in self.terms)

    def key(self) -> frozenset[tuple[Monomial, Fraction]]:
        """Equal for equal polynomials, and hashable."""
        return frozenset(self.terms.items())

    def value(self, at: Mapping[int, Fraction]) -> Fraction:
        """The value where variable v is ``at[v]``."""
        total = Fraction(0)
        for monomial, coefficient in self.terms.items():
            term = coefficient
            for v in monomial:
                term *= at[v]
            total += term
        return total

    def split(self, chosen: set[int]) -> dict[Monomial, Polynomial]:
        """The polynomial as Σ m·P_m, where the monomials m hold exactly the ``chosen`` variables."""
        parts: dict[Monomial, dict[Monomial, Fraction]] = {}
        for monomial, coefficient in self.terms.items():
            inside = tuple(v for v in monomial if v in chosen)
            outside = tuple(v for v in monomial if v not in chosen)
            parts.setdefault(inside, {})[outside] = coefficient
        return {m: Polynomial(terms) for m, terms in parts.items()}


Corner = dict[int, tuple[Ends, int, int]]
"""For every variable its ends, the number of copies at the upper end, and the number of copies."""


def corners(degrees: Mapping[int, int], box: Mapping[int, Ends]) -> Iterator[Corner]:
    """Every vertex of the polar form of a polynomial of these ``degrees`` over ``box``."""
    variables = sorted(degrees)
    for upper in itertools.product(*(range(degrees[v] + 1) for v in variables)):
        yield {v: (box[v], k, degrees[v]) for v, k in zip(variables, upper, strict=True)}


def count_corners(degrees: Mapping[int, int]) -> int:
    """How many corners there are."""
    return math.prod(d + 1 for d in degrees.values())


def at_corner(polynomial: Polynomial, corner: Corner) -> Fraction:
    """The polar form's value at one vertex: for a multi-affine polynomial, the polynomial's own."""
    total = Fraction(0)
    for monomial, coefficient in polynomial.terms.items():
        term = coefficient
        for v in dict.fromkeys(monomial):
            ends, upper, copies = corner[v]
            term *= (
                ends[upper] if copies == 1 else _symmetric(ends, upper, copies, monomial.count(v))
            )
            if not term:
                break
        total += term
    return total


@functools.lru_cache(maxsize=4096)
def _symmetric(ends: Ends, upper: int, copies: int, power: int) -> Fraction:
    """The mean of the products of ``power`` of the copies, ``upper`` of which are at the upper end."""
    low, high = ends
    total = Fraction(0)
    for j in range(max(0, power - (copies - upper)), min(power, upper) + 1):
        total += (
            math.comb(upper, j)
            * math.comb(copies - upper, power - j)
            * high**j
            * low ** (power - j)
        )
    return total / math.comb(copies, power)


def enclosure(polynomial: Polynomial, box: Mapping[int, Ends], limit: int = 256) -> Ends:
    """Ends that enclose the polynomial over ``box``; exact where it is multi-affine and small.

    Beyond ``limit`` corners every monomial is enclosed on its own, which is wider.
    """
    degrees = polynomial.degrees
    if count_corners(degrees) <= limit:
        values = [at_corner(polynomial, corner) for corner in corners(degrees, box)]
        return min(values), max(values)
    low = high = Fraction(0)
    for monomial, coefficient in polynomial.terms.items():
        single = Polynomial({monomial: coefficient})
        values = [at_corner(single, c) for c in corners(single.degrees, box)]
        low, high = low + min(values), high + max(values)
    return low, high
