"""The functions that kernels call, against numpy in double precision, over the whole line."""

from __future__ import annotations

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")

from cells.fused import numba_circular, numba_math  # noqa: E402 - it imports numba

WIDE = np.concatenate(
    [np.linspace(-120, 120, 200_001), np.linspace(-800, 800, 20_001), np.linspace(-1, 1, 20_001)]
    + [sign * np.logspace(-30, 2, 5_000) for sign in (-1, 1)]
)
FUNCTIONS = {
    "exp": (numba_math.exp, np.exp),
    "tanh": (numba_math.tanh, np.tanh),
    "sigmoid": (numba_math.sigmoid, lambda x: np.exp(-np.logaddexp(0, -x))),
    "softlog": (numba_math.softlog, lambda x: np.log1p(np.exp(-x))),
    "sign": (numba_math.sign, np.sign),
    "sin": (numba_circular.sin, np.sin),
    "cos": (numba_circular.cos, np.cos),
}


def over(function):
    """``function`` over an array, compiled as kernels are."""

    @numba.njit(fastmath=numba_math.FAST, error_model="numpy")
    def apply(xs, out):
        for k in range(xs.size):
            out[k] = function(xs[k])

    return apply


def values(name, dtype, points):
    """Ours at ``points``, and numpy's in double precision at the same points."""
    ours, theirs = FUNCTIONS[name]
    xs = points.astype(dtype)
    out = np.empty_like(xs)
    over(ours)(xs, out)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return out, theirs(xs.astype(np.longdouble)), xs


@pytest.mark.parametrize(("dtype", "units"), [(np.float32, 4), (np.float64, 4)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_few_units_in_the_last_place(name, dtype, units):
    """Where the result is a normal number; below, the absolute error is that of the smallest one."""
    points = np.abs(WIDE) if name == "softlog" else WIDE
    found, expected, _ = values(name, dtype, points)
    tiny, huge = np.finfo(dtype).tiny, np.finfo(dtype).max
    inside = expected < huge
    assert np.all(np.isinf(found[~inside]))
    gap = np.abs(found[inside] - expected[inside])
    scale = np.maximum(np.abs(expected[inside]), 4 * tiny) * np.finfo(dtype).eps
    # what is denormal may become the smallest normal number, or zero
    assert np.all((gap <= units * scale) | (gap <= 2 * tiny))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_and_infinity(name, dtype):
    """A NaN comes out as one, and infinities give the limits."""
    found, expected, _ = values(name, dtype, np.array([np.nan, np.inf, -np.inf, 0.0]))
    if name == "softlog":  # not asked below 0
        found, expected = found[[0, 1, 3]], expected[[0, 1, 3]]
    np.testing.assert_allclose(found, expected.astype(dtype), rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "exp"])
def test_monotone_enough(name):
    """No jump where one formula ends and the next begins."""
    found, _, xs = values(name, np.float64, np.linspace(-30, 30, 400_001))
    steps = np.diff(found)
    assert np.all(steps >= -8 * np.finfo(np.float64).eps * np.abs(found[1:]))
    assert len(xs) == 400_001


@pytest.mark.parametrize(("dtype", "most"), [(np.float32, 1e6), (np.float64, 1e15)])
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_of_many_turns(name, dtype, most):
    """Half a unit in the last place of 1, and beyond what is promised still between -1 and 1."""
    points = np.concatenate([np.logspace(0, np.log10(most), 20_001), -np.logspace(0, 6, 20_001)])
    found, exact, _ = values(name, dtype, points)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(found, exact.astype(np.float64), rtol=4 * eps, atol=eps / 2)
    beyond, _, _ = values(name, dtype, np.logspace(np.log10(most), 37, 1_001))
    assert np.all(np.abs(beyond) <= 1)
