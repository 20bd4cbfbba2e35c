"""The abstraction by evaluation: no step of a random update leaves a box that is called inductive."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.proofs.abstraction import WIDENED, Abstraction
from properties.proofs.expression import Expressions
from properties.proofs.ranges import LINE
from properties.proofs.vertex import LeastRadius, least_radius


def softmax(values, member):
    """Member ``member`` of a softmax."""
    top = max(values)
    powers = [math.exp(v - top) for v in values]
    return powers[member] / sum(powers)


def sigmoid(v):
    """Without overflow on either side."""
    return 1 / (1 + math.exp(-v)) if v > 0 else 1 - 1 / (1 + math.exp(v))


RULES = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "neg": lambda a: -a,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "fma": lambda a, b, c: a * b + c,
    "lerp": lambda a, b, w: a + w * (b - a),
    "sum": lambda *a: sum(a),
    "dot": lambda *a: sum(x * y for x, y in zip(a[::2], a[1::2], strict=True)),
    "abs": abs,
    "min": min,
    "max": max,
    "relu": lambda a: max(a, 0.0),
    "sigmoid": sigmoid,
    "tanh": math.tanh,
    "sin": math.sin,
    "cos": math.cos,
    "erf": math.erf,
    "atan": math.atan,
    "exp": math.exp,
    "expm1": math.expm1,
    "gt": lambda a, b: float(a > b),
    "where": lambda c, a, b: a if c else b,
}


def evaluated(arena, root, leaves):
    """The expression at ``root`` in float64, given its leaves."""
    values = {}
    for place in arena.cone([root]):
        node = arena[place]
        if node.op == "literal":
            values[place] = node.data[0]
        elif node.op == "leaf":
            values[place] = leaves[place]
        elif node.op == "softmax":
            values[place] = softmax([values[a] for a in node.args], node.data[0])
        else:
            values[place] = RULES[node.op](*(values[a] for a in node.args))
    return values[root]


class Grammar:
    """Random expressions over two recurrent scalars and three that may be any number."""

    def __init__(self, pick):
        self.pick, self.arena = pick, Expressions()
        self.state = [self.arena.leaf("state", "h", i) for i in range(2)]
        self.free = [self.arena.leaf("input", "x", i) for i in range(3)]

    def __call__(self, op, *args, data=()):
        return self.arena.apply(op, *args, data=data)

    def number(self):
        return self.arena.literal(self.pick([-1.0, -0.5, 0.0, 0.25, 0.5, 0.7, 1.0, 2.0]))

    def line(self):
        """A pre-activation: affine in what varies, the state included, often one that was seen before."""
        a, b = self.pick([*self.free, *self.state]), self.pick(self.free)
        return self.pick([
            a, self("neg", a), self("add", a, self.number()), self("sub", self.number(), a),
            self("add", a, b), self("sub", a, b), self("mul", self.number(), a),
        ])  # fmt: skip

    def gate(self, depth=2):
        """Something in [0, 1]."""
        plain = self("sigmoid", self.line())
        if not depth:
            return plain
        one, g = self.arena.literal(1.0), self.gate(depth - 1)
        members = tuple(self.free)
        kind = self.pick(["sub", "softmax", "sum", "min", "mul", "where", "abs", "lerp", "self"])
        return {
            "sub": lambda: self("sub", one, g),
            "softmax": lambda: self("softmax", *members, data=(self.pick([0, 1, 2]),)),
            "sum": lambda: self(
                "add", self("softmax", *members, data=(0,)), self("softmax", *members, data=(1,))
            ),
            "min": lambda: self("min", g, self("sub", one, plain)),
            "mul": lambda: self("mul", g, plain),
            "where": lambda: self("where", self("gt", *self.free[:2]), g, plain),
            "abs": lambda: self("abs", self("tanh", self.line())),
            "lerp": lambda: self("lerp", g, plain, self("sigmoid", self.line())),
            "self": lambda: plain,
        }[kind]()

    def candidate(self):
        """Something bounded, of either sign."""
        line = self.line()
        kind = self.pick(["tanh", "sin", "cos", "erf", "atan", "max", "relu", "neg", "div"])
        bounded = self(kind if kind in ("tanh", "sin", "cos", "erf", "atan") else "tanh", line)
        return {
            "max": lambda: self("max", bounded, self("tanh", self.line())),
            "relu": lambda: self("relu", bounded),
            "neg": lambda: self("neg", bounded),
            "div": lambda: self("div", bounded, self.arena.literal(self.pick([2.0, -0.5, 0.3]))),
        }.get(kind, lambda: bounded)()

    def update(self):
        """A new scalar of the state."""
        h, g, n = self.pick(self.state), self.gate(), self.candidate()
        other = self("sub", self.arena.literal(1.0), g)
        write = self.pick([other, self.gate(), self.number()])
        kind = self.pick(["fma", "lerp", "pair", "dot", "where", "sum", "max", "mean"])
        return {
            "fma": lambda: self("fma", g, h, self("mul", write, n)),
            "lerp": lambda: self("lerp", h, n, g),
            "pair": lambda: self("add", self("mul", g, h), self("mul", write, n)),
            "dot": lambda: self("dot", g, h, write, n),
            "where": lambda: self("where", self("gt", self.free[0], h), h, n),
            "sum": lambda: self("sum", self("mul", self.number(), h), n, self("mul", g, n)),
            "max": lambda: self("fma", self("max", g, self.gate()), h, self("mul", write, n)),
            "mean": lambda: self("dot", g, self.state[0], other, self.state[1]),
        }[kind]()


EXTREMES = (-60.0, -1.0, 0.0, 1.0, 60.0)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1]), st.sampled_from([2, 5]))
@settings(max_examples=250, deadline=None)
def test_no_evaluation_leaves_an_inductive_box(seed, share, group):
    """Corners and inner points of the box, saturated and ordinary arguments: |h′| stays within the radius."""
    draw = random.Random(seed)
    grammar = Grammar(draw.choice)
    updates = [grammar.update(), grammar.update()]
    abstraction = Abstraction(grammar.arena, grammar.state, share=share, group=group)
    found = least_radius(abstraction, updates)
    if not isinstance(found, LeastRadius):
        return
    radius = float(found.radius)
    for _ in range(40):
        leaves = {h: radius * draw.choice([-1, 1, draw.uniform(-1, 1)]) for h in grammar.state}
        leaves |= {
            x: draw.choice([*EXTREMES, draw.uniform(-3, 3), draw.uniform(-3, 3)])
            for x in grammar.free
        }
        for update in updates:
            assert abs(evaluated(grammar.arena, update, leaves)) <= radius * (1 + 1e-12) + 1e-12


def test_many_of_the_random_updates_have_a_box():
    """The law above would hold of a method that never finds one."""
    found = 0
    for seed in range(60):
        grammar = Grammar(random.Random(seed).choice)
        updates = [grammar.update(), grammar.update()]
        boxed = least_radius(Abstraction(grammar.arena, grammar.state), updates)
        found += isinstance(boxed, LeastRadius)
    assert found >= 15


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_no_evaluation_leaves_the_range_of_its_polynomial(seed):
    """What feeds nothing recurrent back has a range of its own; every value lies in it."""
    draw = random.Random(seed)
    grammar = Grammar(draw.choice)
    roots = [grammar.gate(3), grammar.candidate(), grammar.line()]
    roots.append(grammar("expm1", roots[1]))
    roots.append(grammar("mul", roots[1], roots[1]))
    roots.append(grammar("div", roots[0], grammar("exp", roots[1])))
    abstraction = Abstraction(grammar.arena, ())
    ranges = [abstraction.range(abstraction.polynomial(root)) for root in roots]
    for _ in range(40):
        leaves = {
            x: draw.choice([*EXTREMES, draw.uniform(-3, 3)]) for x in grammar.free + grammar.state
        }
        for root, within in zip(roots, ranges, strict=True):
            value = evaluated(grammar.arena, root, leaves)
            assert within.low - 1e-12 <= value <= within.high + 1e-12


def test_a_fused_product_adds_what_it_is_given():
    """σ(a)·h + tanh(c) as one operation and as two: the same polynomial, the same escape."""
    grammar = Grammar(random.Random(0).choice)
    h, (a, c, _) = grammar.state[0], grammar.free
    fused = grammar("fma", grammar("sigmoid", a), h, grammar("tanh", c))
    apart = grammar("add", grammar("mul", grammar("sigmoid", a), h), grammar("tanh", c))
    abstraction = Abstraction(grammar.arena, grammar.state)
    assert abstraction.polynomial(fused) == abstraction.polynomial(apart)


def test_a_product_of_too_many_terms_becomes_one_variable_in_its_range():
    """Beyond 256 terms nothing is expanded; the range of the variable is that of the product."""
    arena = Expressions()
    leaves = [arena.leaf("input", "x", i) for i in range(34)]
    gates = [arena.apply("sigmoid", x) for x in leaves]
    first, second = arena.apply("sum", *gates[:17]), arena.apply("sum", *gates[17:])
    small = arena.apply("mul", arena.apply("sum", *gates[:16]), arena.apply("sum", *gates[17:33]))
    abstraction = Abstraction(arena, ())
    abstraction.polynomial(small)
    assert not abstraction.uses(WIDENED)
    widened = abstraction.polynomial(arena.apply("mul", first, second))
    assert abstraction.uses(WIDENED)
    assert (0, 17 * 17) == (abstraction.range(widened).low, abstraction.range(widened).high)


@pytest.mark.parametrize(("power", "low", "high"), [(2, 0, math.inf), (3, -math.inf, math.inf)])
def test_powers_of_what_has_no_bound(power, low, high):
    """An even power is not negative; an odd one may be any number."""
    arena = Expressions()
    x = arena.leaf("input", "x", 0)
    bound = arena.apply("tanh", arena.leaf("input", "x", 1))
    shifted = arena.apply("add", x, bound)
    product = shifted
    for _ in range(power - 1):
        product = arena.apply("mul", product, shifted)
    abstraction = Abstraction(arena, ())
    if power == 2:
        within = abstraction.range(abstraction.polynomial(product))
        assert (low, high) == (within.low, within.high)
    else:
        assert LINE == abstraction.range(abstraction.polynomial(product))


def test_a_quotient_by_a_known_number_is_exact():
    """x/4 is x·(1/4); by zero it is an obstacle."""
    arena = Expressions()
    h = arena.leaf("state", "h", 0)
    abstraction = Abstraction(arena, [h])
    quarter = abstraction.polynomial(arena.apply("div", h, arena.literal(4.0)))
    assert {Fraction(1, 4)} == set(quarter.terms.values())
    abstraction.polynomial(arena.apply("div", h, arena.literal(0.0)))
    assert ["div(h[0], 0): a quotient by a number that may be zero"] == abstraction.obstacles


@pytest.mark.parametrize("order", [("min", "max"), ("max", "min")])
@pytest.mark.parametrize("other", ["zero", "sine"])
def test_the_lesser_and_the_greater_are_two_variables(order, other):
    """min(t, q) and max(t, q) of the same operands differ, whichever is met first."""
    arena = Expressions()
    x = arena.leaf("input", "x", 0)
    t = arena.apply("tanh", x)
    q = arena.literal(0.0) if other == "zero" else arena.apply("sin", x)
    abstraction = Abstraction(arena, ())
    found = {op: abstraction.polynomial(arena.apply(op, t, q)) for op in order}
    assert found["min"] != found["max"]
    lesser, greater = abstraction.range(found["min"]), abstraction.range(found["max"])
    least, most = (0, 0) if other == "zero" else (1, -1)
    assert (-1, least, most, 1) == (lesser.low, lesser.high, greater.low, greater.high)
