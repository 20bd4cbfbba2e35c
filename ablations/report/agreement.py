"""Whether a study orders a published table as the paper does: Kendall's τ, and the signs of its effects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy import stats

from ablations.report.published import Comparison

_FEWEST = 3  # rows; two are in order or not, which the sign says


@dataclass(frozen=True)
class Agreement:
    """One column of one table.

    ``rows``: those with a number on both sides; ``tau``: Kendall's τ-b over them, NaN below three or
    where a side is constant; ``effects``: rows with another printed value than the baseline's; ``same``: how
    many of them have our sign too; ``flat``: rows printed as the baseline is, which have no sign.
    """

    table: str
    column: str
    rows: int
    tau: float
    effects: int
    same: int
    flat: int


def agreements(published: Iterable[Comparison], baseline: str) -> list[Agreement]:
    """A line for every table and column that says more than one row; in the order of the tables."""
    columns: dict[tuple[str, str], list[Comparison]] = {}
    for one in published:
        if math.isfinite(one.ours) and not math.isnan(one.value):
            columns.setdefault((one.table, one.column), []).append(one)
    found = [_agreement(*key, rows, baseline) for key, rows in columns.items()]
    return [one for one in found if one.effects or one.flat or not math.isnan(one.tau)]


def _agreement(table: str, column: str, rows: list[Comparison], baseline: str) -> Agreement:
    base = next((one for one in rows if one.variant == baseline), None)
    others = [one for one in rows if base is not None and one.variant != baseline]
    signs = [
        (_sign(one.ours - base.ours), _sign(one.value - base.value))
        for one in others
        if base is not None
    ]
    effects = [pair for pair in signs if pair[1]]
    return Agreement(
        table, column, len(rows), tau([o.ours for o in rows], [o.value for o in rows]), len(effects),
        sum(ours == printed for ours, printed in effects), len(signs) - len(effects),
    )  # fmt: skip


def tau(ours: list[float], printed: list[float]) -> float:
    """Kendall's τ-b; NaN below three rows, or where all of a side are equal."""
    if len(ours) < _FEWEST or len(set(ours)) < 2 or len(set(printed)) < 2:
        return math.nan
    return float(stats.kendalltau(ours, printed).statistic)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
