"""The published number beside ours, and one word about the two."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray

if TYPE_CHECKING:
    from ablations.report.analysis import Row


@dataclass(frozen=True)
class Comparison:
    """``word``: agrees, differs, inconclusive, protocol differs, or not run."""

    label: str
    column: str
    table: str
    value: float
    note: str
    variant: str
    ours: float
    word: str


def compare(
    reference: xarray.Dataset, rows: Mapping[str, Row], cells: Collection[str]
) -> Iterator[Comparison]:
    """Every published number about one of the study's ``cells``; one whose variant it lacks is "not run"."""
    for k in range(reference.sizes["row"]):
        one = reference.isel(row=k)
        if str(one["metric"].item()) == "n_cell_parameters" or str(one["cell"].item()) not in cells:
            continue
        name = str(one["variant_name"].item())
        row = rows.get(name)
        value = float(one["value"])
        yield Comparison(
            str(one["label"].item()), str(one["column"].item()), str(one["table"].item()), value,
            str(one["note"].item()), name, row.mean if row is not None else math.nan,
            word(value, row, differs=bool(one["protocol_differs"])),
        )  # fmt: skip


def word(value: float, row: Row | None, *, differs: bool) -> str:
    """What may be said of a published value and the runs of a variant."""
    if row is None or not (row.values or row.diverged):
        return "not run"
    if differs:
        return "protocol differs"
    if not math.isfinite(value):  # the paper saw a run diverge
        return "agrees" if row.diverged else "differs"
    if not row.interval.confident:
        return "inconclusive"
    return "agrees" if row.interval.low <= value <= row.interval.high else "differs"
