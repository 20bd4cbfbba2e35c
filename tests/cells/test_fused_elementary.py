"""Functions that kernels compose of others: against torch's own over the whole line, and in kernels."""

import math

import pytest
import torch
from fused_models import everything, plenty, start
from hypothesis import given
from hypothesis import strategies as st

import cells
from cells.fused.elementary import (
    arctangent,
    comparison,
    error_function,
    hyperbolic,
    power,
    rounding,
)

torch.set_num_threads(1)

LINE = torch.cat(
    [torch.linspace(-40, 40, 40_001), torch.linspace(-1.2, 1.2, 10_001), torch.tensor([math.nan, 0.0])]
    + [sign * torch.logspace(-300, 300, 6_001, dtype=torch.float64) for sign in (1, -1)]
    + [torch.tensor([math.inf, -math.inf, 1.0, -1.0, 0.5, 1.5, 2.5, -0.5, -1.5])]
).double()  # fmt: skip
DTYPES = (torch.float64, torch.float32)
# ours, torch's, and by how many units in the last place they may differ
CLOSE = {
    "acos": (arctangent.acos, torch.acos, 3),
    "acosh": (hyperbolic.acosh, torch.acosh, 3),
    "asin": (arctangent.asin, torch.asin, 3),
    "asinh": (hyperbolic.asinh, torch.asinh, 3),
    "atan": (arctangent.atan, torch.atan, 2),
    "atanh": (hyperbolic.atanh, torch.atanh, 3),
    "ceil": (rounding.ceil, torch.ceil, 0),
    "cosh": (hyperbolic.cosh, torch.cosh, 4),
    "erf": (error_function.erf, torch.erf, 4),
    "erfc": (error_function.erfc, torch.erfc, 10),
    "exp2": (power.exp2, torch.exp2, 4),
    "log10": (power.log10, torch.log10, 3),
    "log2": (power.log2, torch.log2, 3),
    "power -2.5": (lambda x: power.to_number(x, -2.5), lambda x: x**-2.5, 4),
    "power 17": (lambda x: power.to_number(x, 17), lambda x: x**17, 8),
    "round": (rounding.rounded, torch.round, 0),
    "sinh": (hyperbolic.sinh, torch.sinh, 4),
    "trunc": (rounding.trunc, torch.trunc, 0),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", CLOSE)
def test_a_few_units_in_the_last_place(name, dtype):
    """NaN and infinity where torch's are, at the same points in double precision."""
    ours, theirs, units = CLOSE[name]
    points = LINE.to(dtype)
    if (
        name == "power -2.5"
    ):  # the root of -∞ is no number, and that of -0 is -0; not so in the library
        points = points[points > 0]
    found, exact = ours(points).double(), theirs(points.double())
    largest, tiny = torch.finfo(dtype).max, torch.finfo(dtype).tiny
    assert torch.equal(found.isnan(), exact.isnan())
    infinite = exact.abs() > largest
    assert torch.equal(found[infinite].sign(), exact[infinite].sign())
    assert bool(found[infinite].isinf().all())
    normal = (exact.abs() > 16 * tiny) & ~infinite
    gap = (found - exact).abs()[normal] / exact.abs()[normal] / torch.finfo(dtype).eps
    assert float(gap.max()) <= units
    small = exact.abs() <= 16 * tiny
    assert float((found - exact).abs()[small].max()) <= 16 * tiny if bool(small.any()) else True


def test_powers_by_logarithm():
    """General exponents err by as many units as the logarithm of the result, and signs are torch's."""
    x = torch.cat([torch.linspace(-5, 5, 2_001), torch.logspace(-20, 20, 801)]).double()
    for exponent in (0.3, -0.7, 65.0, 66.0, -80.0, 8.25):
        found, exact = power.to_number(x, exponent), x**exponent
        torch.testing.assert_close(found, exact, rtol=1e-12, atol=0, equal_nan=True)
    base, exponents = torch.meshgrid(
        torch.tensor([-2.5, -1.0, 0.0, 0.5, 1.0, 3.0, math.inf, math.nan], dtype=torch.float64),
        torch.tensor([-3.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 7.5], dtype=torch.float64),
        indexing="ij",
    )
    torch.testing.assert_close(
        power.to_tensor(base, exponents), base**exponents, rtol=1e-13, atol=0, equal_nan=True
    )
    torch.testing.assert_close(power.of_number(2.5, x), 2.5**x, rtol=1e-12, atol=0)
    assert power.of_number(-1.0, x) is NotImplemented


NUMBERS = st.floats(-1e9, 1e9)


@given(NUMBERS, NUMBERS)
def test_of_two_numbers(a, b):
    """Angles, distances, extremes and sums of exponentials of two numbers are torch's."""
    x, y = (torch.tensor([one], dtype=torch.float64) for one in (a, b))
    pairs = [
        (arctangent.atan2, torch.atan2),
        (power.hypot, torch.hypot),
        (comparison.fmax, torch.fmax),
        (comparison.fmin, torch.fmin),
        (power.logaddexp, torch.logaddexp),
        (power.logaddexp2, torch.logaddexp2),
    ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours(x, y), theirs(x, y) + 0.0, rtol=1e-14, atol=1e-300)
    for p in (x > 0, y > 0):
        assert torch.equal(comparison.exclusive(p, x < y), torch.logical_xor(p, x < y))


def test_no_number_among_two():
    """The extremes pass over a NaN; an angle and a distance do not; x·log y is 0 where x is."""
    nan, one, zero = (torch.tensor([v], dtype=torch.float64) for v in (math.nan, 1.0, 0.0))
    assert all(
        float(f(a, b)) == 1
        for f in (comparison.fmax, comparison.fmin)
        for a, b in ((nan, one), (one, nan))
    )
    assert all(
        bool(f(a, b).isnan())
        for f in (arctangent.atan2, power.hypot)
        for a, b in ((nan, one), (one, nan))
    )
    assert float(arctangent.atan2(zero, zero)) == float(power.hypot(zero, zero)) == 0
    assert [float(power.xlogy(zero, zero)), float(power.xlogy(one, zero))] == [0, -math.inf]
    assert bool(power.xlogy(zero, nan).isnan())


def test_inside_of_a_kernel():
    """Outputs and every gradient are the reference's."""
    pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")
    cell = cells.diagonal(inputs=1, weights=1)(plenty)(3, 8).double()
    xs, state = torch.randn(5, 3, 3, dtype=torch.float64), start(cell, 3)
    ours, theirs = (everything(cell, name, xs, state) for name in ("fused", "reference"))
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


def wrapped(states, inputs, *_):
    """A phase, and its remainder in both conventions."""
    phase = inputs[0] + 0 * states[0]
    return torch.remainder(phase, 1.3), torch.fmod(phase, -0.7), phase


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_phase_is_wrapped_exactly(dtype):
    """On multiples and beside them, where a rounded quotient would be on the wrong side."""
    pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")
    cell = cells.diagonal(state=("up", "towards", "phase"), inputs=1)(wrapped)(1, 3, n_b=0).to(
        dtype
    )
    with torch.no_grad():
        cell.affine.weight_ih.fill_(1)
    several = torch.arange(-3_000, 3_000, dtype=dtype)
    phases = torch.cat([several * 1.3, several * 0.7, several * 100.7, 7e3 * several + 0.1])
    _, (last,) = cells.Recurrent(cell, backend="fused")(phases.view(1, -1, 1))
    assert torch.equal(last.phase.flatten(), phases)
    for found, exact in (
        (last.up.flatten(), torch.remainder(phases, 1.3)),
        (last.towards.flatten(), torch.fmod(phases, -0.7)),
    ):
        torch.testing.assert_close(found, exact, rtol=4 * torch.finfo(dtype).eps, atol=0)
