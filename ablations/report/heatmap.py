"""Heat maps of a grid as SVG, in the manner of RRU's robustness figures: two long axes against each other."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray

_LONG = 3  # levels from which an axis is worth a side of the map


def sides(axes: Sequence[Mapping[str, Any]], design: str) -> tuple[str, str] | None:
    """The two axes that span the map: the longest of a factorial; None where there are no two long ones."""
    long = [axis for axis in axes if len(axis["levels"]) >= _LONG]
    if design != "factorial" or len(long) < 2:
        return None
    first, second = sorted(long, key=lambda axis: -len(axis["levels"]))[:2]
    return first["name"], second["name"]


def heatmap(
    dataset: xarray.Dataset, axes: Sequence[Mapping[str, Any]], across: tuple[str, str]
) -> bytes:
    """The median test metric per place of the grid, one panel per combination of the other axes.

    Red: a run diverged there; empty: no run. The same dataset gives the same bytes.
    """
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    levels = {axis["name"]: _sorted(axis["levels"]) for axis in axes}
    others = [axis["name"] for axis in axes if axis["name"] not in across]
    panels = list(itertools.product(*(levels[name] for name in others)))
    grids = [grid(dataset, levels, across, dict(zip(others, one, strict=True))) for one in panels]
    values = np.concatenate([one[0].ravel() for one in grids])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    with mpl.rc_context({"svg.hashsalt": "desiderata", "font.size": 8, "svg.fonttype": "path"}):
        figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
        for place, (one, (means, gone)) in enumerate(zip(panels, grids, strict=True)):
            panel = figure.add_subplot(1, len(panels), place + 1)
            panel.imshow(means, vmin=low, vmax=high, cmap="viridis", aspect="auto", origin="lower")
            for row, column in np.argwhere(gone):
                panel.plot(column, row, marker="s", color="red", markersize=7)
            panel.set_xticks(range(len(levels[across[0]])), levels[across[0]], rotation=45)
            panel.set_yticks(range(len(levels[across[1]])), levels[across[1]])
            panel.set_xlabel(across[0])
            panel.set_ylabel(across[1])
            panel.set_title(", ".join(f"{n} {lv}" for n, lv in zip(others, one, strict=True)))
        scale = ScalarMappable(Normalize(low, high), "viridis")
        figure.colorbar(scale, ax=figure.axes, label=f"test {dataset.attrs['metric']}")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return b"\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + b"\n"


def grid(
    dataset: xarray.Dataset,
    levels: Mapping[str, Sequence[str]],
    across: tuple[str, str],
    fixed: Mapping[str, str],
) -> tuple[np.ndarray, np.ndarray]:
    """(second axis, first axis): the median over finite runs, NaN for none; and where a run diverged."""
    shape = (len(levels[across[1]]), len(levels[across[0]]))
    medians, gone = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    for place in range(dataset.sizes["variant"]):
        one = dataset.isel(variant=place)
        if any(str(one[f"factor_{name}"].item()) != level for name, level in fixed.items()):
            continue
        column, row = (
            list(levels[name]).index(str(one[f"factor_{name}"].item())) for name in across
        )
        values = one["test_metric"].values
        values = values[(one["outcome"].values == 1) & np.isfinite(values)]
        if values.size:
            medians[row, column] = np.median(values)
        gone[row, column] = bool((one["outcome"].values == 2).any())
    return medians, gone


def _sorted(levels: Sequence[str]) -> list[str]:
    """By number where all are numbers: the baseline comes first in a plan, not in a picture."""
    try:
        return sorted(levels, key=float)
    except ValueError:
        return list(levels)
