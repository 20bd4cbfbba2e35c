"""One step as polynomials: every bounded kernel becomes a variable in its exact range.

What is remembered of a kernel is what a boundedness proof lives on. σ(a) and σ(−a) of the same argument are
v and 1 − v; σ(a) and σ(β − a), for a constant β, are v and (1 − v)k with k between 1 and e^β; a softmax is a
point of the simplex, written so that its partial sums are single terms; min(i, w) of nonnegative numbers
is a share of either; where(c, a, b) is b + k(a − b). The arguments of the kernels may be anything finite.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from properties.proofs import rational
from properties.proofs.expression import Expressions, Node
from properties.proofs.polynomial import Polynomial, enclosure
from properties.proofs.ranges import KERNELS, LINE, UNIT, Range, logaddexp, maximum, minimum

_TERMS = 256
"""Products with more terms are not expanded: they become one variable in the product's range."""

RATIO = "ratio of two sigmoids"
WIDENED = "product that was not expanded"
PARTIAL = "partial sum of a softmax"
SHARE = "share of a minimum"

Kind = Literal["state", "free", "kernel", "unknown"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the polynomials.

    ``kind``: a scalar of the recurrent state, whose range is the radius asked for; ``free``: a parameter,
    an input, any other state; ``kernel``: in ``range``; ``unknown``: an operation without a rule. ``place``
    is the expression whose value it is, where there is one.
    """

    name: str
    kind: Kind
    range: Range
    place: int | None = None


class Abstraction:
    """The polynomials of the expressions of ``arena``.

    ``recurrent``: places of the leaves whose box is asked about; ``share``: which operand of a minimum of
    nonnegative numbers it is expressed as a share of, 0 or 1: both are sound, and one may prove
    what the other does not; ``group``: how many members a softmax has at most whose order is remembered.
    ``obstacles`` lists the operations that may leave the reals.
    """

    def __init__(
        self,
        arena: Expressions,
        recurrent: Iterable[int],
        share: Literal[0, 1] = 1,
        group: int = 5,
    ) -> None:
        self.arena = arena
        self.share = share
        self.group = group
        self.variables: list[Variable] = []
        self.obstacles: list[str] = []
        self._recurrent = frozenset(recurrent)
        self._values: dict[int, Polynomial] = {}
        self._interned: dict[Hashable, int] = {}
        self._sigmoids: dict[Hashable, tuple[int, int, Fraction]] = {}
        self._ranges: dict[Hashable, Range] = {}

    def polynomial(self, place: int) -> Polynomial:
        """The polynomial of the expression at ``place``."""
        for p in self.arena.cone([place]):
            if p not in self._values:
                self._values[p] = self._node(p, self.arena[p])
        return self._values[place]

    def uses(self, name: str) -> bool:
        """Whether a variable of this name was introduced."""
        return any(variable.name == name for variable in self.variables)

    def range(self, p: Polynomial) -> Range:
        """A range of ``p``: exact where it is multi-affine in bounded variables."""
        key = p.key()
        if key not in self._ranges:
            self._ranges[key] = self._enclose(p)
        return self._ranges[key]

    def _enclose(self, p: Polynomial) -> Range:
        if all(self.variables[v].range.is_bounded for v in p.variables):
            box = {v: self._ends(v) for v in p.variables}
            return Range(*enclosure(p, box))
        total = Range(Fraction(0), Fraction(0))
        for monomial, coefficient in p.terms.items():
            term = Range(coefficient, coefficient)
            for v in dict.fromkeys(monomial):
                whole = self.variables[v].range
                power = monomial.count(v)
                factor = whole.square() if power >= 2 else whole
                for _ in range(power - 2):
                    factor = factor * whole
                term = term * factor
            total = total + term
        return total

    def _ends(self, v: int) -> tuple[Fraction, Fraction]:
        r = self.variables[v].range
        return Fraction(r.low), Fraction(r.high)

    # ---- variables --------------------------------------------------------------------------

    def _variable(
        self, key: Hashable, name: str, kind: Kind, within: Range, place: int | None = None
    ) -> Polynomial:
        number = self._interned.get(key)
        if number is None:
            number = self._interned[key] = len(self.variables)
            self.variables.append(Variable(name, kind, within, place))
        return Polynomial.variable(number)

    def _kernel(self, op: str, place: int, *arguments: Polynomial, within: Range) -> Polynomial:
        if within.low == within.high:
            return Polynomial.constant(Fraction(within.low))
        key = (op, *(a.key() for a in arguments))
        return self._variable(key, op, "kernel", within, place)

    def _obstacle(self, place: int, why: str) -> Polynomial:
        self.obstacles.append(f"{self.arena.text(place)}: {why}")
        return self._variable(("obstacle", place), self.arena.text(place), "unknown", LINE, place)

    # ---- operations -------------------------------------------------------------------------

    def _node(self, place: int, node: Node) -> Polynomial:  # noqa: C901, PLR0911, PLR0912 - one case each
        if node.op == "literal":
            value = float(node.data[0])
            if value - value != 0:
                return self._obstacle(place, "a constant that is not finite")
            return Polynomial.constant(Fraction(value))
        if node.op == "leaf":
            kind: Kind = "state" if place in self._recurrent else "free"
            return self._variable(("leaf", place), self.arena.text(place), kind, LINE, place)
        if node.op == "unknown":
            name = str(node.data[0])
            return self._variable(("unknown", place), name, "unknown", LINE, place)
        arguments = [self._values[a] for a in node.args]
        arithmetic = self._arithmetic(place, node.op, arguments)
        if arithmetic is not None:
            return arithmetic
        match node.op:
            case "div":
                return self._quotient(place, node, arguments)
            case "sigmoid":
                return self._sigmoid(place, arguments[0])
            case "tanh" | "sin" | "cos" | "erf" | "atan":
                return self._symmetric(node.op, place, arguments[0])
            case "min" | "max":
                return self._extreme(node.op, place, *arguments)
            case "relu":
                return self._extreme("max", place, arguments[0], Polynomial.constant(0))
            case "abs":
                p = arguments[0]
                r = self.range(p)
                if r.low >= 0 or r.high <= 0:
                    return p if r.low >= 0 else -p
            case "softmax":
                return self._softmax(node, arguments)
            case "where":
                share = self._variable(("where", node.args[0]), "where", "kernel", UNIT)
                difference = arguments[1] - arguments[2]
                return arguments[2] + self._product(place, share, difference)
            case "gt" | "ge" | "lt" | "le" | "eq" | "ne" | "and" | "or" | "not":
                return self._variable(("truth", place), node.op, "kernel", UNIT, place)
            case "expm1":
                power = arguments[0]
                growth = self._kernel("exp", place, power, within=_known("exp", self.range(power)))
                return growth - Polynomial.constant(1)
            case "norm":
                within = Range(Fraction(0), math.inf)
                return self._kernel(f"norm {node.data[0]:g}", place, *arguments, within=within)
            case "logaddexp":
                within = logaddexp(*(self.range(a) for a in arguments))
                return self._kernel("logaddexp", place, *arguments, within=within)
        return self._generic(place, node, arguments)

    def _arithmetic(  # noqa: PLR0911 - one case each
        self, place: int, op: str, a: list[Polynomial]
    ) -> Polynomial | None:
        match op:
            case "add" | "accumulate":
                return a[0] + a[1]
            case "sub":
                return a[0] - a[1]
            case "neg":
                return -a[0]
            case "cast" | "inexact" | "unrounded":
                return a[0]
            case "mul":
                return self._product(place, a[0], a[1])
            case "fma":
                return self._product(place, a[0], a[1]) + a[2]
            case "lerp":
                return a[0] + self._product(place, a[2], a[1] - a[0])
            case "sum" | "dot":
                if op == "sum":
                    return Polynomial.total(a)
                pairs = zip(a[::2], a[1::2], strict=True)
                return Polynomial.total(self._product(place, x, y) for x, y in pairs)
        return None

    def _product(self, place: int, p: Polynomial, q: Polynomial) -> Polynomial:
        if p == q and not self.range(p).is_bounded:
            return self._variable(
                ("square", p.key()), "square", "kernel", self.range(p).square(), place
            )
        if len(p.terms) * len(q.terms) <= _TERMS:
            return p * q
        within = self.range(p) * self.range(q)
        return self._variable(("product", p.key(), q.key()), WIDENED, "kernel", within, place)

    def _quotient(self, place: int, node: Node, a: list[Polynomial]) -> Polynomial:
        p, q = a
        if q.is_constant and q.constant_term:
            return p.scale(1 / q.constant_term)
        divisor = self.arena[node.args[1]]
        if divisor.op == "exp":  # 1/e^x is e^−x, and e^x is never zero
            power = -self._values[divisor.args[0]]
            inverse = self._kernel("exp", place, power, within=_known("exp", self.range(power)))
            return self._product(place, p, inverse)
        within = self.range(q).reciprocal()
        if within is None:
            return self._obstacle(place, "a quotient by a number that may be zero")
        return self._product(place, p, self._kernel("reciprocal", node.args[1], q, within=within))

    def _symmetric(self, op: str, place: int, p: Polynomial) -> Polynomial:
        """Odd kernels and the cosine: f(−a) is ∓f(a), so arguments are compared up to sign."""
        sign = _sign(p)
        core = p if sign > 0 else -p
        value = self._kernel(op, place, core, within=_known(op, self.range(core)))
        return value if sign > 0 or op == "cos" else -value

    def _sigmoid(self, place: int, p: Polynomial) -> Polynomial:
        offset = p.constant_term
        sign = _sign(p)
        core = (p - Polynomial.constant(offset)).scale(Fraction(sign))
        within = _known("sigmoid", self.range(p))
        if core.is_constant:
            return self._kernel("sigmoid", place, p, within=within)
        first = self._sigmoids.get(core.key())
        if first is None:
            value = self._kernel("sigmoid", place, p, within=within)
            self._sigmoids[core.key()] = (value.variables[0], sign, offset)
            return value
        number, orientation, base = first
        v = Polynomial.variable(number)
        if sign == orientation:
            # σ(y + d) = v·k with k = e^d/((1 − v) + v·e^d)
            return v * self._ratio(place, core, sign, offset, offset - base)
        # σ(−(y + d)) = 1 − σ(y + d) = (1 − v)·k with k = 1/((1 − v) + v·e^d), y = ±core + base
        rest = Polynomial.constant(1) - v
        return rest * self._ratio(place, core, sign, offset, offset + base)

    def _ratio(
        self, place: int, core: Polynomial, sign: int, offset: Fraction, power: Fraction
    ) -> Polynomial:
        if not power:
            return Polynomial.constant(1)
        low, high = rational.exp(power)
        within = Range(min(low, Fraction(1)), max(high, Fraction(1)))
        key = ("ratio", core.key(), sign, offset)
        return self._variable(key, RATIO, "kernel", within, place)

    def _extreme(self, op: str, place: int, p: Polynomial, q: Polynomial) -> Polynomial:
        difference = self.range(p - q)
        if difference.high <= 0 or difference.low >= 0:
            return p if (difference.high <= 0) == (op == "min") else q
        a, b = self.range(p), self.range(q)
        if op == "min" and a.low >= 0 and b.low >= 0:
            whole = (p, q)[self.share]
            share = self._variable(("share", p.key(), q.key()), SHARE, "kernel", UNIT)
            return self._product(place, whole, share)
        within = (minimum if op == "min" else maximum)(a, b)
        rectifies = op == "max" and q.is_constant and not q.constant_term
        return self._kernel("relu" if rectifies else op, place, p, q, within=within)

    def _softmax(self, node: Node, arguments: list[Polynomial]) -> Polynomial:
        """Member i of the simplex as a difference of partial sums P_i = p_0 + … + p_i, with P_n = 1.

        P_i is u_i·P_{i+1} with u_i in [0, 1]: any u is a point of the simplex and the other way round. For a
        large group P_i itself is the variable, which forgets that partial sums increase.
        """
        member = int(node.data[0])
        whole = self._partial_sum(node, arguments, member)
        return whole if not member else whole - self._partial_sum(node, arguments, member - 1)

    def _partial_sum(self, node: Node, arguments: list[Polynomial], member: int) -> Polynomial:
        key = tuple(a.key() for a in arguments)
        last = len(arguments) - 1
        if last >= self.group and member < last:
            return self._variable(("sum", key, member), PARTIAL, "kernel", UNIT)
        value = Polynomial.constant(1)
        for j in range(member, last):
            place = self.arena.apply("softmax", *node.args, data=(j + 1,))
            value = value * self._variable(
                ("share", key, j), "share of a softmax", "kernel", UNIT, place
            )
        return value

    def _generic(self, place: int, node: Node, arguments: list[Polynomial]) -> Polynomial:
        rule = KERNELS.get(node.op)
        if rule is None or len(arguments) != 1:
            return self._obstacle(place, "no rule")
        within = rule(self.range(arguments[0]))
        if within is None:
            return self._obstacle(place, "an argument that may lie outside the domain")
        op = node.op + "".join(f",{d}" for d in node.data)
        return self._kernel(op, place, *arguments, within=within)


def _known(op: str, argument: Range) -> Range:
    within = KERNELS[op](argument)
    if within is None:
        raise ValueError(f"expected a kernel defined on the whole line, got {op}")
    return within


def _sign(p: Polynomial) -> int:
    """The sign of the leading coefficient, constants aside."""
    leading = max((m for m in p.terms if m), default=())
    return -1 if p.terms.get(leading, Fraction(1)) < 0 else 1
