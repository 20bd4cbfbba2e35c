"""Claims in words, judged: supported, contradicted, or inconclusive."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ablations.core.expect import COMPARING
from ablations.report.statistics import Interval, paired
from ablations.report.way import LEARNED, SIMILAR, SOLVED, end, learned, perfect, sign

if TYPE_CHECKING:
    from ablations.report.analysis import Row


@dataclass(frozen=True)
class Claim:
    """``word``: supported, contradicted or inconclusive; ``because``: the numbers."""

    claim: str
    source: str
    word: str
    because: str


def judge(expected: Mapping[str, Any], rows: Mapping[str, Row], about: Mapping[str, Any]) -> Claim:
    """Judge one expectation of the plan on the rows of a task."""
    row = rows.get(expected["variant"])
    relation = expected["relation"]
    if row is None or not row.values:
        word, because = "inconclusive", f"no finite run of {expected['variant']}"
    elif relation in COMPARING:
        word, because = _compared(relation, row, rows.get(expected["other"]), about)
    else:
        word, because = _against_ignorance(relation, row, about)
    return Claim(expected["claim"], expected["source"], word, because)


def _against_ignorance(relation: str, row: Row, about: Mapping[str, Any]) -> tuple[str, str]:
    ignorance = float(about["ignorance"])
    length = ignorance - perfect(about)
    way = [(ignorance - one) / length for one in (row.interval.low, row.interval.high)]
    low, high = min(way), max(way)
    mean = f"mean {row.mean:.3g} {spelled(row.interval)} over {len(row.values)} seeds"
    because = f"{row.variant}: {mean}, ignorance {ignorance:.3g}"
    because += f"; {row.diverged} of {row.planned} diverged" if row.diverged else ""
    if not row.interval.confident:
        return "inconclusive", f"{because}; too few seeds"
    if relation == "at ignorance":
        if high < LEARNED:
            return "supported", because
        return ("contradicted" if low > LEARNED else "inconclusive"), because
    if low > SOLVED and not row.diverged:
        return "supported", because
    return ("contradicted" if high < SOLVED else "inconclusive"), because


def _compared(
    relation: str, row: Row, other: Row | None, about: Mapping[str, Any]
) -> tuple[str, str]:
    if other is None or not other.values:
        return "inconclusive", "the other variant has no finite run"
    both = sorted(row.values.keys() & other.values.keys())
    found = paired([row.values[s] for s in both], [other.values[s] for s in both])
    seen = f"{found.difference:.3g} {spelled(found.interval)}, n = {found.n}"
    because = f"{row.variant} less {other.variant}: {seen}"
    if not found.interval.confident:
        return "inconclusive", f"{because}; too few seeds"
    low, high = sorted((sign(about) * found.interval.low, sign(about) * found.interval.high))
    if row.diverged != other.diverged:  # a mean over the survivors decides nothing
        because += f"; diverged: {row.diverged} against {other.diverged}"
        low, high = -math.inf, math.inf
    if relation == "similar to":
        return _equivalent((low, high), row, other, about, because)
    better, worse = low > 0, high < 0
    yes, no = (better, worse) if relation == "better than" else (worse, better)
    return ("supported" if yes else "contradicted" if no else "inconclusive"), because


def _equivalent(
    difference: tuple[float, float], row: Row, other: Row, about: Mapping[str, Any], because: str
) -> tuple[str, str]:
    """Whether an interval of differences lies within a tenth of the way, or wholly outside.

    Two variants that both learned nothing are alike in nothing that a paper speaks of: inconclusive.
    """
    best = max((row.mean, other.mean), key=lambda mean: sign(about) * mean)
    ignorance, goal = float(about["ignorance"]), end(about, best)
    margin = SIMILAR * max(0.0, sign(about) * (goal - ignorance))
    because += f"; margin {margin:.3g}, a tenth of the way from {ignorance:.3g} to {goal:.3g}"
    if not learned(about, best):
        return "inconclusive", f"{because}; neither has learned the task"
    low, high = difference
    if -margin < low and high < margin:
        return "supported", because
    return ("contradicted" if low > margin or high < -margin else "inconclusive"), because


def spelled(one: Interval) -> str:
    """``[0.1, 0.2]``; a range is called one."""
    text = f"[{one.low:.3g}, {one.high:.3g}]"
    return f"{text} (range, not a confidence interval)" if one.kind == "range" else text
