"""The report as CSV: one line per run, and one per variant."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Sequence

import xarray

from ablations.dataset.files import runs
from ablations.ledger.record import OUTCOMES
from ablations.report.across import Across
from ablations.report.agreement import Agreement
from ablations.report.analysis import Section


def variants(sections: Sequence[Section]) -> str:
    """One line per task and variant, numbers in full."""
    header = (
        "task", "variant", "ok", "planned", "diverged", "missing", "mean", "low", "high", "interval", "sd",
        "median", "difference", "difference_low", "difference_high", "pairs", "p", "p_holm", "better", "rho",
        "detectable", "n_cell_parameters",
    )  # fmt: skip
    rows = []
    for section in sections:
        for row in section.rows:
            a = row.against
            compared = (
                [math.nan] * 3 + [0, math.nan]
                if a is None
                else [a.difference, a.interval.low, a.interval.high, a.n, a.p]
            )
            rows.append([
                section.task, row.variant, len(row.values), row.planned, row.diverged, row.missing, row.mean,
                row.interval.low, row.interval.high, row.interval.kind, row.sd, row.median, *compared,
                row.adjusted, row.improvement, math.nan if a is None else a.rho,
                math.nan if a is None else a.detectable, row.n_cell_parameters,
            ])  # fmt: skip
    return _written(header, rows)


def every_run(tree: xarray.DataTree) -> str:
    """One line per run."""
    rows = []
    for task in tree.children["runs"].children:
        dataset = runs(tree, str(task))
        for place, variant in enumerate(dataset["variant"].values.tolist()):
            for k, seed in enumerate(dataset["seed"].values.tolist()):
                one = dataset.isel(variant=place, seed=k)
                rows.append([
                    task, variant, seed, OUTCOMES[int(one["outcome"])], float(one["test_metric"]),
                    float(one["valid_metric_best"]), int(one["best_step"]), int(one["last_finite_step"]),
                    str(one["record_sha256"].item()),
                ])  # fmt: skip
    header = (
        "task", "variant", "seed", "outcome", "test_metric", "valid_metric_best", "best_step",
        "last_finite_step", "record_sha256",
    )  # fmt: skip
    return _written(header, rows)


def over_tasks(over: Across) -> str:
    """One line per variant over all tasks."""
    rows = [
        [one.variant, one.runs, one.iqm, one.interval.low, one.interval.high]
        for one in over.aggregates
    ]
    return _written(("variant", "runs", "iqm", "low", "high"), rows)


def agreement(sections: Sequence[Section]) -> str:
    """One line per column of a published table."""
    rows = [
        [section.task, *dataclasses.astuple(one)]
        for section in sections
        for one in section.agreement
    ]
    names = [field.name for field in dataclasses.fields(Agreement)]
    return _written(("task", *names), rows)


def _written(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(["" if isinstance(v, float) and math.isnan(v) else v for v in row])
    return buffer.getvalue()
