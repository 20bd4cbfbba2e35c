"""The groups ``/tuning/TASK``: what the searches inside the cells of the design tried and chose."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray

from ablations.core.canonical import canonical
from ablations.core.job import Layout
from ablations.core.tuning import Searched, spelled
from ablations.dataset.schema import (
    SETTING,
    TUNING,
    TUNING_ATTRIBUTES,
    TUNING_STATES,
    Variable,
)
from ablations.ledger.tried import Tried, choose
from studies.core.metric import Metric
from studies.core.protocol import Range
from studies.core.registry import get_task

Searches = Mapping[str, Sequence[Tried | None]]
RULE = (
    "the trial with the best validation value of those that ended well, the first of equal ones; where all "
    "diverged, the one that stayed finite for longest"
)


def searches(layout: Layout, task: str, found: Searches) -> xarray.Dataset:
    """The searches of one task along variant and tune_trial; ``found``: by the key of the cell."""
    tuning = layout.tuning
    if tuning is None:
        raise ValueError(f"plan {layout.plan.name}: expected one that is tuned")
    cells = [cell for cell in layout.cells if cell.task == task]
    metric = get_task(task, **cells[0].configuration.options).metric
    shape = (len(cells), tuning.trials)
    arrays = {name: _empty(one.kind, shape) for name, one in TUNING.items()}
    arrays["state"][:] = arrays["chosen"][:] = 0
    space = tuning.searched
    values = {
        key: _empty("f" if isinstance(one, Range) else "U", shape) for key, one in space.items()
    }
    for place, cell in enumerate(cells):
        trials = found.get(cell.key, ())
        for one in [one for one in trials if one is not None]:
            at = place, one.number
            arrays["value"][at] = one.value
            arrays["state"][at] = TUNING_STATES.index(one.state)
            arrays["last_finite_step"][at] = one.last_finite_step
            arrays["record_sha256"][at] = " ".join(record.result for record in one.records)
            for key in space:
                number = isinstance(space[key], Range)
                values[key][at] = one.settings[key] if number else str(one.settings[key])
        chosen = choose(trials, metric.better)
        if chosen is not None:
            arrays["chosen"][place, chosen.number] = 1
    about: dict[str, Any] = {
        name: (one.dims, arrays[name], _about(name, one, metric)) for name, one in TUNING.items()
    }
    for key, sought in space.items():
        about[f"{SETTING}{key}"] = (TUNING["value"].dims, values[key], _setting(key, sought))
    return xarray.Dataset(
        about,
        coords={
            "variant": ("variant", np.array([c.variant.name for c in cells], dtype=object)),
            "tune_trial": ("tune_trial", np.arange(tuning.trials, dtype=np.int64), {
                "units": "1", "long_name": "trial of the search inside a variant"}),
        },
        attrs={
            "task": task, "metric": metric.name, "better": metric.better, "trials": tuning.trials,
            "seeds_json": json.dumps(list(tuning.seeds)), "sampler": tuning.sampler,
            "sampler_seed": tuning.sampler_seed, "pruner": tuning.pruner, "share": float(tuning.share),
            "space_json": canonical(tuning.plain()["space"]), "rule": RULE,
        },
    )  # fmt: skip


def _empty(kind: str, shape: tuple[int, int]) -> np.ndarray:
    fills: dict[str, tuple[Any, Any]] = {
        "f": (math.nan, np.float64), "i": (-1, np.int64), "U": ("", object),
    }  # fmt: skip
    value, dtype = fills[kind]
    return np.full(shape, value, dtype=dtype)


def _about(name: str, variable: Variable, metric: Metric) -> dict[str, Any]:
    about: dict[str, Any] = {
        "units": metric.unit if variable.units is None else variable.units,
        "long_name": variable.long_name,
    }
    if variable.units is None:
        about |= {"metric": metric.name, "better": metric.better}
    if name == "state":
        about["flag_values"] = np.arange(len(TUNING_STATES), dtype=np.int64)
        about["flag_meanings"] = " ".join(TUNING_STATES)
    return about


def _setting(key: str, one: Searched) -> dict[str, Any]:
    return {
        "units": "1", "long_name": f"{key} of a trial", "role": "setting", "setting": key,
        "searched": spelled(one),
    }  # fmt: skip


def departures(path: str, dataset: xarray.Dataset, root: xarray.Dataset) -> list[str]:
    """Where a group departs from the schema, in words."""
    missing = [one for one in TUNING_ATTRIBUTES if one not in dataset.attrs]
    problems = [f"{path}: attribute {one}: missing" for one in missing]
    settings = [str(name) for name in dataset.data_vars if str(name).startswith(SETTING)]
    if not settings:
        problems.append(f"{path}: expected a variable {SETTING}… for every setting, got none")
    for name in (*TUNING, *settings):
        if name not in dataset:
            problems.append(f"{path}/{name}: missing")
            continue
        array, dims = dataset[name], TUNING["value"].dims
        kind = "U" if array.dtype.kind in "OTU" else array.dtype.kind
        expected = TUNING[name].kind if name in TUNING else kind
        if array.dims != dims or kind != expected:
            problems.append(f"{path}/{name}: expected {expected}{dims}, got {kind}{array.dims}")
        absent = [one for one in ("units", "long_name") if one not in array.attrs]
        problems.extend(f"{path}/{name}: {one}: missing" for one in absent)
    # where it is the root's, it is inherited and not repeated
    own = dataset if "variant" in dataset.coords else root
    if not np.array_equal(own["variant"].values, root["variant"].values):
        problems.append(f"{path}/variant: expected the same as at the root")
    return problems or _content(path, dataset, root)


def _content(path: str, dataset: xarray.Dataset, root: xarray.Dataset) -> list[str]:
    """Seeds apart, numbers where there are trials, and no choice but the one that the rule makes."""
    problems = []
    shared = set(json.loads(dataset.attrs["seeds_json"])) & set(root["seed"].values.tolist())
    if shared:
        problems.append(f"{path}: expected tuning seeds apart from those of the runs, got {shared}")
    value, state = dataset["value"].values, dataset["state"].values
    chosen = dataset["chosen"].values
    if not np.isin(state, range(len(TUNING_STATES))).all():
        problems.append(f"{path}/state: expected flags below {len(TUNING_STATES)}, got {state}")
    if np.isnan(value[state != 0]).any() or not np.isnan(value[state == 0]).all():
        problems.append(f"{path}/value: expected a value where there is a trial, and only there")
    counts = chosen.sum(axis=1)
    if not np.array_equal(counts, (state != 0).all(axis=1).astype(int)):
        problems.append(f"{path}/chosen: expected one trial of each complete search, got {counts}")
        return problems
    best = np.where(state == 1, value if dataset.attrs["better"] == "lower" else -value, np.inf)
    for place in np.flatnonzero(counts):
        if (state[place] == 1).any() and int(best[place].argmin()) != int(chosen[place].argmax()):
            name = root["variant"].values[place]
            problems.append(f"{path}/chosen: {name}: expected the first of the best trials")
    return problems
