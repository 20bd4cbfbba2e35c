"""The picture of the stored runs: every workload's ratios on one logarithmic axis."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from baseline import Baseline
from result import Result
from workloads import EVERY, ROWS, WORKLOADS

COLORS = {
    "fused": "#c1272d",
    "hoisted": "#e8873a",
    "naive": "#9a7b4f",
    "graphed": "#7a5195",
    "lstm-equal": "#2b6cb0",
    "gru": "#4fa3a5",
    "lstm": "#8a8a8a",
}
MARKERS = {
    "fused": "o",
    "hoisted": "s",
    "naive": "D",
    "graphed": "P",
    "lstm-equal": "^",
    "gru": "v",
}
TITLES = {
    "fused": "GATO, fused",
    "hoisted": "GATO, inputs hoisted, loop",
    "naive": "GATO, naive loop",
    "graphed": "GATO, loop in a CUDA graph",
    "lstm-equal": "nn.LSTM of equal parameters",
    "gru": "nn.GRU(2J)",
    "lstm": "nn.LSTM(2J) against itself",
}


def picture(runs: Sequence[Baseline]) -> bytes:
    """SVG: a panel per stored run, a row per workload, a mark per implementation with its quartiles."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = [(run, _rows(run)) for run in runs]
    heights = [0.9 + 0.42 * len(rows) for _, rows in shown]
    style = {"svg.hashsalt": "desiderata", "font.size": 9, "svg.fonttype": "path"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(9.2, sum(heights) + 0.7), layout="constrained")
        panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (run, rows) in zip(panels, shown, strict=True):
            _panel(axes, run, rows)
        _legend(figure, {one.implementation for _, rows in shown for row in rows for one in row})
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return b"\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + b"\n"


def _rows(run: Baseline) -> list[list[Result]]:
    """The results of each workload that was measured, in the order of their tables."""
    rows = [
        [run.results[f"{name}/{one}"] for one in ROWS[name] if f"{name}/{one}" in run.results]
        for name in WORKLOADS
    ]
    return [row for row in rows if row]


def _panel(axes: Any, run: Baseline, rows: Sequence[Sequence[Result]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set_xscale("log")
    axes.axvline(1, color="0.35", linewidth=1, zorder=1)
    for height, row in enumerate(rows):
        axes.axhline(height, color="0.92", linewidth=0.8, zorder=0)
        for one in row:
            color = COLORS[one.implementation]
            axes.plot([one.lower, one.upper], [height] * 2, color=color, linewidth=2.2, alpha=0.45)
            axes.plot(
                one.ratio, height, MARKERS.get(one.implementation, "."), color=color, markersize=6.5,
                markeredgecolor="white", markeredgewidth=0.7, zorder=3,
            )  # fmt: skip
        best = max(row, key=lambda one: one.ratio)
        ours = next((one for one in row if one.implementation == "fused"), best)
        axes.annotate(
            f"{ours.ratio:.3g}×", (ours.ratio, height), (0, 6), textcoords="offset points",
            ha="center", fontsize=7.5, color=COLORS[ours.implementation],
        )  # fmt: skip
    labels = [f"{row[0].workload}\n{row[0].shape.partition(' (')[0]}" for row in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=7.5)
    axes.set_ylim(len(rows) - 0.45, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.xaxis.set_minor_locator(LogLocator(subs=()))
    axes.set_xlabel("faster than nn.LSTM(2J), forward and backward  →")
    environment = run.environment
    axes.set_title(
        f"{environment.device} · torch {environment.torch} · {environment.kernels}",
        loc="left", fontsize=9,
    )  # fmt: skip
    axes.spines[["top", "right", "left"]].set_visible(False)


def _legend(figure: Any, shown: set[str]) -> None:
    from matplotlib.lines import Line2D

    names = [name for name in (*EVERY, "graphed") if name in shown]
    marks = [
        Line2D(
            [],
            [],
            color=COLORS[name],
            marker=MARKERS.get(name, "."),
            linestyle="",
            label=TITLES[name],
        )
        for name in names
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=4, frameon=False, fontsize=8)
