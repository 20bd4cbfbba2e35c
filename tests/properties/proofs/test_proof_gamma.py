"""γ: bounded, not saturating, of bounded slope: proved, refuted, or left to the search."""

from __future__ import annotations

import math
import operator
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.proofs import balls, periods, rational
from properties.proofs.expression import Expressions
from properties.proofs.gamma import flat_window, prove_gamma, scalar_map
from properties.proofs.gamma_rules import WholeLine
from properties.proofs.ranges import KERNELS, LINE, Range, logaddexp, maximum, minimum
from properties.proofs.result import AUTOGRAD, EXACT

YES, NO, OPEN = "proved", "refuted-abstract", "inconclusive"

GAMMAS = {
    # bounded by 1, not saturating with L = 2π and δ = 0.1, slope bounded by 1
    "cos": (torch.cos, (YES, YES, YES)),
    "sin": (torch.sin, (YES, YES, YES)),
    "cos/2 + sin(2h)/4": (lambda h: 0.5 * torch.cos(h) + 0.25 * torch.sin(2 * h), (YES, YES, YES)),
    "sin squared": (lambda h: torch.sin(h) ** 2, (YES, YES, OPEN)),
    "tanh": (torch.tanh, (YES, NO, YES)),
    "sigmoid": (torch.sigmoid, (YES, NO, YES)),
    "cos(tanh)": (lambda h: torch.cos(torch.tanh(h)), (YES, NO, YES)),
    "relu": (torch.relu, (NO, NO, YES)),
    "softplus": (F.softplus, (NO, NO, YES)),
    "leaky relu": (F.leaky_relu, (NO, NO, YES)),
    "silu": (F.silu, (NO, NO, NO)),
    "identity": (lambda h: h, (NO, YES, YES)),
    "h/2 + sin(2h)/4": (lambda h: h / 2 + torch.sin(2 * h) / 4, (NO, YES, YES)),
    "sin(h²)": (lambda h: torch.sin(h * h), (YES, OPEN, NO)),
    "sin(log(1 + h²))": (lambda h: torch.sin(torch.log(1 + h * h)), (YES, NO, OPEN)),
    "softsign": (lambda h: h / (1 + h.abs()), (OPEN, NO, OPEN)),
    "sin·σ": (lambda h: torch.sin(h) * torch.sigmoid(20 - h.abs()), (YES, NO, OPEN)),
    "cos(30h)": (lambda h: torch.cos(30 * h), (YES, YES, NO)),
    "cos(0.01h)": (lambda h: torch.cos(0.01 * h), (YES, NO, YES)),
    "hard tanh": (F.hardtanh, (YES, NO, YES)),
    "erf": (torch.erf, (YES, NO, NO)),
    "i0e": (torch.special.i0e, (OPEN, OPEN, OPEN)),
}


@pytest.mark.parametrize("name", GAMMAS)
def test_the_table_of_nonlinearities(name):
    """Each γ against K = 1, (L, δ) = (2π, 0.1) and K′ = 1."""
    function, expected = GAMMAS[name]
    proofs = prove_gamma(scalar_map(function), 1.0, (2 * math.pi, 0.1), 1.0)
    found = (proofs.bounded, proofs.non_saturating, proofs.bounded_gradient)
    assert expected == tuple(p.status for p in found), [p.reason for p in found]
    assert (EXACT, AUTOGRAD, AUTOGRAD) == tuple(p.semantics for p in found)
    assert all(p.reason for p in found if p.status != YES)


@pytest.mark.parametrize(
    ("name", "bound", "slope"),
    [
        ("cos", "1", "1"),
        ("cos/2 + sin(2h)/4", "3/4", "1"),
        ("tanh", "1", "1"),
        ("sigmoid", "1", "1/4"),
        ("sin squared", "1", "2"),
    ],
)
def test_bounds_are_exact_fractions(name, bound, slope):
    """What is proved of K and K′ is a fraction; tanh′ = 1 − tanh² is at most 1, σ′ at most a quarter."""
    proofs = prove_gamma(scalar_map(GAMMAS[name][0]))
    assert (bound, slope) == (proofs.bounded.bound, proofs.bounded_gradient.bound)


@pytest.mark.parametrize("name", [n for n, (_, s) in GAMMAS.items() if NO in (s[0], s[2])])
def test_a_refuted_bound_has_a_point_where_the_function_exceeds_it(name):
    """The witness is replayed in float64 on the function itself."""
    function = GAMMAS[name][0]
    proofs = prove_gamma(scalar_map(function), 1.0, None, 1.0)
    if proofs.bounded.status == NO:
        at = torch.tensor([proofs.bounded.witness], dtype=torch.float64)
        assert 1 < function(at).abs().item()
    if proofs.bounded_gradient.status == NO:
        at = torch.tensor(
            [proofs.bounded_gradient.witness], dtype=torch.float64, requires_grad=True
        )
        assert 1 < torch.autograd.grad(function(at).sum(), at)[0].abs().item()


@pytest.mark.parametrize("name", [n for n, (_, s) in GAMMAS.items() if s[1] == NO])
def test_a_flat_window_is_flat_where_it_is_sampled(name):
    """The window that refutes is at least as long as L, and |γ′| < δ at 1,001 points of it."""
    function = GAMMAS[name][0]
    proof = prove_gamma(scalar_map(function)).non_saturating
    low, high = proof.window
    assert 2 * math.pi <= high - low
    at = torch.linspace(low, high, 1001, dtype=torch.float64, requires_grad=True)
    assert 0.1 > torch.autograd.grad(function(at).sum(), at)[0].abs().max()


def test_a_flat_window_is_found_on_either_tail():
    """Relu is flat on the left, its mirror image on the right."""
    assert 0 > flat_window(scalar_map(torch.relu), 1.0, 0.1)[0]
    assert 0 < flat_window(scalar_map(lambda h: torch.relu(-h)), 1.0, 0.1)[0]


def test_a_window_shorter_than_the_period_is_not_proved_by_it():
    """Cosine with L = 1: the window around π is too flat for δ = 0.9."""
    proof = prove_gamma(scalar_map(torch.cos), None, (1.0, 0.9)).non_saturating
    assert YES != proof.status
    assert YES == prove_gamma(scalar_map(torch.cos), None, (6.3, 0.9)).non_saturating.status


def test_two_pi_as_a_double_is_shorter_than_the_period():
    """The claim's L is below 2π by 2e−16, and is proved by a stretch of the period all the same."""
    proof = prove_gamma(scalar_map(torch.cos), None, (2 * math.pi, 0.99)).non_saturating
    assert (YES, "period", "1") == (proof.status, proof.method, proof.period)
    assert 0.99 <= abs(math.sin(proof.witness))


def test_an_impossible_window_is_refused():
    """The message says what a window is."""
    with pytest.raises(
        ValueError, match=r"a positive length and a positive slope, got \(0.0, 0.1\)"
    ):
        prove_gamma(scalar_map(torch.cos), None, (0.0, 0.1))


@pytest.mark.parametrize("lam", [float("nan"), float("inf")])
def test_nan_is_never_proved(lam):
    """A constant that is not finite leaves all three open."""
    proofs = prove_gamma(scalar_map(lambda h: torch.cos(h) + lam), 1.0, None, 1.0)
    assert YES != proofs.bounded.status
    tainted = prove_gamma(scalar_map(lambda h: torch.cos(h * lam)), 1.0, None, 1.0)
    assert {OPEN} == {
        tainted.bounded.status,
        tainted.non_saturating.status,
        tainted.bounded_gradient.status,
    }


def test_a_derivative_that_autograd_does_not_give_is_what_is_judged():
    """Detaching γ leaves its values bounded and its gradient zero: it saturates everywhere."""
    proofs = prove_gamma(scalar_map(lambda h: torch.cos(h).detach() + 0 * h), 1.0, None, 1.0)
    assert (YES, NO) == (proofs.bounded_gradient.status, proofs.non_saturating.status)


# ---- ranges ----------------------------------------------------------------------------------------

ENDS = st.fractions(min_value=-40, max_value=40, max_denominator=16)


@st.composite
def ranges(draw):
    """A range with finite or infinite ends, and a point in it."""
    low, high = sorted((draw(ENDS), draw(ENDS)))
    point = low + (high - low) * draw(st.fractions(min_value=0, max_value=1, max_denominator=9))
    kind = draw(st.sampled_from(("both", "low", "high", "line")))
    if kind in ("low", "line"):
        high = math.inf
    if kind in ("high", "line"):
        low = -math.inf
    return Range(low, high), point


@given(ranges(), ranges())
@settings(max_examples=100, deadline=None)
def test_arithmetic_of_ranges_holds_that_of_points(a, b):
    """Sums, products, squares, quotients and extremes of points lie in those of the ranges."""
    (r, x), (q, y) = a, b
    for found, value in (
        (r + q, x + y),
        (r - q, x - y),
        (r * q, x * y),
        (-r, -x),
        (abs(r), abs(x)),
        (r.square(), x * x),
        (r.join(q), x),
        (minimum(r, q), min(x, y)),
        (maximum(r, q), max(x, y)),
    ):
        assert found.low <= value <= found.high
    inverse = r.reciprocal()
    if inverse is not None:
        assert inverse.low <= 1 / x <= inverse.high
    both = logaddexp(r, q)
    assert (
        float(both.low) - 1e-12
        <= torch.logaddexp(*map(_double, (x, y)))
        <= float(both.high) + 1e-12
    )


def _double(value):
    return torch.tensor(float(value), dtype=torch.float64)


@pytest.mark.parametrize("name", sorted(set(KERNELS) - {"reciprocal", "neg", "abs", "relu"}))
@given(ranges())
@settings(max_examples=25, deadline=None)
def test_the_range_of_a_kernel_holds_its_values(name, drawn):
    """Against Arb at 200 bits; outside the domain there is no range."""
    r, x = drawn
    found = KERNELS[name](r)
    if found is None:
        assert r.low <= 0
        return
    rule = {
        "sign": lambda v: arb((v > 0) - (v < 0)),
        "ceil": lambda v: v.ceil(),
        "round": lambda v: arb(round(float(v))),
        "trunc": lambda v: arb(math.trunc(float(v))),
    }.get(name, balls._RULES.get(name))
    with rational.precision(200):
        value = rule(rational.ball(x))
        low, high = value.lower(), value.upper()
        assert not high < _arb(found.low)
        assert not low > _arb(found.high)
        assert value.is_finite()


def _arb(end):
    if isinstance(end, Fraction):
        return rational.ball(end)
    return arb.pos_inf() if end > 0 else arb.neg_inf()


def test_fractions_of_balls_are_rounded_outward():
    """The fractions that stand for e enclose it and differ by less than 2^−60."""
    low, high = rational.exp(Fraction(1))
    assert low < Fraction(math.e) + Fraction(1, 2**52)
    with rational.precision(200):
        assert rational.ball(low) < arb.const_e() < rational.ball(high)
    assert 0 < high - low < Fraction(1, 2**60)
    with pytest.raises(ValueError, match="expected a finite ball"):
        rational.upper(arb.nan())


def test_the_whole_line_knows_squares_and_complements():
    """The domain's own two facts, and that s − s is 0 only where s is bounded."""
    arena = Expressions()
    h = arena.leaf("state", "h", 0)
    t, s = arena.apply("tanh", h), arena.apply("sigmoid", h)
    domain = WholeLine(arena)
    assert Range(0, 1) == domain.at(arena.apply("mul", t, t))
    rest = arena.apply("sub", arena.literal(1.0), s)
    assert Range(0, Fraction(1, 4)) == domain.at(arena.apply("mul", rest, s))
    assert Range(0, 0) == domain.at(arena.apply("sub", s, s))
    assert LINE == domain.at(arena.apply("sub", h, h))
    assert [] == domain.unproved


# ---- periods ------------------------------------------------------------------------------------------


def shape_of(function):
    """The shape of γ as a function of its variable."""
    gamma = scalar_map(function)
    return periods.shape(gamma.arena, gamma.value, gamma.leaf)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (torch.cos, periods.Periodic(Fraction(1))),
        (lambda h: torch.sin(4 * h + 3), periods.Periodic(Fraction(1, 4))),
        (lambda h: torch.sin(2 * h) + torch.cos(3 * h), periods.Periodic(Fraction(1))),
        (lambda h: torch.sin(h / 2) * torch.cos(h / 4), periods.Periodic(Fraction(4))),
        (lambda h: torch.tanh(torch.cos(1 - h)), periods.Periodic(Fraction(1))),
        (lambda h: torch.cos(h + h - 0.5), periods.Periodic(Fraction(1, 2))),
        (lambda h: torch.cos(0.1 * h), periods.Periodic(1 / Fraction(0.1))),
        (lambda h: -(3 * h) - 2, periods.Affine(Fraction(-3))),
        (lambda h: h + torch.cos(h), None),
        (lambda h: torch.cos(h * h), None),
        (lambda h: torch.cos(h).cumsum(0) * h, None),
        (torch.tanh, None),
        (lambda h: torch.special.i0e(torch.cos(h)), None),
    ],
)
def test_periods_are_exact(function, expected):
    """A period is a fraction of 2π; what is not periodic, or may not be a function, has none."""
    assert expected == shape_of(function)


@given(st.integers(1, 6), st.integers(1, 6), st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_a_period_is_one(first, second, at):
    """γ(h + P) is γ(h) within rounding."""

    def function(h):
        return torch.sin(first * h / 2) + torch.tanh(torch.cos(second * h / 4))

    period = float(shape_of(function).turns) * 2 * math.pi
    points = torch.tensor([at, at + period], dtype=torch.float64)
    assert abs(float(function(points).diff())) < 1e-9


# ---- balls ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in GAMMAS if n != "i0e"])
@given(st.floats(-60, 60), st.floats(0, 2))
@settings(max_examples=15, deadline=None)
def test_balls_hold_what_torch_computes(name, center, radius):
    """Over a window, the balls of γ and γ′ hold float64's values up to its rounding."""
    gamma = scalar_map(GAMMAS[name][0])
    points = torch.linspace(center - radius, center + radius, 9, dtype=torch.float64)
    at = points.clone().requires_grad_()
    value = GAMMAS[name][0](at)
    slope = torch.autograd.grad(value.sum(), at)[0]
    window = arb(float(points[0])).union(arb(float(points[-1])))
    for place, results in ((gamma.value, value), (gamma.derivative, slope)):
        found = balls.evaluate(gamma.arena, place, gamma.leaf, window)
        if found.is_finite():
            slack = 1e-9 * (1 + abs(center)) + 3e-9
            inside = arb(float(found.mid()), float(found.rad()) + slack)
            assert all(inside.contains(arb(v)) for v in results.tolist())
        else:
            assert not abs(found) < arb(1e300)


def test_a_ball_of_what_has_no_rule_certifies_nothing():
    """NaN balls are below no level."""
    gamma = scalar_map(torch.special.i0e)
    assert balls.evaluate(gamma.arena, gamma.value, gamma.leaf, arb(1)).is_nan()
    assert not balls.stays_below(gamma.arena, gamma.value, gamma.leaf, (0.0, 1.0), 100.0)


def test_an_undecided_branch_holds_both_sides():
    """Relu over a ball around 0 holds 0 and the positive part."""
    gamma = scalar_map(lambda h: torch.where(h > 0, h, -2 * h))
    found = balls.evaluate(gamma.arena, gamma.value, gamma.leaf, arb(0, 1))
    assert all(found.contains(v) for v in (-1, 0, 1, 2))


@pytest.mark.parametrize("value", [1e-300, 0.5, 1.0, 3.0])
def test_the_sign_of_what_is_not_zero_is_known(value):
    """One ball on either side, zero at zero, everything between −1 and 1 around it."""
    arena = Expressions()
    leaf = arena.leaf("state", "h", 0)
    place = arena.apply("sign", leaf)
    for sign in (-1, 1):
        assert balls.evaluate(arena, place, leaf, arb(sign * value)) == sign
    assert balls.evaluate(arena, place, leaf, arb(0)) == 0
    around = balls.evaluate(arena, place, leaf, arb(0, value))
    assert around.contains(arb(1))
    assert around.contains(arb(-1))


@pytest.mark.parametrize("op", ["gt", "ge", "lt", "le", "eq", "ne"])
@pytest.mark.parametrize("value", [-2.0, -0.5, 0.0, 0.5, 2.0])
def test_a_comparison_of_numbers_is_decided(op, value):
    """Numbers near the seam and on it take the branch that Python takes."""
    arena = Expressions()
    leaf, zero = arena.leaf("state", "h", 0), arena.literal(0.0)
    condition = arena.apply(op, leaf, zero)
    place = arena.apply("where", condition, arena.literal(3.0), arena.literal(5.0))
    taken = 3 if getattr(operator, op)(value, 0.0) else 5
    assert balls.evaluate(arena, place, leaf, arb(value)) == taken
    either = balls.evaluate(arena, place, leaf, arb(0, 0.5))
    assert either.contains(arb(3))
    assert either.contains(arb(5))
