"""What a dataset says: rows per variant, effects per axis, claims, published numbers. No text yet."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray

from ablations.dataset.files import runs
from ablations.report.agreement import Agreement, agreements
from ablations.report.claims import Claim, judge
from ablations.report.published import Comparison, compare
from ablations.report.search import Search, search
from ablations.report.statistics import Interval, Paired, holm, improvement, interval, paired


@dataclass(frozen=True)
class Row:
    """A variant on a task. ``values``: of its finite runs by seed; ``against``.

    The baseline, None for itself.
    """

    variant: str
    values: dict[int, float]
    planned: int
    diverged: int
    missing: int
    interval: Interval
    against: Paired | None
    adjusted: float
    improvement: float
    n_cell_parameters: int
    verdicts: dict[str, str]

    @property
    def mean(self) -> float:
        """Over the finite runs; NaN without any."""
        return float(np.mean(list(self.values.values()))) if self.values else math.nan

    @property
    def sd(self) -> float:
        """Of the finite runs; NaN below two."""
        values = list(self.values.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan

    @property
    def median(self) -> float:
        """Over all runs that ended, a diverged one counting as worst; NaN where that is the middle."""
        worst = [math.inf] * self.diverged
        values = sorted(self.values.values()) + worst
        middle = float(np.median(values)) if values else math.nan
        return middle if math.isfinite(middle) else math.nan


@dataclass(frozen=True)
class Effect:
    """One level of an axis against its baseline level, averaged over the other axes seed by seed."""

    axis: str
    level: str
    baseline: str
    combinations: int
    against: Paired


@dataclass(frozen=True)
class Section:
    """One task of the study."""

    task: str
    about: dict[str, Any]
    unit: str
    rows: tuple[Row, ...]
    effects: tuple[Effect, ...]
    claims: tuple[Claim, ...]
    published: tuple[Comparison, ...]
    agreement: tuple[Agreement, ...]
    search: Search | None = None


def analyze(tree: xarray.DataTree) -> list[Section]:
    """One section per task, in the order of the file."""
    return [_section(tree, str(task)) for task in tree.children["runs"].children]


def _section(tree: xarray.DataTree, task: str) -> Section:
    dataset = runs(tree, task)
    rows = _rows(dataset)
    by_name = {row.variant: row for row in rows}
    expected = [one for one in json.loads(tree.attrs["expect_json"]) if task in one["tasks"]]
    reference = tree.children.get("reference")
    printed = reference.children.get(task) if reference is not None else None
    published: list[Comparison] = []
    if printed is not None:
        cells = set(dataset["cell"].values.tolist())
        published = list(compare(printed.to_dataset(inherit=False), by_name, cells))
    base = next(row.variant for row in rows if row.against is None)
    return Section(
        task,
        dict(dataset.attrs),
        str(dataset["test_metric"].attrs["units"]),
        tuple(rows),
        tuple(_effects(dataset, json.loads(tree.attrs["axes_json"]))),
        tuple(judge(one, by_name, dataset.attrs) for one in expected),
        tuple(published),
        tuple(agreements(published, base)),
        search(tree, task),
    )


def finite(dataset: xarray.Dataset, variant: str) -> dict[int, float]:
    """Seed → test metric of the runs that ended well with a finite number."""
    one = dataset.isel(variant=dataset["variant"].values.tolist().index(variant))
    pairs = zip(
        one["seed"].values.tolist(),
        one["test_metric"].values.tolist(),
        one["outcome"].values.tolist(),
        strict=True,
    )
    return {seed: value for seed, value, outcome in pairs if outcome == 1 and math.isfinite(value)}


def _rows(dataset: xarray.Dataset) -> list[Row]:
    names = dataset["variant"].values.tolist()
    values = {name: finite(dataset, name) for name in names}
    base = names[int(np.argmax(dataset["is_baseline"].values))]
    better = dataset.attrs["better"]
    compared = {
        name: _paired(values[name], values[base]) if name != base else None for name in names
    }
    pairs = [one.p if one is not None else math.nan for one in compared.values()]
    adjusted = dict(zip(names, holm(pairs), strict=True))
    verdicts = [str(n) for n, c in dataset.coords.items() if c.attrs.get("role") == "verdict"]
    rows = []
    for place, name in enumerate(names):
        outcome = dataset["outcome"].values[place]
        diverged = int(np.sum(outcome == 2))
        own = list(values[name].values()) + [math.nan] * diverged
        theirs = list(values[base].values())
        theirs += [math.nan] * int(np.sum(dataset["outcome"].values[names.index(base)] == 2))
        rows.append(
            Row(
                name, values[name], len(outcome), diverged,
                int(np.sum((outcome != 1) & (outcome != 2))),
                interval(list(values[name].values())),
                compared[name], adjusted[name],
                math.nan if name == base else improvement(own, theirs, better),
                int(dataset["n_cell_parameters"].values[place].max()),
                {v.removeprefix("verdict_"): str(dataset[v].values[place]) for v in verdicts},
            )
        )  # fmt: skip
    return rows


def _paired(variant: dict[int, float], baseline: dict[int, float]) -> Paired:
    both = sorted(variant.keys() & baseline.keys())
    return paired([variant[seed] for seed in both], [baseline[seed] for seed in both])


def _effects(dataset: xarray.Dataset, axes: list[dict[str, Any]]) -> list[Effect]:
    """Only where two axes or more are crossed: otherwise the rows say it already."""
    names = [axis["name"] for axis in axes]
    levels = [
        dict(zip(names, found, strict=True))
        for found in zip(*(dataset[f"factor_{n}"].values.tolist() for n in names), strict=True)
    ]
    variants = dict(zip(dataset["variant"].values.tolist(), levels, strict=True))
    if not any(sum(lv[a["name"]] != a["levels"][0] for a in axes) > 1 for lv in levels):
        return []
    by_levels = {tuple(lv.values()): finite(dataset, name) for name, lv in variants.items()}
    effects = []
    for axis in axes:
        for level in axis["levels"][1:]:
            pairs = []
            for found in levels:
                if found[axis["name"]] != level:
                    continue
                partner = {**found, axis["name"]: axis["levels"][0]}
                if tuple(partner.values()) in by_levels:
                    pairs.append(
                        (by_levels[tuple(found.values())], by_levels[tuple(partner.values())])
                    )
            seeds = [
                s
                for s in dataset["seed"].values.tolist()
                if all(s in a and s in b for a, b in pairs)
            ]
            if not pairs or not seeds:
                continue
            ours = [float(np.mean([a[s] for a, _ in pairs])) for s in seeds]
            base = [float(np.mean([b[s] for _, b in pairs])) for s in seeds]
            effects.append(
                Effect(axis["name"], level, axis["levels"][0], len(pairs), paired(ours, base))
            )
    return effects
