"""Intervals: every rule is sound on random boxes, in every dtype, and so is a whole step."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from properties.proofs.enumeration import base, entangled, every_value, executed
from properties.proofs.expression import Expressions
from properties.proofs.interval_rules import RULES, Interval
from properties.proofs.intervals import Intervals
from properties.proofs.lowering import lower
from properties.proofs.rounded_state import rounded_radius
from properties.proofs.rounding import Rounding
from properties.proofs.trace import trace_step

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
UNARY = {
    "neg": torch.neg,
    "abs": torch.abs,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "erf": torch.erf,
    "atan": torch.atan,
    "cos": torch.cos,
    "sin": torch.sin,
    "floor": torch.floor,
    "sign": torch.sign,
    "softplus": lambda x: torch.nn.functional.softplus(x, threshold=60),
    "reciprocal": torch.reciprocal,
}
POSITIVE = {"log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt}
BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "min": torch.minimum,
    "max": torch.maximum,
    "logaddexp": torch.logaddexp,
}
SCALES = st.sampled_from((1e-39, 1e-6, 0.1, 1.0, 3.0, 30.0, 95.0))
SEEDS = st.integers(0, 10**6)


def boxes(dtype, scale, seed, boxes=48, points=24):
    """Random intervals whose ends are numbers of the dtype, and points of the dtype inside, ends first."""
    generator = torch.Generator().manual_seed(seed)
    center = torch.randn(boxes, 1, generator=generator, dtype=torch.float64) * scale
    width = torch.rand(boxes, 1, generator=generator, dtype=torch.float64) ** 4 * scale
    width[: boxes // 4] = 0
    share = torch.rand(boxes, points, generator=generator, dtype=torch.float64)
    share[:, 0], share[:, 1] = 0, 1
    values = (center + (2 * share - 1) * width).to(dtype)
    return Interval(values.double().amin(1), values.double().amax(1)), values


def escapes(interval, results):
    """How many results are outside their interval; NaN results are not spoken about."""
    wide = results.double()
    outside = (wide < interval.low[..., None]) | (wide > interval.high[..., None])
    return int((outside & ~torch.isnan(wide)).sum())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("op", [*UNARY, *POSITIVE])
@given(SCALES, SEEDS)
@settings(max_examples=6, deadline=None)
def test_rules_of_one_argument_hold_the_kernels_results(op, dtype, scale, seed):
    """Executed in its dtype, the kernel never leaves the rule's interval."""
    interval, values = boxes(dtype, scale, seed)
    if op in POSITIVE:
        values = values.abs()
        interval = Interval(values.double().amin(1), values.double().amax(1))
    if op in POSITIVE or op == "reciprocal":
        interval, values = _kept((interval.low > 0) | (interval.high < 0), interval, values)
    kernel = {**UNARY, **POSITIVE}[op]
    found = RULES[op](Rounding(dtype), interval)
    assert 0 == escapes(_full(found, len(values)), kernel(values))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("op", list(BINARY))
@given(SCALES, SCALES, SEEDS)
@settings(max_examples=6, deadline=None)
def test_rules_of_two_arguments_hold_the_kernels_results(op, dtype, first, second, seed):
    """The same for two arguments, of different magnitudes."""
    a, x = boxes(dtype, first, seed)
    b, y = boxes(dtype, second, seed + 1)
    if op == "div":
        nonzero = (b.low > 0) | (b.high < 0)
        (a, x), (b, y) = _kept(nonzero, a, x), _kept(nonzero, b, y)
    found = RULES[op](Rounding(dtype), a, b)
    assert 0 == escapes(found, BINARY[op](x, y))


def _kept(cases, interval, values):
    return Interval(interval.low[cases], interval.high[cases]), values[cases]


def _full(interval, count):
    return Interval(interval.low.expand(count), interval.high.expand(count))


@pytest.mark.parametrize(
    ("op", "low"),
    [("reciprocal", -1.0), ("log", 0.0), ("log1p", -1.0), ("rsqrt", 0.0), ("sqrt", -0.1)],
)
def test_outside_its_domain_a_kernel_has_no_rule(op, low):
    """What may be NaN or infinite is not enclosed by anything."""
    assert RULES[op](Rounding(), Interval.of(low, 1.0)) is None
    assert RULES["div"](Rounding(), Interval.of(1.0, 1.0), Interval.of(0.0, 1.0)) is None


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(SCALES, SEEDS, st.integers(1, 40))
@settings(max_examples=10, deadline=None)
def test_sums_and_products_of_matrices_hold_any_order(dtype, scale, seed, terms):
    """Whatever order the kernel adds in, the result is inside."""
    pairs = [boxes(dtype, scale, seed + i, 16, 8) for i in range(2 * terms)]
    intervals = [p[0] for p in pairs]
    values = torch.stack([p[1] for p in pairs])
    left, right = values[::2], values[1::2]
    found = RULES["dot"](Rounding(dtype), *intervals)
    exact = torch.einsum("nbp,nbp->bp", left, right)
    assert 0 == escapes(found, exact)
    total = RULES["sum"](Rounding(dtype), *intervals)
    assert 0 == escapes(total, values.sum(0))
    length = RULES["norm"](Rounding(dtype), *intervals, 2.0)
    assert 0 == escapes(length, torch.linalg.vector_norm(values, dim=0))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(SCALES, SEEDS, st.integers(2, 6))
@settings(max_examples=10, deadline=None)
def test_softmax_holds(dtype, scale, seed, size):
    """Every member of a softmax is inside its interval."""
    pairs = [boxes(dtype, scale, seed + i, 24, 16) for i in range(size)]
    values = torch.softmax(torch.stack([p[1] for p in pairs]), 0)
    for member in range(size):
        found = RULES["softmax"](Rounding(dtype), *(p[0] for p in pairs), member)
        assert 0 == escapes(found, values[member])


@given(SCALES, SEEDS)
@settings(max_examples=20, deadline=None)
def test_exact_semantics_hold_higher_precision(scale, seed):
    """Outward rounding in exact reals holds what longer arithmetic gives."""
    a, x = boxes(torch.float32, scale, seed)
    b, y = boxes(torch.float32, scale, seed + 1)
    for op in ("add", "mul", "sub"):
        found = RULES[op](Rounding(), a, b)
        assert 0 == escapes(found, BINARY[op](x.double(), y.double()))
    for op in ("sigmoid", "tanh", "sin", "cos", "exp"):
        found = RULES[op](Rounding(), a)
        assert 0 == escapes(found, UNARY[op](x.double()))


def test_the_accuracy_axiom_holds_near_zero():
    """float32's sigmoid flushes to 0 where σ is 2.2e−39: a relative error alone does not hold it."""
    at = torch.full((16,), -89.0)
    exact = Interval(at.double(), at.double())
    assert 0 < torch.sigmoid(at.double()).max() < 1e-38
    assert 0 == escapes(
        RULES["sigmoid"](Rounding(torch.float32), exact), torch.sigmoid(at)[:, None]
    )


COMPOSED = {
    "silu": F.silu,
    "elu": F.elu,
    "softplus": F.softplus,
    "steep softplus": lambda x: F.softplus(x, beta=3.0),
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": F.hardtanh,
    "leaky relu": F.leaky_relu,
    "fourth power": lambda x: torch.tanh(x) ** 4,
    "third power": lambda x: torch.tanh(x) ** 3,
    "gelu": F.gelu,
    "clamp": lambda x: x.clamp(-0.5, 2),
    "mean": lambda x: x - x.mean(-1, keepdim=True),
    "rms": lambda x: x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-3),
    "softmax": lambda x: x.softmax(-1).cumsum(-1),
    "swap": lambda x: torch.where(x > 0.1, x.flip(-1), -x),
    "addcmul": lambda x: torch.addcmul(x, x.roll(1, -1), x.flip(-1), value=0.5),
}


class _Memory(NamedTuple):
    hidden: torch.Tensor


class Elementwise:
    """A cell whose step is one function of its state of four scalars."""

    input_size = 1

    def __init__(self, function, dtype):
        self.function, self.dtype = function, dtype

    def initial_state(self, *batch):
        return _Memory(torch.zeros(*batch, 4, dtype=self.dtype))

    def step(self, _, state):
        return _Memory(self.function(state.hidden))


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
@pytest.mark.parametrize("name", COMPOSED)
@given(st.sampled_from((1e-6, 0.1, 1.0, 3.0, 30.0)), SEEDS)
@settings(max_examples=4, deadline=None)
def test_composed_operations_hold_the_kernels_results(name, dtype, scale, seed):
    """Operators that are lowered to several expressions are enclosed as the kernel computes them."""
    lowered = lower(trace_step(Elementwise(COMPOSED[name], dtype)).forward)
    pairs = [boxes(dtype, scale, seed + i, 24, 12) for i in range(4)]
    results = COMPOSED[name](torch.stack([p[1] for p in pairs], -1))
    known = {lowered.arena.leaf("state", "state", i): p[0] for i, p in enumerate(pairs)}
    domain = Intervals(lowered.arena, Rounding(dtype), known)
    for i, place in enumerate(lowered.outputs[0].tolist()):
        assert 0 == escapes(_full(domain.at(place), 24), results[..., i])
    assert [] == lowered.arena.unknown(lowered.outputs[0].tolist())
    assert (name == "steep softplus") == bool(domain.unproved)


# ---- whole steps --------------------------------------------------------------------------------

FUZZED = (
    "gato",
    "gru",
    "lstm",
    "janet",
    "rhn",
    "mogrifier-lstm",
    "ur-gru",
    "om-lstm",
    "rru",
    "g-lstm",
)


@pytest.mark.parametrize("name", FUZZED)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_no_step_escapes_in_a_hundred_thousand_evaluations(name, dtype):
    """Random weights and boxes of (x, h); steps of points inside, as executed in batch, stay inside."""
    torch.manual_seed(len(name))
    cell = cells.get(name)(2, 4).to(dtype)
    trace = trace_step(cell)
    lowered = lower(trace.forward)
    count, draws, cases, per_box = trace.layout.size, 5, 100, 10
    assert 100_000 <= draws * cases * per_box * len(FUZZED) * 2
    escaped = 0
    for draw in range(draws):
        with torch.no_grad():
            for p in cell.parameters():
                p.copy_(torch.randn_like(p) * 10.0 ** (draw - 2))
        known = {}
        for port, weight in zip(trace.forward.inputs, trace.weights, strict=False):
            for i, value in enumerate(weight.double().reshape(-1)):
                known[lowered.arena.leaf(port.role, port.name, i)] = Interval(value, value)
        radius = 10.0 ** -torch.randint(0, 9, (cases, 1, 1)).double()
        radius[::3] = 0
        center = torch.randn(cases, 1, 2 + count, dtype=torch.float64)
        share = 2 * torch.rand(cases, per_box, 2 + count, dtype=torch.float64) - 1
        points = (center + share * radius).to(dtype)
        ends = points.double().amin(1), points.double().amax(1)
        for i in range(2):
            known[lowered.arena.leaf("input", "x", i)] = Interval(ends[0][:, i], ends[1][:, i])
        for i in range(count):
            at = Interval(ends[0][:, 2 + i], ends[1][:, 2 + i])
            known[lowered.arena.leaf("state", "state", i)] = at
        for port, tensor in zip(trace.forward.inputs[-1:], trace.initial[2:], strict=False):
            for i, value in enumerate(tensor.double().reshape(-1)):
                known[lowered.arena.leaf(port.role, port.name, i)] = Interval(value, value)
        domain = Intervals(lowered.arena, Rounding(dtype), known)
        flat = points.reshape(-1, 2 + count)
        like = cell.initial_state(len(flat))
        state = trace.layout.unravel(flat[:, 2:], like)
        with torch.no_grad():
            new = trace.layout.ravel(cell.step(flat[:, :2], state)).reshape(cases, per_box, count)
        for i, place in enumerate(lowered.outputs[0].reshape(-1).tolist()):
            found = domain.at(place)
            low, high = (end.expand(cases) for end in (found.low, found.high))
            escaped += escapes(Interval(low, high), new[:, :, i])
    assert 0 == escaped


# ---- what a dtype's own numbers give ---------------------------------------------------------------


def gate_step(lam: float):
    """λ·σ(a)·h + tanh(b) as expressions: the new scalar and the old leaf."""
    arena = Expressions()
    h, a, b = (
        arena.leaf("state", "state", 0),
        arena.leaf("input", "x", 0),
        arena.leaf("input", "x", 1),
    )
    gate = arena.apply("mul", arena.apply("sigmoid", a), arena.literal(lam))
    new = arena.apply("add", arena.apply("mul", gate, h), arena.apply("tanh", b))
    return arena, new, h


@pytest.mark.parametrize("lam", [0.5, 0.7, 0.9, 0.95])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_rounded_radius_is_where_saturation_settles(lam, dtype):
    """The least radius that intervals prove is the limit of the saturated step, executed from zero."""
    arena, new, old = gate_step(lam)
    found = rounded_radius(arena, [new], [old], dtype)
    h, one = torch.zeros(8, dtype=dtype), torch.ones(8, dtype=dtype)
    for _ in range(2000):
        h = one * lam * h + one
    assert h[0].double().item() == found.radius
    assert found.tight


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_convex_combination_stays_within_one(dtype):
    """z·h + (1 − z)·n never leaves [−1, 1], also when rounded: proved by the rule for 1 − z."""
    arena = Expressions()
    h, a, b = (
        arena.leaf("state", "state", 0),
        arena.leaf("input", "x", 0),
        arena.leaf("input", "x", 1),
    )
    z = arena.apply("sigmoid", a)
    rest = arena.apply("sub", arena.literal(1.0), z)
    new = arena.apply(
        "add", arena.apply("mul", z, h), arena.apply("mul", arena.apply("tanh", b), rest)
    )
    assert 1.0 == rounded_radius(arena, [new], [h], dtype, [1.0]).radius


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_the_lemma_behind_the_rule(dtype):
    """fl(z + fl(1 − z)) is 1 for every number z of the format in [0, 1]."""
    z = every_value(dtype)
    z = z[(z >= 0) & (z <= 1)]
    assert bool((z + (1 - z) == 1).all())


@given(st.integers(1, 127), st.integers(-5, 7), st.sampled_from(DTYPES))
@settings(max_examples=60, deadline=None)
def test_the_rule_uses_the_next_power_of_two(digits, exponent, dtype):
    """The bound of a convex combination is the least power of two above its members."""
    size = digits * 2.0**exponent
    arena = Expressions()
    z, a, b = (arena.leaf("input", "x", i) for i in range(3))
    rest = arena.apply("sub", arena.literal(1.0), z)
    new = arena.apply("add", arena.apply("mul", z, a), arena.apply("mul", rest, b))
    known = {z: Interval.of(0.0, 1.0), a: Interval.of(-size, size), b: Interval.of(-1.0, 1.0)}
    found = Intervals(arena, Rounding(dtype), known).at(new)
    power = 2.0 ** math.ceil(math.log2(max(size, 1.0)))
    assert max(size, 1.0) <= found.high <= power


def test_what_has_no_rule_is_listed_and_bounded_by_nothing():
    """An unknown operation and a logarithm of a possibly negative number are not proved about."""
    arena = Expressions()
    h = arena.leaf("state", "state", 0)
    for place in (arena.apply("unknown", h, data=("bessel", 0)), arena.apply("log", h)):
        domain = Intervals(arena, Rounding(), {h: Interval.of(-1.0, 1.0)})
        assert math.isinf(domain.at(place).high)
        assert 1 == len(domain.unproved)
    assert rounded_radius(arena, [place], [h], torch.float32).radius is None


def test_a_dtype_without_a_format_is_refused():
    """The message lists the formats."""
    with pytest.raises(ValueError, match=r"expected one of torch.float64.* got torch.int8"):
        Rounding(torch.int8)
    with pytest.raises(ValueError, match=r"16-bit floating-point dtype, got torch\.float32"):
        every_value(torch.float32)


# ---- enumeration ----------------------------------------------------------------------------------


def test_arguments_that_share_a_base_are_entangled():
    """σ(a), σ(−a) and σ(β − a) read a; one gate read once does not need enumerating."""
    arena = Expressions()
    a, h = arena.leaf("input", "x", 0), arena.leaf("state", "state", 0)
    shifted = arena.apply("sub", arena.literal(1.0), arena.apply("neg", a))
    assert a == base(arena, shifted)
    v, w = arena.apply("sigmoid", a), arena.apply("sigmoid", shifted)
    assert [] == entangled(arena, [arena.apply("mul", v, h)])
    assert [a] == entangled(arena, [arena.apply("add", arena.apply("mul", v, h), w)])
    twice = arena.apply("add", arena.apply("mul", v, h), arena.apply("sub", arena.literal(1.0), v))
    assert [a] == entangled(arena, [twice])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_executed_gates_are_the_kernels_own(dtype):
    """The table holds what the kernels return for every value of the argument."""
    arena = Expressions()
    a = arena.leaf("input", "x", 0)
    v, w = arena.apply("sigmoid", a), arena.apply("sigmoid", arena.apply("neg", a))
    root = arena.apply("add", v, w)
    table = executed(arena, a, [root], dtype)
    values = every_value(dtype)
    for place, expected in ((v, torch.sigmoid(values)), (w, torch.sigmoid(-values))):
        assert bool((table[place].low <= expected.double()).all())
        assert bool((table[place].high >= expected.double()).all())


@pytest.mark.parametrize("name", ["gru", "brhn", "mogrifier-lstm"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_enumeration_decides_what_intervals_cannot(name, dtype):
    """σ(a)·h + σ(−a)·n stays within 1 in 16 bits; intervals alone find no radius."""
    cell = cells.get(name)(2, 2)
    trace = trace_step(cell)
    lowered = lower(trace.forward)
    new = lowered.outputs[0].reshape(-1).tolist()
    old = [lowered.arena.leaf("state", "state", i) for i in range(trace.layout.size)]
    found = rounded_radius(lowered.arena, new, old, dtype, [1.0])
    assert ("enumeration", 1.0) == (found.method, found.radius)
    assert rounded_radius(lowered.arena, new, old, torch.float32, [1.0]).radius is None


# ---- sums in an unknown order ------------------------------------------------------------------------


def summed(terms, dtype, pairwise):
    """The sum of numbers of ``dtype``, rounded at every addition, one after another or in pairs."""
    terms = [t.to(dtype) for t in terms]
    while len(terms) > 1:
        head = terms[0] + terms[1]
        terms = [*terms[2:], head] if pairwise else [head, *terms[2:]]
    return terms[0].double()


@pytest.mark.parametrize("dtype", DTYPES)
@given(SEEDS, st.sampled_from((1e-6, 1.0, 30.0)), st.integers(1, 120), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_sum_lies_within_its_spread_in_every_order(dtype, seed, scale, count, pairwise):
    """Terms of either sign, shuffled, one by one or in pairs: the ends hold what any order gives."""
    generator = torch.Generator().manual_seed(seed)
    terms = (torch.randn(count, generator=generator) * scale).to(dtype)
    order = terms[torch.randperm(count, generator=generator)]
    exact = list(terms.double())
    low, high = Rounding(dtype).spread(exact, exact)
    assert low <= summed(order, dtype, pairwise) <= high


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_spread_holds_what_ties_swallow(dtype):
    """Half a unit in the last place, added to 1 again and again, is rounded away every time."""
    half = torch.finfo(dtype).eps / 2
    for count in (2, 64, 128) if dtype in (torch.bfloat16, torch.float16) else (2, 64):
        terms = [torch.tensor(v, dtype=torch.float64) for v in [1.0, *[half] * (count - 1)]]
        low, high = Rounding(dtype).spread(terms, terms)
        assert 1.0 == summed(terms, dtype, pairwise=False)
        assert low <= 1.0
        assert high >= 1.0 + (count - 1) * half


@pytest.mark.parametrize(("dtype", "count"), [(torch.bfloat16, 254), (torch.float16, 2046)])
def test_a_sum_of_too_many_terms_may_be_any_number(dtype, count):
    """From there on the usual bound of a sum's error has a denominator that is not positive."""
    one = torch.ones((), dtype=torch.float64)
    for terms in ([one] * count, [one] * (2 * count)):
        assert (-math.inf, math.inf) == Rounding(dtype).spread(terms, terms)
    fewer = [one] * (count // 2)
    low, high = Rounding(dtype).spread(fewer, fewer)
    assert math.isfinite(low)
    assert low <= summed(fewer, dtype, pairwise=False) <= high
