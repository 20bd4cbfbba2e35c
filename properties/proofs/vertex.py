"""The least radius of an inductive box, as an exact fraction, or the corner through which it escapes.

After the abstraction a new state scalar is Σ_j A_j h_j + B with A_j and B polynomials in variables of known
range. Where |h_j| ≤ M for all j, its largest absolute value is attained at a vertex of the box of the
others and is a·M + b there, with a = Σ|A_j| and b = |B|. The box is mapped into itself exactly if
a·M + b ≤ M at every vertex: M ≥ b/(1 − a), and no M at all where a = 1 and b > 0, or a > 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from properties.proofs.abstraction import PARTIAL, WIDENED, Abstraction
from properties.proofs.polynomial import Corner, Ends, Polynomial, at_corner, corners, count_corners

MAXIMUM_CORNERS = 4096


@dataclass(frozen=True, slots=True)
class Vertex:
    """One corner of one output: its new magnitude is ``slope``·M + ``offset``."""

    place: int
    slope: Fraction
    offset: Fraction
    corner: Corner
    exact: bool

    @property
    def height(self) -> Fraction:
        """How much of the corner is at upper ends: of equals, 1 reads better than −1."""
        return sum(
            (ends[1] * k + ends[0] * (d - k) for ends, k, d in self.corner.values()), Fraction(0)
        )

    @property
    def radius(self) -> Fraction | None:
        """The least M that this corner allows; None where there is none."""
        if self.slope < 1:
            return self.offset / (1 - self.slope)
        return Fraction(0) if self.slope == 1 and self.offset == 0 else None


@dataclass(frozen=True, slots=True)
class Escape:
    """Why there is no radius.

    ``kind``: "growth" at ``vertex``; "unbounded" because of the ``variables``, where ``vertex`` is the corner
    that keeps most of the state (``slope``); "unknown" or "shape" where the method does not apply.
    """

    kind: Literal["growth", "unbounded", "unknown", "shape"]
    place: int
    reason: str
    vertex: Vertex | None = None
    variables: tuple[int, ...] = ()
    slope: Fraction | None = None


@dataclass(frozen=True, slots=True)
class LeastRadius:
    """The least inductive radius and the corner that asks for it; ``exact``: it is attained there."""

    radius: Fraction
    vertex: Vertex | None
    exact: bool


def least_radius(abstraction: Abstraction, places: Sequence[int]) -> LeastRadius | Escape:
    """The least M such that |h_j| ≤ M for the recurrent scalars bounds the outputs at ``places`` by M."""
    best: Vertex | None = None
    exact = True
    escapes: list[Escape] = []
    for place in places:
        polynomial = abstraction.polynomial(place)
        obstacle = _obstacle(abstraction, place, polynomial)
        if obstacle is not None:
            if obstacle.kind == "unbounded" and (obstacle.slope or 0) >= 1:
                return obstacle  # nothing that the other outputs do says more
            escapes.append(obstacle)
            continue
        for vertex in vertices(abstraction, place, polynomial):
            exact = exact and vertex.exact
            if best is None or _worse(vertex, best):
                best = vertex
        if best is not None and best.radius is None and best.exact and not escapes:
            break  # one output that grows is enough
    grows = best is not None and best.radius is None
    ignorant = [e for e in escapes if e.kind in ("unknown", "shape")]
    if ignorant:
        return ignorant[0]
    if escapes and not grows:
        return max(escapes, key=lambda e: e.slope or 0)
    if best is None:
        return LeastRadius(Fraction(0), None, exact=True)
    if best.radius is None:
        reason = "no box is mapped into itself"
        if not best.exact:
            return Escape("shape", best.place, reason, best)
        return Escape("growth", best.place, reason, best)
    return LeastRadius(best.radius, best, exact)


def vertices(abstraction: Abstraction, place: int, polynomial: Polynomial) -> Iterator[Vertex]:
    """Every corner of the output ``polynomial``, whose kernels are all bounded."""
    table = abstraction.variables
    state = {v for v in polynomial.variables if table[v].kind == "state"}
    degrees = {v: d for v, d in polynomial.degrees.items() if v not in state}
    box: dict[int, Ends] = {
        v: (Fraction(table[v].range.low), Fraction(table[v].range.high)) for v in degrees
    }
    parts = polynomial.split(state)
    free = parts.pop((), Polynomial.constant(0))
    # these have forgotten something: what the factors share with the rest, the order of the sums
    vague = (WIDENED, PARTIAL)
    exact = polynomial.is_multi_affine and all(table[v].name not in vague for v in degrees)
    for corner in corners(degrees, box):
        slope = sum((abs(at_corner(p, corner)) for p in parts.values()), Fraction(0))
        yield Vertex(place, slope, abs(at_corner(free, corner)), corner, exact)


def _worse(a: Vertex, b: Vertex) -> bool:
    if (a.radius is None) != (b.radius is None):
        return a.radius is None
    if a.radius is None or b.radius is None:
        return (a.slope, a.offset, a.height) > (b.slope, b.offset, b.height)
    return (a.radius, a.height) > (b.radius, b.height)


def _obstacle(abstraction: Abstraction, place: int, polynomial: Polynomial) -> Escape | None:
    table = abstraction.variables
    state = {v for v in polynomial.variables if table[v].kind == "state"}
    unbounded = [
        v for v in polynomial.variables if v not in state and not table[v].range.is_bounded
    ]
    vague = [v for v in unbounded if table[v].kind == "unknown" or table[v].name == WIDENED]
    wild = tuple(v for v in unbounded if v not in vague)
    if unbounded and not wild:
        return Escape("unknown", place, f"nothing is known of {table[unbounded[0]].name}")
    if wild:
        tame = Polynomial(
            {m: c for m, c in polynomial.terms.items() if not set(m) & set(unbounded)}
        )
        kept = max(
            _affine_vertices(abstraction, place, tame, state),
            key=lambda v: (v.slope, v.height),
            default=None,
        )
        names = sorted({table[v].name for v in wild})
        reason = f"{', '.join(names[:4])} has no bound that holds for all weights and inputs"
        slope = Fraction(0) if kept is None else kept.slope
        return Escape("unbounded", place, reason, kept, wild, slope)
    if any(sum(v in state for v in m) > 1 for m in polynomial.terms):
        return Escape("shape", place, "the update multiplies scalars of the recurrent state")
    if (
        count_corners({v: d for v, d in polynomial.degrees.items() if v not in state})
        > MAXIMUM_CORNERS
    ):
        return Escape("shape", place, f"more than {MAXIMUM_CORNERS} corners")
    return None


def _affine_vertices(
    abstraction: Abstraction, place: int, polynomial: Polynomial, state: Iterable[int]
) -> Iterator[Vertex]:
    chosen = set(state)
    if any(sum(v in chosen for v in m) > 1 for m in polynomial.terms):
        return iter(())
    if count_corners({v: d for v, d in polynomial.degrees.items() if v not in chosen}) > 256:
        return iter(())
    return vertices(abstraction, place, polynomial)
