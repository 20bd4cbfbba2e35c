"""What a paper printed, and which variant of ours each number is about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray

from ablations.core.job import Cell, Layout
from ablations.dataset.schema import REFERENCE
from studies.core.protocol import Protocol, Published
from studies.core.registry import get_task


def reference(layout: Layout, cells: Sequence[Cell], protocol: Protocol) -> xarray.Dataset:
    """The published rows of ``protocol`` along "row".

    ``variant_name``: whose number it is, empty for nobody's; ``protocol_differs``: 1 where ours was run
    by other settings than the printed one.
    """
    varied = {_key(k) for axis in layout.plan.axes for lv in axis.levels for k in lv.overrides}
    columns: dict[str, list[str]] = {name: [] for name in REFERENCE}
    differs, values = [], []
    for row in protocol.published:
        ours = _whose(row, cells, protocol, varied)
        columns["label"].append(row.label)
        columns["column"].append(row.column)
        columns["cell"].append(row.cell or "")
        columns["metric"].append(row.metric)
        columns["table"].append(row.table)
        columns["note"].append(row.note)
        columns["departs_json"].append(json.dumps(dict(row.departs), sort_keys=True))
        columns["variant_name"].append("" if ours is None else ours.variant.name)
        differs.append(int(ours is not None and _differs(row, ours, protocol)))
        values.append(float(row.value))
    data: dict[str, Any] = {
        name: (
            "row",
            np.array(texts, dtype=object),
            {"units": "1", "long_name": f"{name} of a published number"},
        )
        for name, texts in columns.items()
    }
    data["protocol_differs"] = ("row", np.array(differs, np.int64), {
        "units": "1", "long_name": "1 where ours was run by other settings"})  # fmt: skip
    data["value"] = ("row", np.array(values), {
        "units": "1", "long_name": "published value, in the unit of its metric"})  # fmt: skip
    return xarray.Dataset(data, attrs={"citation": protocol.citation, "protocol": protocol.name})


def _key(name: str) -> str:
    return name if "." in name else f"cell.{name}"


def _whose(
    row: Published, cells: Sequence[Cell], protocol: Protocol, varied: set[str]
) -> Cell | None:
    """The variant with the row's cell, and its values of everything that the plan or the row changes."""
    for cell in cells:
        settings = cell.configuration
        if (
            row.cell != settings.model.cell
            or row.metric != get_task(cell.task, **settings.options).metric.name
        ):
            continue
        printed, ours = _printed(row, protocol), _flat(cell)
        asked = varied | {key for key in row.departs if key.startswith("cell.")}
        if all(_same(printed.get(key), ours.get(key)) for key in asked if key in printed):
            return cell
    return None


def _printed(row: Published, protocol: Protocol) -> dict[str, Any]:
    return protocol.values("paper", row.cell or "") | dict(row.departs)


def _flat(cell: Cell) -> dict[str, Any]:
    plain = cell.configuration.plain()
    model: Mapping[str, Any] = plain["model"]
    return {
        **{f"task.{key}": value for key, value in plain["options"].items()},
        **{f"cell.{key}": value for key, value in model["knobs"].items()},
        **{f"model.{k}": value for k, value in model.items() if k not in ("cell", "knobs")},
        **{f"training.{key}": value for key, value in plain["training"].items()},
    }


def _differs(row: Published, cell: Cell, protocol: Protocol) -> bool:
    ours = _flat(cell)
    return any(
        key in ours and not _same(value, ours[key])
        for key, value in _printed(row, protocol).items()
    )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return list(a) == list(b)
    return bool(a == b)
