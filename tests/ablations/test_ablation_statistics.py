"""Statistics against closed forms and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablations.report.statistics import (
    detectable,
    holm,
    improvement,
    interval,
    paired,
    sign_flip,
)

numbers = st.floats(-100, 100).map(lambda x: round(x, 3))


@given(st.lists(numbers, min_size=5, max_size=9))
def test_the_t_interval_is_scipys(values):
    """Below ten values."""
    found = interval(values)
    assert found.kind == "t"
    if np.ptp(values) > 0:
        expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        assert np.allclose((found.low, found.high), expected)


def test_few_values_have_a_range_and_none_have_nothing():
    """Neither is something to conclude from."""
    found = interval([3.0, 1.0, 2.0])
    assert (found.low, found.high, found.kind, found.confident) == (1.0, 3.0, "range", False)
    assert interval([]).kind == "none"


def test_many_values_are_bootstrapped_reproducibly():
    """BCa from ten; t where all are equal."""
    values = np.random.default_rng(1).exponential(size=20)
    one, two = interval(values), interval(values)
    assert one == two
    assert one.kind == "BCa"
    assert values.min() < one.low < values.mean() < one.high < values.max()
    constant = interval([2.0] * 12)
    assert (constant.low, constant.high, constant.kind) == (2.0, 2.0, "t")


def test_the_t_interval_covers():
    """Of 2,000 samples of six normal numbers, 95 in 100 intervals hold the mean (binomial bound)."""
    draws = np.random.default_rng(0).normal(1.0, 2.0, (2000, 6))
    hits = sum(one.low <= 1.0 <= one.high for one in map(interval, draws))
    assert abs(hits / 2000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000)


@given(st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=8))
def test_sign_flips_are_all_counted(values):
    """Against every pattern written out."""
    patterns = itertools.product((1, -1), repeat=len(values))
    sums = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in patterns]
    assert sign_flip(values) == pytest.approx(np.mean([s >= abs(sum(values)) for s in sums]))


@pytest.mark.parametrize(("n", "smallest"), [(3, 0.25), (5, 0.0625), (6, 0.03125), (10, 2 / 1024)])
def test_the_smallest_p_is_that_of_the_number_of_seeds(n, smallest):
    """All differences of one sign: two patterns of 2ⁿ."""
    assert sign_flip(np.arange(1, n + 1)) == smallest


def test_beyond_twenty_values_patterns_are_drawn():
    """From a fixed generator; never zero."""
    values = np.random.default_rng(3).normal(0.0, 1.0, 30)
    assert sign_flip(values) == sign_flip(values) > 0
    assert sign_flip(values + 10) == pytest.approx(1 / 10_001)
    assert abs(sign_flip(values) - stats.ttest_1samp(values, 0).pvalue) < 0.05


@pytest.mark.parametrize("n", [5, 6, 10, 30])
def test_what_is_detectable_has_that_power(n):
    """Simulated: a true difference of that size, in units of its deviation, is found in 80 of 100 studies."""
    sample = np.random.default_rng(n).normal(size=n)
    unit = detectable(sample) / sample.std(ddof=1)
    draws = np.random.default_rng(7).normal(unit, 1.0, (4000, n))
    found = np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05)
    assert abs(found - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 4000)


@given(st.lists(numbers, min_size=1, max_size=7), st.lists(numbers, min_size=1, max_size=7))
def test_improvement_is_mann_whitneys(a, b):
    """U over the product of the sizes; the two directions add up to one."""
    u = stats.mannwhitneyu(a, b, method="asymptotic").statistic / (len(a) * len(b))
    assert improvement(a, b, "higher") == pytest.approx(u)
    assert improvement(a, b, "lower") == pytest.approx(1 - u)


def test_a_diverged_run_is_worst():
    """Whatever the direction; two of them tie."""
    assert improvement([math.nan], [1e9], "lower") == 0.0
    assert improvement([math.nan], [-1e9], "higher") == 0.0
    assert improvement([math.inf, math.nan], [math.nan, math.nan], "lower") == 0.5


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_its_definition(values):
    """The largest over the smaller ones of p times the number of those not smaller, at most 1."""
    order = sorted(range(len(values)), key=lambda k: values[k])
    adjusted = holm(values)
    for place, k in enumerate(order):
        steps = [(len(values) - j) * values[order[j]] for j in range(place + 1)]
        assert adjusted[k] == pytest.approx(min(1.0, max(steps)))


def test_holm_leaves_out_what_is_not_there():
    """The baseline has no p."""
    assert holm([math.nan, 0.01, 0.04])[1:] == pytest.approx([0.02, 0.04])


@given(st.lists(st.tuples(numbers, numbers), min_size=5, max_size=9))
def test_pairing_is_by_seed(pairs):
    """Mean, interval and p are those of the differences; swapping the sides turns the sign."""
    a, b = zip(*pairs, strict=True)
    one, two = paired(a, b), paired(b, a)
    assert one.difference == pytest.approx(np.mean(np.subtract(a, b)))
    assert one.p == two.p
    assert one.interval.low == pytest.approx(-two.interval.high)
