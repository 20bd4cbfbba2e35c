"""Curves of a task as SVG: validation metric against examples seen."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
import xarray

Style = Literal["quartiles", "gato"]
_MOST = 12  # variants in one picture


def picture(dataset: xarray.Dataset, style: Style = "quartiles") -> bytes:
    """The curves of the runs of one task; the same dataset gives the same bytes.

    ``style``: "quartiles" (median, quartiles and thin single runs) or "gato" (mean, from lowest to
    highest, as that
    paper draws it). A run that diverged ends with a cross. Only the first 12 variants are drawn.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "desiderata", "font.size": 9, "svg.fonttype": "path"}):
        figure = Figure(figsize=(7.2, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for place in range(min(_MOST, dataset.sizes["variant"])):
            _variant(axes, dataset.isel(variant=place), style, f"C{place % 10}")
        axes.axhline(dataset.attrs["ignorance"], color="0.5", linestyle=":", linewidth=1)
        values = dataset["valid_metric"].values
        positive = values[np.isfinite(values)]
        if positive.size and positive.min() > 0 and positive.max() > 50 * positive.min():
            axes.set_yscale("log")
        axes.set_xlabel("examples seen per run")
        axes.set_ylabel(f"validation {dataset.attrs['metric']}")
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return b"\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + b"\n"


def _variant(axes: Any, one: xarray.Dataset, style: Style, color: str) -> None:
    values = one["valid_metric"].values
    there = np.isfinite(values).any(axis=0)
    if not there.any():
        return
    x, values = one["examples"].values[there], values[:, there]
    if style == "gato":
        middle, low, high = np.nanmean(values, 0), np.nanmin(values, 0), np.nanmax(values, 0)
    else:
        low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75), axis=0)
        for run in values:
            axes.plot(x, run, color=color, linewidth=0.4, alpha=0.5)
    axes.plot(x, middle, color=color, linewidth=1.5, label=str(one["variant"].item()))
    axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
    for run, outcome in zip(values, one["outcome"].values, strict=True):
        finite = np.flatnonzero(np.isfinite(run))
        if outcome == 2 and finite.size:
            axes.plot(x[finite[-1]], run[finite[-1]], marker="x", color=color)
