"""One number per variant over all tasks: the interquartile mean of scores between ignorance and the baseline.

Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ablations.report.statistics import ALPHA, Interval
from ablations.report.way import learned

if TYPE_CHECKING:
    from ablations.report.analysis import Row, Section

FEWEST = 12  # runs of a variant over all tasks, below which there is no number
_DRAWS = 10_000
_TRIMMED = 0.25


@dataclass(frozen=True)
class Aggregate:
    """One variant. ``runs``: finite or diverged; ``iqm``: NaN where there are too few of them."""

    variant: str
    runs: int
    iqm: float
    interval: Interval


@dataclass(frozen=True)
class Across:
    """``tasks``: what is averaged; ``left_out``: tasks on which the baseline learned nothing to scale by."""

    tasks: tuple[str, ...]
    left_out: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]


def across(sections: Sequence[Section]) -> Across | None:
    """Every variant over the tasks; None below two tasks, or where no variant has twelve runs."""
    bases = {one.task: _baseline(one) for one in sections}
    used = [
        one
        for one in sections
        if bases[one.task].values and learned(one.about, bases[one.task].mean)
    ]
    if len(used) < 2:
        return None
    aggregates = []
    for place, row in enumerate(used[0].rows):
        scores = [scaled(one, one.rows[place], bases[one.task].mean) for one in used]
        runs = sum(map(len, scores))
        enough = runs >= FEWEST and all(scores)
        aggregates.append(
            Aggregate(row.variant, runs, iqm(scores), stratified(scores))
            if enough
            else Aggregate(row.variant, runs, math.nan, Interval(math.nan, math.nan, "none"))
        )
    if all(math.isnan(one.iqm) for one in aggregates):
        return None
    names = tuple(one.task for one in used)
    return Across(names, tuple(t for t in bases if t not in names), tuple(aggregates))


def _baseline(section: Section) -> Row:
    return next(row for row in section.rows if row.against is None)


def scaled(section: Section, row: Row, reference: float) -> list[float]:
    """0 is ignorance, 1 the baseline's mean; a diverged run is worse than any number."""
    ignorance = float(section.about["ignorance"])
    finite = [(row.values[s] - ignorance) / (reference - ignorance) for s in sorted(row.values)]
    return finite + [-math.inf] * row.diverged


def iqm(scores: Sequence[Sequence[float]]) -> float:
    """The mean of the middle half of all scores; −∞ where a diverged run is among them."""
    return float(stats.trim_mean(np.concatenate([np.asarray(one) for one in scores]), _TRIMMED))


def stratified(scores: Sequence[Sequence[float]]) -> Interval:
    """Percentile bootstrap of :func:`iqm` that draws each task's runs among themselves; fixed generator."""
    generator = np.random.default_rng(0)
    drawn = []
    for one in scores:
        values = np.asarray(one)
        drawn.append(values[generator.integers(len(values), size=(_DRAWS, len(values)))])
    found = stats.trim_mean(np.concatenate(drawn, axis=1), _TRIMMED, axis=1)
    # no interpolation: between −∞ and a number there is none
    low, high = np.quantile(found, (ALPHA / 2, 1 - ALPHA / 2), method="inverted_cdf")
    return Interval(float(low), float(high), "percentile")
