"""The law of growth: what is a line, an exponential or bounded by construction is called so."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from properties.core.growth import growth

STEPS = st.sampled_from([64, 100, 257, 1024, 4096])
SIZES = st.floats(1e-3, 1e3)


def times(steps):
    """1, 2, …, T in float64: the first magnitude is that after the first step."""
    return torch.arange(1, steps + 1, dtype=torch.float64)


@given(steps=STEPS, start=st.floats(0, 50), slope=SIZES)
def test_a_line_is_linear_with_its_slope(steps, start, slope):
    """It is a + b t, as soon as it has left the scale of a."""
    assume(slope * steps > start)
    law = growth(start + slope * times(steps))
    assert "linear" == law.law
    assert slope == pytest.approx(law.slope, rel=1e-6)
    assert start + slope * steps == law.supremum


@given(steps=STEPS, size=SIZES, doublings=st.floats(6, 200))
def test_an_exponential_is_geometric_with_its_rate(steps, size, doublings):
    """a·exp(k t): the slope is k, the gain in log magnitude per step."""
    rate = doublings * math.log(2) / steps
    law = growth(size * torch.exp(rate * times(steps)))
    assert "geometric" == law.law
    assert rate == pytest.approx(law.slope, rel=1e-6)


@given(steps=STEPS, size=SIZES, share=st.floats(0.01, 0.15))
def test_what_settles_is_bounded(steps, size, share):
    """a(1 − exp(−t/τ)), τ a small share of the horizon."""
    law = growth(size * (1 - torch.exp(-times(steps) / (share * steps))))
    assert ("bounded", 0.0) == (law.law, law.slope)


@given(steps=STEPS, size=SIZES, frequency=st.floats(0.3, 3), offset=st.floats(0, 7))
def test_an_oscillation_is_bounded(steps, size, frequency, offset):
    """a|cos(ω t + φ)|, at frequencies that the horizon holds a few periods of."""
    law = growth(size * torch.cos(frequency * times(steps) + offset).abs())
    assert ("bounded", 0.0) == (law.law, law.slope)


@given(steps=STEPS, size=SIZES, rate=st.floats(0, 1))
def test_what_decays_or_stays_is_bounded(steps, size, rate):
    """Monotone decrease, and a constant, whose supremum is their first value."""
    magnitudes = size * torch.exp(-rate * times(steps))
    law = growth(magnitudes)
    assert ("bounded", float(magnitudes[0])) == (law.law, law.supremum)


@given(steps=STEPS, size=SIZES)
def test_a_logarithm_cannot_be_told_from_settling(steps, size):
    """It gains as much in each doubling of the horizon, as slow settling does for a while."""
    assert "bounded" == growth(size * torch.log1p(times(steps))).law


@given(steps=STEPS, size=SIZES, power=st.floats(0.4, 0.7))
@example(steps=1024, size=1.0, power=0.5)
def test_a_root_is_sublinear_with_its_power(steps, size, power):
    """The t^p of a random walk (p = 1/2) and its relatives."""
    law = growth(size * times(steps) ** power)
    assert "sublinear" == law.law
    assert power == pytest.approx(law.slope, abs=0.05)


@given(steps=STEPS, size=SIZES, power=st.floats(1, 2))
def test_no_power_of_time_is_geometric(steps, size, power):
    """Up to the square: an accumulator of an accumulator."""
    assert "linear" == growth(size * times(steps) ** power).law


@given(
    steps=STEPS,
    at=st.floats(0, 1, exclude_max=True),
    value=st.sampled_from([math.inf, math.nan, 1e300]),
)
def test_overflow_is_geometric_without_a_supremum(steps, at, value):
    """A state that stops being a number has outgrown every line."""
    magnitudes = torch.ones(steps, dtype=torch.float64)
    magnitudes[int(at * steps) :] = value
    law = growth(magnitudes)
    assert ("geometric", math.inf) == (law.law, law.supremum)


CURVES = {
    "line": lambda t: 1 + 0.1 * t,
    "exponential": lambda t: torch.exp(20 * t / len(t)),
    "root": torch.sqrt,
    "settles": lambda t: 1 - torch.exp(-20 * t / len(t)),
}


@pytest.mark.parametrize("curve", CURVES)
@given(steps=STEPS, factor=st.floats(1e-6, 1e6))
def test_the_law_does_not_depend_on_the_unit(curve, steps, factor):
    """Scaling all magnitudes scales slope (of a line) and supremum, and leaves the law."""
    magnitudes = CURVES[curve](times(steps))
    one, other = growth(magnitudes), growth(factor * magnitudes)
    assert one.law == other.law
    scale = factor if one.law == "linear" else 1.0
    assert scale * one.slope == pytest.approx(other.slope, rel=1e-6)
    assert factor * one.supremum == pytest.approx(other.supremum, rel=1e-12)


@given(steps=STEPS, size=SIZES, seed=st.integers(0, 2**16))
def test_single_dips_do_not_hide_growth(steps, size, seed):
    """The running maximum counts: zeros strewn over a line leave it a line."""
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(steps, generator=generator) > 0.3
    for place in (steps // 4, steps // 2, 3 * steps // 4, steps):
        kept[place - 1] = True
    assert "linear" == growth(size * times(steps) * kept).law


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_law_needs_eight_steps(steps):
    """Quarters of fewer steps say nothing."""
    with pytest.raises(ValueError, match=rf"at least 8 steps, got {steps}: roll out longer"):
        growth(torch.ones(steps))
