"""What tuning chose for each variant, among what, and what its values are not."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import xarray

from ablations.dataset.schema import SETTING, TUNING_STATES


@dataclass(frozen=True)
class Search:
    """The searches of a task. ``said``: sentences about all; ``rows``: one per variant under ``header``."""

    said: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def search(tree: xarray.DataTree, task: str) -> Search | None:
    """The searches of ``task``, or None where its plan is not tuned."""
    groups = tree.children.get("tuning")
    if groups is None or task not in groups.children:
        return None
    dataset = groups.children[task].to_dataset()  # variants are the root's
    names = [str(name) for name in dataset.data_vars if str(name).startswith(SETTING)]
    unit = str(dataset["value"].attrs["units"])
    header = (
        "variant", "trials", "diverged", "pruned", "chosen",
        *(name.removeprefix(SETTING) for name in names),
        f"validation {dataset.attrs['metric']}" + ("" if unit == "1" else f" ({unit})"),
    )  # fmt: skip
    rows = [_row(dataset.isel(variant=k), names) for k in range(dataset.sizes["variant"])]
    return Search(_said(dataset, names), header, tuple(rows))


def _row(one: xarray.Dataset, names: list[str]) -> tuple[str, ...]:
    states = np.bincount(one["state"].values, minlength=len(TUNING_STATES))
    there = int(states[1:].sum())
    counts = (f"{there} of {one.sizes['tune_trial']}", str(states[2]), str(states[3]))
    variant = str(one["variant"].item())
    if not one["chosen"].values.any():
        return (variant, *counts, *["–"] * (len(names) + 2))
    best = one.isel(tune_trial=int(one["chosen"].values.argmax()))
    number = f"trial {int(best['tune_trial'])}"
    number += "" if int(best["state"]) == 1 else ", since all diverged"
    settings = [_value(best[name].item()) for name in names]
    return (variant, *counts, number, *settings, f"{float(best['value']):.4g}")


def _value(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _said(dataset: xarray.Dataset, names: list[str]) -> str:
    about = dataset.attrs
    ranges = "; ".join(f"`{n.removeprefix(SETTING)}` {dataset[n].attrs['searched']}" for n in names)
    seeds = ", ".join(map(str, json.loads(about["seeds_json"])))
    pruned = "" if about["pruner"] == "none" else f", pruned by the {about['pruner']}"
    share = "" if about["share"] == 1 else f", on {about['share']:.4g} of the training examples"
    return (
        f"Tuned for each variant on its own, with {about['trials']} trials of the sampler {about['sampler']} "
        f"(seed {about['sampler_seed']}){pruned}{share}: {ranges}. Chosen is {about['rule']}. The "
        f"values below are validation values of the seeds {seeds}, which no run above has: they say how the "
        "settings were found, and are no result."
    )
