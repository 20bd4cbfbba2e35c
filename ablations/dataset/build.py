"""From records to the tree: a pure function of the layout, the records, the attempts and the verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray

from ablations.core.job import Cell, Layout
from ablations.dataset.content import content_hash
from ablations.dataset.reference import reference
from ablations.dataset.schema import (
    ATTEMPTS,
    OUTCOME_FLAGS,
    SCHEMA,
    SEEDS_SCHEME,
    TUNE_TRIAL,
    VARIABLES,
    VERSION,
    Variable,
)
from ablations.dataset.tuning import Searches, searches
from ablations.ledger.record import OUTCOMES, Record
from studies.core.protocol import get_protocol
from studies.core.registry import get_task
from studies.core.task import Task

Records = Mapping[tuple[str, int], Record]
_ENDINGS = {"error": 3, "oom": 4, "timeout": 5, "lost": 6}
_BEFORE = {"f": math.nan, "i": -1, "U": ""}


def build(
    layout: Layout,
    records: Records,
    attempts: Sequence[Mapping[str, Any]],
    verdicts: Mapping[str, Mapping[str, str]],
    attributes: Mapping[str, Any],
    searched: Searches | None = None,
) -> xarray.DataTree:
    """The tree of a study, whole or half done.

    ``records``: by (cell, seed); ``attributes``: its provenance; ``searched``: the tuning trials of each cell
    by its key, for a plan that is tuned.
    """
    groups: dict[str, xarray.Dataset] = {"/": _root(layout, records, verdicts, attributes)}
    for task in layout.plan.tasks:
        groups[f"/runs/{task}"] = _runs(layout, task, records, attempts)
        if layout.tuning is not None:
            groups[f"/tuning/{task}"] = searches(layout, task, searched or {})
        protocol = get_protocol(_cells(layout, task)[0].configuration.protocol)
        if protocol.published:
            groups[f"/reference/{task}"] = reference(layout, _cells(layout, task), protocol)
    groups["/attempts"] = _attempts(attempts, tuned=layout.tuning is not None)
    tree = xarray.DataTree.from_dict(groups)
    tree.attrs["content_hash"] = content_hash(tree)
    return tree


def _cells(layout: Layout, task: str) -> list[Cell]:
    return [cell for cell in layout.cells if cell.task == task]


def _text(values: Sequence[str]) -> np.ndarray:
    return np.array(list(values), dtype=object) if len(values) else np.array([], dtype=object)


def _root(
    layout: Layout,
    records: Records,
    verdicts: Mapping[str, Mapping[str, str]],
    attributes: Mapping[str, Any],
) -> xarray.Dataset:
    plan = layout.plan
    coordinates: dict[str, Any] = {
        "variant": ("variant", _text([v.name for v in layout.variants]), {
            "units": "1", "long_name": "levels that leave the baseline"}),
        "seed": ("seed", np.array(layout.seeds, np.int64), {
            "units": "1", "long_name": "replicate"}),
        "is_baseline": ("variant", np.array([v.name == "baseline" for v in layout.variants], np.int8), {
            "units": "1", "long_name": "1 where nothing is changed"}),
        "cell": ("variant", _text([v.cell for v in layout.variants]), {
            "units": "1", "long_name": "recurrent cell"}),
    }  # fmt: skip
    for axis in plan.axes:
        levels = [variant.levels[axis.name] for variant in layout.variants]
        about = {"units": "1", "long_name": axis.title, "source": axis.source, "role": "factor"}
        coordinates[f"factor_{axis.name}"] = ("variant", _text(levels), about)
    for key in sorted({key for one in verdicts.values() for key in one}):
        values = [verdicts.get(v.name, {}).get(key, "not judged") for v in layout.variants]
        about = {"units": "1", "long_name": f"verdict on {key} over all weights", "role": "verdict"}
        coordinates[f"verdict_{key}"] = ("variant", _text(values), about)
    axes = [
        {
            "name": a.name,
            "title": a.title,
            "levels": [lv.name for lv in a.levels],
            "source": a.source,
        }
        for a in plan.axes
    ]
    devices = sorted({str(r.provenance.get("device", "unknown")) for r in records.values()})
    return xarray.Dataset(
        coords=coordinates,
        attrs={
            "Conventions": "CF-1.11 ACDD-1.3",
            "schema": SCHEMA,
            "schema_version": VERSION,
            "title": plan.title,
            "summary": f"{len(layout.variants)} variants on {', '.join(plan.tasks)}, "
            f"{len(layout.seeds)} seeds",
            "license": "MIT",
            "suite": plan.name,
            "source": plan.source,
            "design": plan.design,
            "profile": layout.profile,
            "layout_key": layout.key,
            "axes_json": json.dumps(axes),
            "impossible_json": json.dumps([[one.name, one.because] for one in layout.impossible]),
            "expect_json": json.dumps([_expectation(layout, one) for one in plan.expect]),
            "devices_json": json.dumps(devices),
            "seeds_scheme": SEEDS_SCHEME,
            **attributes,
        },
    )


def _expectation(layout: Layout, expect: Any) -> dict[str, Any]:
    from ablations.core.design import label

    plan = layout.plan
    other = None if expect.other is None else label(plan, plan.complete(expect.other))
    return {
        "claim": expect.claim,
        "source": expect.source,
        "relation": expect.relation,
        "variant": label(plan, plan.complete(expect.variant)),
        "other": other,
        "tasks": list(expect.tasks or plan.tasks),
    }


def _runs(
    layout: Layout, task: str, records: Records, attempts: Sequence[Mapping[str, Any]]
) -> xarray.Dataset:
    cells = _cells(layout, task)
    there = [
        (place, k, records[cell.key, seed])
        for place, cell in enumerate(cells)
        for k, seed in enumerate(layout.seeds)
        if (cell.key, seed) in records
    ]
    steps = sorted({int(step) for _, _, record in there for step in record.curves["step"]})
    sizes = {"variant": len(cells), "seed": len(layout.seeds), "step": len(steps)}
    arrays = {name: _empty(one, sizes) for name, one in VARIABLES.items()}
    arrays["outcome"][:] = 0
    arrays["attempt"][:] = 0
    examples = np.full(len(steps), -1, np.int64)
    _note_failures(arrays["outcome"], layout, task, attempts)
    for place, k, record in there:
        _enter(arrays, place, k, record, steps)
        index = np.searchsorted(steps, record.curves["step"])
        examples[index] = record.curves["examples"]
    settings = cells[0].configuration
    opened = get_task(task, **settings.options)
    return xarray.Dataset(
        {name: (one.dims, arrays[name], _about(name, one, opened)) for name, one in VARIABLES.items()},
        coords={
            "variant": ("variant", _text([cell.variant.name for cell in cells])),
            "seed": ("seed", np.array(layout.seeds, np.int64)),
            "step": ("step", np.array(steps, np.int64), {
                "units": "1", "long_name": "training steps done"}),
            "examples": ("step", examples, {
                "units": "1", "long_name": "training examples seen by each run"}),
        },
        attrs=_task_attributes(layout, cells[0], opened, [record for *_, record in there]),
    )  # fmt: skip


def _task_attributes(
    layout: Layout, cell: Cell, task: Task, records: Sequence[Record]
) -> dict[str, Any]:
    settings = cell.configuration
    protocol = get_protocol(settings.protocol)
    ignorance = float(records[0].about["ignorance"]) if records else math.nan
    return {
        "task": cell.task,
        "metric": task.metric.name,
        "better": task.metric.better,
        "ignorance": ignorance,
        "protocol": protocol.name,
        "profile": settings.profile,
        "protocol_differences": _differences(layout, cell),
        "citation": protocol.citation,
        "options_json": json.dumps(dict(settings.options), sort_keys=True, default=str),
    }


def _differences(layout: Layout, cell: Cell) -> str:
    """In what the runs of a task depart from the paper: by the profile, and then by the plan itself."""
    profile = layout.profile
    protocol = get_protocol(cell.configuration.protocol)
    before = protocol.values(profile, cell.configuration.model.cell)
    asked = {**layout.plan.overrides, **layout.plan.scaled.get(profile, {})}
    parts = [protocol.differs.get(profile, "")]
    for name, value in asked.items():
        key = name if "." in name else f"cell.{name}"
        was = f" instead of {_spelled(before[key])}" if before.get(key) is not None else ""
        if _spelled(before.get(key)) != _spelled(value):
            parts.append(f"the plan sets {key} = {_spelled(value)}{was}")
    seeds = len(layout.seeds)
    if before.get("seeds", seeds) != seeds:
        parts.append(f"{seeds} seeds instead of {before['seeds']}")
    return "; ".join(part for part in parts if part) or "none"


def _spelled(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _empty(variable: Variable, sizes: Mapping[str, int]) -> np.ndarray:
    shape = tuple(sizes[dim] for dim in variable.dims)
    kinds: dict[str, Any] = {"f": np.float64, "i": np.int64, "U": object}
    return np.full(shape, _BEFORE[variable.kind], dtype=kinds[variable.kind])


def _enter(
    arrays: dict[str, np.ndarray], place: int, k: int, record: Record, steps: list[int]
) -> None:
    for name, value in record.ends.items():
        if name in arrays:
            arrays[name][place, k] = value
    arrays["outcome"][place, k] = OUTCOMES.index(record.outcome)
    arrays["wall_time"][place, k] = record.provenance.get("wall_time_s", math.nan)
    arrays["device_time"][place, k] = record.provenance.get("device_time_s", math.nan)
    arrays["peak_memory"][place, k] = record.provenance.get("peak_memory_bytes", -1)
    arrays["attempt"][place, k] = record.provenance.get("attempt", 0)
    arrays["record_sha256"][place, k] = record.result
    index = np.searchsorted(steps, record.curves["step"])
    for name in ("valid_metric", "train_loss", "learning_rate"):
        arrays[name][place, k, index] = record.curves[name]
    for name, values in record.observed.items():
        arrays[name][place, k, index] = values


def _note_failures(
    outcome: np.ndarray, layout: Layout, task: str, attempts: Sequence[Mapping[str, Any]]
) -> None:
    """How the last attempt of a run ended that has no record."""
    places = {variant.name: place for place, variant in enumerate(layout.variants)}
    for attempt in sorted(attempts, key=lambda one: (one["task"], one["number"])):
        if attempt["task"] != task or attempt["variant_name"] not in places:
            continue
        for seed in map(int, attempt["seeds"].split()):
            if seed in layout.seeds and attempt["ending"] in _ENDINGS:
                k = layout.seeds.index(seed)
                outcome[places[attempt["variant_name"]], k] = _ENDINGS[attempt["ending"]]


def _about(name: str, variable: Variable, task: Task) -> dict[str, Any]:
    metric = task.metric
    units = metric.unit if variable.units is None else variable.units
    about: dict[str, Any] = {"units": units, "long_name": variable.long_name}
    if variable.units is None:
        about |= {"metric": metric.name, "better": metric.better}
    if name == "outcome":
        about |= {
            "flag_values": np.array(OUTCOME_FLAGS, np.int64),
            "flag_meanings": " ".join(OUTCOMES),
        }
    return about


def _attempts(attempts: Sequence[Mapping[str, Any]], *, tuned: bool) -> xarray.Dataset:
    rows = sorted(
        attempts,
        key=lambda one: (
            one["task"],
            one.get(TUNE_TRIAL, -1) < 0,
            one["variant_name"] * tuned,
            one["number"],
        ),
    )
    columns: dict[str, Any] = {}
    for name in (*ATTEMPTS, *[TUNE_TRIAL] * tuned):
        values = [row[name] for row in rows]
        numbers = name in ("number", "attempt", TUNE_TRIAL)
        array = np.array(values, np.int64) if numbers else _text(values)
        columns[name] = (
            "attempt_index",
            array,
            {"units": "1", "long_name": f"{name} of an attempt"},
        )
    return xarray.Dataset(columns)
