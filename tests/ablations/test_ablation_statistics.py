"""Statistics against closed forms and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablations.report.across import iqm, stratified
from ablations.report.agreement import agreements, tau
from ablations.report.published import Comparison
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


strata = st.lists(st.lists(numbers, min_size=1, max_size=9), min_size=1, max_size=4)


@given(strata)
def test_the_interquartile_mean_is_of_the_middle_half(scores):
    """Sorted, a quarter of the runs cut at either end, rounded down; and as scipy has it."""
    values = sorted(itertools.chain(*scores))
    cut = len(values) // 4
    assert iqm(scores) == pytest.approx(np.mean(values[cut : len(values) - cut]))
    assert iqm(scores) == pytest.approx(stats.trim_mean(values, 0.25))


@given(strata, st.randoms())
def test_the_interquartile_mean_does_not_know_the_order(scores, draw):
    """Of tasks, or of runs within one."""
    shuffled = [draw.sample(one, len(one)) for one in draw.sample(scores, len(scores))]
    assert iqm(shuffled) == pytest.approx(iqm(scores))


def test_a_diverged_run_is_worst_of_all_tasks():
    """Cut off with the lowest quarter, or else it is the answer."""
    assert iqm([[1.0, -math.inf], [1.0, 1.0]]) == 1.0
    assert iqm([[-math.inf, -math.inf], [1.0, 1.0]]) == -math.inf
    found = stratified([[-math.inf, 1.0, 1.0], [1.0, 1.0, 1.0]])
    assert (found.low, found.high) == (-math.inf, 1.0)


def test_runs_are_drawn_within_their_task():
    """Tasks far apart, no spread within: drawing across tasks would vary, drawing within cannot."""
    found = stratified([[0.0] * 6, [1.0] * 6])
    assert (found.low, found.high, found.kind) == (0.5, 0.5, "percentile")
    scores = np.random.default_rng(2).normal(size=(3, 6))
    assert stratified(scores) == stratified(scores)
    assert stratified(scores).low < iqm(scores) < stratified(scores).high


def test_the_stratified_interval_covers():
    """Of 150 studies of three tasks with eight seeds: near 95 in 100, as far as percentiles go."""
    draws = np.random.default_rng(5).normal(0.0, 1.0, (150, 3, 8))
    hits = sum(one.low <= 0.0 <= one.high for one in map(stratified, draws))
    assert 0.87 <= hits / 150 <= 0.99


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=8))
def test_tau_counts_pairs(rows):
    """Concordant less discordant over the root of the pairs that are untied on either side."""
    ours, printed = (list(map(float, side)) for side in zip(*rows, strict=True))
    found = tau(ours, printed)
    pairs = list(itertools.combinations(rows, 2))
    score = sum(np.sign((a[0] - b[0]) * (a[1] - b[1])) for a, b in pairs)
    untied = [sum(a[side] != b[side] for a, b in pairs) for side in (0, 1)]
    if 0 in untied:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(score / math.sqrt(untied[0] * untied[1]))
        assert found == pytest.approx(stats.kendalltau(ours, printed).statistic)


def test_two_rows_have_no_tau():
    """They are in order or not, which the sign says."""
    assert math.isnan(tau([1.0, 2.0], [1.0, 2.0]))


def printed(variant, value, ours, column="Nottingham"):
    """A published row beside ours."""
    return Comparison(variant, column, "table 2", value, "", variant, ours, "protocol differs")


def test_signs_are_those_of_effects():
    """Against the baseline's own row; printed ties have no sign, rows without our number do not count."""
    rows = [
        printed("baseline", 2.92, 3.5), printed("a", 2.92, 3.6), printed("b", 2.97, 3.4),
        printed("c", 3.07, 3.7), printed("d", 3.56, 4.0), printed("e", 2.96, math.nan),
        printed("baseline", 7.7, 8.0, "JSB"), printed("f", 2.0, 3.5), printed("g", math.nan, 3.0),
    ]  # fmt: skip
    (one,) = agreements(rows, "baseline")
    assert (one.table, one.column, one.rows) == ("table 2", "Nottingham", 6)
    assert (one.effects, one.same, one.flat) == (4, 2, 1)  # b the other way, f not at all
    assert one.tau == pytest.approx(
        stats.kendalltau([3.5, 3.6, 3.4, 3.7, 4.0, 3.5], [2.92, 2.92, 2.97, 3.07, 3.56, 2.0])[0]
    )
    (alone,) = agreements(rows, "another")
    assert (alone.effects, alone.same, alone.flat) == (0, 0, 0)
    assert agreements(rows[1:3], "baseline") == []
