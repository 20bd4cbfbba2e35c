"""Check a tree against the schema; the message says where it departs and what to do."""

from __future__ import annotations

import numpy as np
import xarray

from ablations.core.errors import AblationError
from ablations.dataset.content import content_hash
from ablations.dataset.schema import (
    ATTEMPTS,
    OPTIONAL,
    OUTCOME_FLAGS,
    REFERENCE,
    ROOT_ATTRIBUTES,
    SCHEMA,
    TASK_ATTRIBUTES,
    VARIABLES,
    VERSION,
)
from ablations.dataset.tuning import departures


def validate(tree: xarray.DataTree, name: str = "the dataset") -> xarray.DataTree:
    """``tree``, if it is as the schema says; raises :class:`AblationError` that names what is not."""
    found = tree.attrs.get("schema"), tree.attrs.get("schema_version")
    if found[0] != SCHEMA or str(found[1]).partition(".")[0] != VERSION.partition(".")[0]:
        raise AblationError(
            f"{name}: expected the schema {SCHEMA} {VERSION}, got {found[0]} {found[1]}: export "
            "the study again, or "
            "read it with the version that wrote it"
        )
    problems = _root(tree)
    runs = tree.children.get("runs")
    if runs is None or not runs.children:
        problems.append("/runs: no group")
    else:
        for task, node in runs.children.items():
            problems += _task(f"/runs/{task}", node.to_dataset(inherit=False), tree)
    problems += _columns(tree, "attempts", ATTEMPTS)
    for task in tree.children["reference"].children if "reference" in tree.children else ():
        problems += _columns(tree, f"reference/{task}", (*REFERENCE, "protocol_differs", "value"))
    if "tuning" in tree.children:
        problems += _tuning(tree)
    if not problems and tree.attrs["content_hash"] != content_hash(tree):
        problems.append("content_hash: the content is not what was hashed when it was written")
    if problems:
        shown = "\n  ".join(problems[:12])
        raise AblationError(f"{name} departs from {SCHEMA} {VERSION}: export it again:\n  {shown}")
    return tree


def _tuning(tree: xarray.DataTree) -> list[str]:
    groups, root = tree.children["tuning"].children, tree.to_dataset(inherit=False)
    tasks = tree.children["runs"].children if "runs" in tree.children else ()
    problems = [f"/tuning/{task}: missing" for task in tasks if task not in groups]
    for task, node in groups.items():
        problems += departures(f"/tuning/{task}", node.to_dataset(inherit=False), root)
    return problems


def _root(tree: xarray.DataTree) -> list[str]:
    problems = [f"/: attribute {one}: missing" for one in ROOT_ATTRIBUTES if one not in tree.attrs]
    for name in ("variant", "seed"):
        if name not in tree.coords or tree.coords[name].dims != (name,):
            problems.append(f"/: {name}: expected a coordinate along itself")
        elif len(set(tree.coords[name].values.tolist())) != tree.sizes[name]:
            problems.append(f"/: {name}: expected each value once")
    absent = [name for name in ("is_baseline", "cell") if name not in tree.coords]
    problems.extend(f"/: {name}: missing" for name in absent)
    if not any(str(name).startswith("factor_") for name in tree.coords):
        problems.append("/: expected a coordinate factor_… for every axis, got none")
    return problems


def _task(path: str, dataset: xarray.Dataset, tree: xarray.DataTree) -> list[str]:
    problems = [
        f"{path}: attribute {one}: missing" for one in TASK_ATTRIBUTES if one not in dataset.attrs
    ]
    for name, variable in VARIABLES.items():
        if name not in dataset:
            if name not in OPTIONAL:
                problems.append(f"{path}/{name}: missing")
            continue
        array = dataset[name]
        kind = array.dtype.kind
        kind = "U" if kind in "OT" else kind
        if array.dims != variable.dims or kind != variable.kind:
            problems.append(
                f"{path}/{name}: expected {variable.kind}{variable.dims}, got {kind}{array.dims}"
            )
        absent = [one for one in ("units", "long_name") if one not in array.attrs]
        problems.extend(f"{path}/{name}: {one}: missing" for one in absent)
    unlike = [
        name
        for name in ("variant", "seed")
        if name in dataset.coords
        and name in tree.coords
        and not np.array_equal(dataset.coords[name].values, tree.coords[name].values)
    ]
    problems.extend(f"{path}/{name}: expected the same as at the root" for name in unlike)
    if not problems:
        problems += _outcomes(path, dataset)
    return problems


def _outcomes(path: str, dataset: xarray.Dataset) -> list[str]:
    """An outcome says whether there is a number; neither is inferred from the other."""
    outcome = dataset["outcome"].values
    metric = dataset["test_metric"].values
    problems = []
    if not np.isin(outcome, OUTCOME_FLAGS).all():
        problems.append(f"{path}/outcome: expected flags {OUTCOME_FLAGS}, got {np.unique(outcome)}")
    if np.isnan(metric[outcome == 1]).any():
        problems.append(f"{path}/test_metric: expected a number where outcome is ok, got NaN")
    if np.isfinite(metric[(outcome != 1) & (outcome != 2)]).any():
        problems.append(f"{path}/test_metric: expected NaN where there is no record, got a number")
    return problems


def _columns(tree: xarray.DataTree, group: str, names: tuple[str, ...]) -> list[str]:
    node = next((one for one in tree.subtree if one.path == f"/{group}"), None)
    if node is None:
        return [f"/{group}: missing"]
    return [f"/{group}/{name}: missing" for name in names if name not in node.data_vars]
