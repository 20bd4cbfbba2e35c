"""What a search inside a cell has tried, read from the records, and what it chooses.

The rule of choice: of the trials that ended well, the one with the best validation value, and of equal ones
the first. A trial in which a seed diverged, or that was pruned, is not chosen while there is one that ended
well. Where all diverged, the one that stayed finite for longest stands for the cell (of equal ones the
first): the divergence is then measured on the seeds of the plan and stands in the tables, and nothing is
made up.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ablations.core.canonical import digest
from ablations.core.job import Cell, Job, Layout
from ablations.ledger.folder import Folder
from ablations.ledger.record import Record
from studies.core.metric import Better
from studies.core.registry import task_class

FOLDER = (
    "tuning"  # inside a study's folder, so that no record of a search is ever one of the result
)


@dataclass(frozen=True)
class Tried:
    """A trial that has ended. ``state``: "ok", "diverged" or "pruned".

    ``value``: the best validation metric, the (worse) median over the tuning seeds, a diverged one counting
    as the worst infinity.
    """

    number: int
    settings: Mapping[str, Any]
    state: str
    value: float
    last_finite_step: int
    records: tuple[Record, ...]

    @property
    def curve(self) -> list[float]:
        """The median over the seeds at each evaluation, as it was reported."""
        curves = [record.curves["valid_metric"] for record in self.records]
        columns = [
            [c[k] for c in curves if k < len(c) and math.isfinite(c[k])]
            for k in range(max(map(len, curves)))
        ]
        return [float(np.median(column)) for column in columns if column]


class Choice(NamedTuple):
    """``number``: of the trial; ``settings``: its values; ``diverged``: whether all trials did."""

    number: int
    settings: Mapping[str, Any]
    diverged: bool


def trial_key(cell: Cell, number: int) -> str:
    """The identity of a trial: by the cell's declaration and its number, not by what is tried."""
    return _trial_key(cell.key, number)


@functools.lru_cache(maxsize=100_000)  # asked at every look at a folder
def _trial_key(cell: str, number: int) -> str:
    return digest({"cell": cell, "tune_trial": number})


def tried(searches: Folder, cell: Cell) -> list[Tried | None]:
    """Every trial of the cell's search by number, None where there is no sound record of all its seeds."""
    if cell.tuning is None:
        return []
    better = task_class(cell.task).metric.better
    found: list[Tried | None] = []
    for number in range(cell.tuning.trials):
        records = _records(searches, cell, number, cell.tuning.seeds)
        found.append(_tried(number, records, better) if records else None)
    return found


def _records(searches: Folder, cell: Cell, number: int, seeds: Sequence[int]) -> tuple[Record, ...]:
    """Of all tuning seeds, or none."""
    key = trial_key(cell, number)
    found = []
    for seed in seeds:
        record = searches.record(key, seed)
        if record is None:
            return ()
        found.append(record)
    return tuple(found)


def _tried(number: int, records: tuple[Record, ...], better: Better) -> Tried:
    outcomes = {record.outcome for record in records}
    return Tried(
        number,
        dict(records[0].about["tuned"]),
        next((one for one in ("diverged", "pruned") if one in outcomes), "ok"),
        value(records, better),
        min(int(record.ends["last_finite_step"]) for record in records),
        records,
    )


def value(records: Sequence[Record], better: Better) -> float:
    """Of a trial, from its records; see :class:`Tried`."""
    worst = float("inf") if better == "lower" else float("-inf")
    values = [worst if r.outcome == "diverged" else r.ends["valid_metric_best"] for r in records]
    median = statistics.median_low if better == "higher" else statistics.median_high
    return float(median(values))


def choose(trials: Sequence[Tried | None], better: Better) -> Choice | None:
    """By the rule above; None while a trial is missing."""
    there = [one for one in trials if one is not None]
    if not there or len(there) < len(trials):
        return None
    sign = 1.0 if better == "lower" else -1.0
    ranked = {
        "ok": lambda one: sign * one.value,
        "pruned": lambda one: sign * one.value,
        "diverged": lambda one: -one.last_finite_step,
    }
    for state, rank in ranked.items():
        some = [one for one in there if one.state == state]
        if some:
            best = min(some, key=rank)  # the first of equal ones
            return Choice(best.number, best.settings, diverged=state == "diverged")
    return None


def choice(folder: Folder, cell: Cell) -> Choice | None:
    """What the search of ``cell`` in a study's folder chose, or None while it is under way."""
    return choose(tried(folder.searches, cell), task_class(cell.task).metric.better)


def settled(job: Job, found: Choice | None) -> Job | None:
    """``job`` with what the search of its cell chose; None while that is under way."""
    if job.cell.tuning is None:
        return job
    return None if found is None else dataclasses.replace(job, settings=dict(found.settings))


def untried(folder: Folder, layout: Layout) -> int:
    """How many trials of all searches have no record."""
    return sum(
        not _records(folder.searches, cell, number, cell.tuning.seeds)
        for cell in layout.tuned
        if cell.tuning is not None
        for number in range(cell.tuning.trials)
    )


def strays(folder: Folder, layout: Layout) -> list[str]:
    """Runs that were measured with other values than their search chooses now, in words.

    That can be where a trial's record was damaged and the trial made again on another machine.
    """
    lines = []
    for cell in layout.tuned:
        found = choice(folder, cell)
        records = [folder.record(cell.key, seed) for seed in layout.seeds]
        names = [
            folder.run_path(record.cell, record.seed).name
            for record in records
            if record is not None
            and found is not None
            and record.about.get("tuned") != dict(found.settings)
        ]
        if names:
            lines.append(
                f"{cell.variant.name} on {cell.task}: {len(names)} runs were measured with other values than "
                f"its tuning chooses now: move {', '.join(names)} out of {folder.path / 'runs'} and resume"
            )
    return lines
