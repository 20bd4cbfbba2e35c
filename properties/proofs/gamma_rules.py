"""γ over the whole line, exactly: the range of an expression whose leaves may be any real.

Two facts beyond interval arithmetic carry the usual derivatives: x·x is a square, so tanh′ = 1 − tanh² lies
in [0, 1], and s·(1 − s) is at most ¼ for s in [0, 1], which bounds σ′.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from properties.proofs.expression import Expressions, Node
from properties.proofs.ranges import KERNELS, LINE, UNIT, Range, logaddexp, maximum, minimum

_QUARTER = Range(Fraction(0), Fraction(1, 4))


class WholeLine:
    """Ranges of the expressions of ``arena``; ``known`` gives those of some leaves, others are the line.

    ``unproved`` lists what has no rule, or an argument that may lie outside its domain.
    """

    def __init__(self, arena: Expressions, known: Mapping[int, Range] | None = None) -> None:
        self.arena = arena
        self.unproved: list[str] = []
        self._values: dict[int, Range] = dict(known or {})

    def at(self, place: int) -> Range:
        """The range of the expression at ``place``."""
        for p in self.arena.cone([place]):
            if p not in self._values:
                self._values[p] = self._node(p, self.arena[p])
        return self._values[place]

    def _refused(self, place: int) -> Range:
        self.unproved.append(f"{self.arena.text(place)}: no rule, or outside the domain")
        return LINE

    def _node(self, place: int, node: Node) -> Range:
        if node.op == "leaf":
            return LINE
        if node.op == "literal":
            value = float(node.data[0])
            return self._refused(place) if value - value != 0 else Range.of(value, value)
        arguments = [self._values[a] for a in node.args]
        result = self._arithmetic(node, arguments)
        if result is None and len(arguments) == 1 and node.op in KERNELS:
            result = KERNELS[node.op](arguments[0])
        return self._refused(place) if result is None else result

    def _arithmetic(self, node: Node, a: list[Range]) -> Range | None:  # noqa: PLR0911 - one case each
        match node.op:
            case "add" | "accumulate":
                return a[0] + a[1]
            case "sub":
                same = node.args[0] == node.args[1] and a[0].is_bounded
                return Range(Fraction(0), Fraction(0)) if same else a[0] - a[1]
            case "mul":
                return self._product(node, a)
            case "fma":
                return a[0] * a[1] + a[2]
            case "div":
                inverse = a[1].reciprocal()
                return None if inverse is None else a[0] * inverse
            case "where":
                return a[1].join(a[2])
            case "min":
                return minimum(*a)
            case "max":
                return maximum(*a)
            case "logaddexp":
                return logaddexp(*a)
            case "sum":
                return _total(a)
            case "dot":
                return _total([x * y for x, y in zip(a[::2], a[1::2], strict=True)])
            case "softmax" | "gt" | "ge" | "lt" | "le" | "eq" | "ne" | "and" | "or" | "not":
                return UNIT
            case "cast" | "inexact" | "unrounded":
                return a[0]
            case "norm":
                return Range(Fraction(0), LINE.high)
        return None

    def _product(self, node: Node, a: list[Range]) -> Range:
        left, right = node.args
        if left == right:
            return a[0].square()
        for s, rest in ((left, right), (right, left)):
            complement = self.arena[rest]
            if complement == Node("sub", (self.arena.literal(1.0), s)):
                within = self._values[s]
                if within.low >= 0 and within.high <= 1:
                    return _QUARTER
        return a[0] * a[1]


def _total(terms: list[Range]) -> Range:
    result = Range(Fraction(0), Fraction(0))
    for term in terms:
        result = result + term
    return result
