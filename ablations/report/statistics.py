"""The statistics of a comparison over few seeds, each against a closed form in the tests.

Sources: Efron 1987 (BCa), Holm 1979, Fisher's exact sign-flip test; what intervals cover at these sizes is
in the design notes: below 5 values an interval is a range and says so, below 6 no p of 0.05 is possible.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

ALPHA = 0.05
POWER = 0.8
_DRAWS = 10_000
_EXACT = 20
_SMALLEST, _BOOTSTRAP = 5, 10

Kind = Literal["t", "BCa", "percentile", "range", "none"]
Values = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Interval:
    """``kind``: "t", "BCa" or "percentile" at 95%, or "range", which is none; "none": no values."""

    low: float
    high: float
    kind: Kind

    @property
    def confident(self) -> bool:
        """Whether a conclusion may rest on it."""
        return self.kind in ("t", "BCa", "percentile")


@dataclass(frozen=True)
class Paired:
    """Variant less baseline over the seeds that both have.

    ``n``: how many; ``p``: two-sided, sign flips; ``rho``: the correlation, which is what pairing gained;
    ``detectable``: the smallest difference seen at 80% power.
    """

    n: int
    difference: float
    interval: Interval
    p: float
    rho: float
    detectable: float


def interval(values: Values) -> Interval:
    """Of the mean: t below 10 values, BCa from 10 (t where it degenerates), the range below 5."""
    data = np.asarray(values, dtype=np.float64)
    n = len(data)
    if n == 0:
        return Interval(math.nan, math.nan, "none")
    if n < _SMALLEST:
        return Interval(float(data.min()), float(data.max()), "range")
    if n >= _BOOTSTRAP:
        low, high = _bca(data)
        if math.isfinite(low) and math.isfinite(high):
            return Interval(low, high, "BCa")
    half = float(stats.t.ppf(1 - ALPHA / 2, n - 1) * data.std(ddof=1) / math.sqrt(n))
    return Interval(float(data.mean()) - half, float(data.mean()) + half, "t")


def _bca(data: np.ndarray) -> tuple[float, float]:
    if np.ptp(data) == 0:
        return math.nan, math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degenerate data: NaN is the answer that is looked at
        result = stats.bootstrap(
            (data,), np.mean, n_resamples=_DRAWS, confidence_level=1 - ALPHA, method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
    return float(result.low), float(result.high)


def paired(variant: Sequence[float], baseline: Sequence[float]) -> Paired:
    """Compare two equally long sequences, seed by seed; all values finite."""
    a, b = np.asarray(variant, np.float64), np.asarray(baseline, np.float64)
    d = a - b
    n = len(d)
    constant = n < 2 or np.ptp(a) == 0 or np.ptp(b) == 0
    rho = math.nan if constant else float(np.corrcoef(a, b)[0, 1])
    return Paired(
        n, float(d.mean()) if n else math.nan, interval(d), sign_flip(d), rho, detectable(d)
    )


def sign_flip(differences: Values) -> float:
    """Two-sided p of a mean difference of 0: the share of sign patterns with a mean at least as far from 0.

    All 2ⁿ patterns up to n = 20, beyond that 10,000 drawn ones (fixed generator) and the observed one.
    """
    d = np.asarray(differences, np.float64)
    n = len(d)
    if n == 0:
        return math.nan
    seen = abs(d.sum()) * (1 - 1e-12)  # patterns that tie but for rounding count
    if n <= _EXACT:
        sums = np.zeros(1)
        for value in d:
            sums = np.concatenate((sums + value, sums - value))
        return float(np.mean(np.abs(sums) >= seen))
    signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(_DRAWS, n))
    return float((np.sum(np.abs(signs @ d) >= seen) + 1) / (_DRAWS + 1))


def detectable(differences: Values) -> float:
    """The smallest mean difference that a two-sided paired t-test at 5% finds with power 80%."""
    d = np.asarray(differences, np.float64)
    n = len(d)
    if n < 2:
        return math.nan
    limit = stats.t.ppf(1 - ALPHA / 2, n - 1)
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        power = stats.nct.sf(limit, n - 1, middle) + stats.nct.cdf(-limit, n - 1, middle)
        # far out the tail underflows to NaN, where the power is 1
        low, high = (middle, high) if power < POWER else (low, middle)
    return float(high * d.std(ddof=1) / math.sqrt(n))


def improvement(variant: Sequence[float], baseline: Sequence[float], better: str) -> float:
    """The probability that a run of ``variant`` scores better than one of ``baseline``; ties count half.

    A diverged run (not finite) is worse than any number and ties with another one.
    """
    sign = 1.0 if better == "higher" else -1.0
    ranks = [
        [sign * v if math.isfinite(v) else -math.inf for v in one] for one in (variant, baseline)
    ]
    pairs = list(itertools.product(*ranks))
    if not pairs:
        return math.nan
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given; NaN stays and is not counted."""
    order = sorted((p, k) for k, p in enumerate(values) if not math.isnan(p))
    adjusted = [math.nan] * len(values)
    running = 0.0
    for place, (p, k) in enumerate(order):
        running = max(running, min(1.0, p * (len(order) - place)))
        adjusted[k] = running
    return adjusted
