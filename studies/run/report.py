"""Results of runs side by side: a page and a picture, both pure functions of the stored datasets."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray

from studies.core.errors import StudyError
from studies.core.protocol import Published, protocols
from studies.core.registry import task_class
from studies.run.dataset import SCHEMA, STATUSES, spread

_HEAD = """# Results

Every figure is computed from a run that is stored in `studies/results/`; this page and its picture are
written by `python -m studies report`. `mean [lowest, highest]` over the seeds of the test metric at the best
validation. The published numbers stand beside ours for orientation: each task says how its protocol
differs from the paper's, and where it does, the two columns do not measure the same. Minutes are wall time of
all replicates together on one core, beside other work.
"""


def load(folder: Path) -> list[xarray.Dataset]:
    """Every ``*.nc`` of a folder, by task and cell. Raises :class:`StudyError` for another kind of file."""
    found = []
    for path in sorted(folder.glob("*.nc")):
        try:
            result = xarray.load_dataset(path, engine="h5netcdf")
        except (OSError, ValueError) as error:
            raise StudyError(
                f"{path} cannot be read as netCDF ({error}): write it again"
            ) from error
        if result.attrs.get("schema") != SCHEMA:
            raise StudyError(
                f"{path}: expected the schema {SCHEMA}, got {result.attrs.get('schema')!r}: "
                "run the study again"
            )
        found.append(result)
    if not found:
        raise StudyError(
            f"{folder}: expected results (*.nc), found none: make one with `python -m studies run … --out`"
        )
    return sorted(found, key=lambda one: (one.attrs["task"], label(one)))


def turned(result: xarray.Dataset) -> dict[str, Any]:
    """The knobs of the cell that the user set, ``{"cell.s_mode": "zero"}``."""
    asked = json.loads(result.attrs["configuration"]).get("asked", {})
    return {key: value for key, value in asked.items() if key.startswith("cell.")}


def label(result: xarray.Dataset) -> str:
    """The cell, and the knobs that the user set: ``gato-2, s_mode=zero``."""
    knobs = [f"{key.removeprefix('cell.')}={value}" for key, value in turned(result).items()]
    return ", ".join([result.attrs["cell"], *knobs])


def printed(result: xarray.Dataset) -> list[Published]:
    """What papers print for this cell on this task with these knobs, in the same metric."""
    rows = [
        row
        for protocol in protocols().values()
        if protocol.task == result.attrs["task"]
        for row in protocol.published
        if row.cell == result.attrs["cell"] and row.metric == result.attrs["metric"]
    ]
    knobs = turned(result)
    return [
        row
        for row in rows
        if {k: v for k, v in row.departs.items() if k.startswith("cell.")} == knobs
    ]


def page(results: Sequence[xarray.Dataset], picture: str) -> str:
    """Markdown: one section per task, one row per run; ``picture``: the name of the curves' file."""
    parts = [_HEAD, f"![validation metric against examples seen, one panel per task]({picture})\n"]
    for task in sorted({one.attrs["task"] for one in results}):
        own = [one for one in results if one.attrs["task"] == task]
        parts.append(_section(task, own))
    return "\n".join(parts)


def _section(task: str, own: Sequence[xarray.Dataset]) -> str:
    about = own[0].attrs
    unit = own[0]["test_metric"].attrs["units"]
    measure = about["metric"] + ("" if unit == "1" else f" ({unit})")
    lines = [
        f"## {task}\n",
        f"{task_class(task).summary}. Test {measure}, {about['better']} is better.\n",
        f"Ignorance scores {about['ignorance']:.4g}.\n",
        "| cell | ours | seeds | parameters of the cell | minutes | published |",
        "|---|---|---|---|---|---|",
    ]
    for one in own:
        lost = [STATUSES[int(v)] for v in one["outcome"].values].count("diverged")
        seeds = str(one.sizes["seed"]) + (f", {lost} diverged" if lost else "")
        lines.append(
            f"| {label(one)} | {spread(one['test_metric'].values)} | {seeds} "
            f"| {one.attrs['n_cell_parameters']:,} | {one.attrs['wall_time_s'] / 60:.1f} "
            f"| {_published(one)} |"
        )
    differences = sorted({_protocol_text(one.attrs) for one in own})
    lines += ["", *(f"- {text}" for text in differences), ""]
    return "\n".join(lines)


def _protocol_text(about: dict[str, Any]) -> str:
    general = [
        part for part in about["protocol_differences"].split("; ") if not part.startswith("cell.")
    ]
    return f"Protocol `{about['protocol']}`, profile {about['profile']}: {'; '.join(general)}."


def _published(result: xarray.Dataset) -> str:
    rows = printed(result)
    texts = [
        f"{row.value:g} ({row.table}" + (f", {row.column})" if row.column else ")") for row in rows
    ]
    return "; ".join(dict.fromkeys(texts))


def picture(results: Sequence[xarray.Dataset]) -> bytes:
    """SVG: validation metric against examples seen, a panel per task, a band from lowest to highest seed."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    tasks = sorted({one.attrs["task"] for one in results})
    columns = min(3, len(tasks))
    rows = math.ceil(len(tasks) / columns)
    colors = {name: f"C{k % 10}" for k, name in enumerate(sorted({label(one) for one in results}))}
    with mpl.rc_context({"svg.hashsalt": "desiderata", "font.size": 9}):
        figure = Figure(figsize=(4.2 * columns, 3.1 * rows), layout="constrained")
        for place, task in enumerate(tasks):
            axes = figure.add_subplot(rows, columns, place + 1)
            own = [one for one in results if one.attrs["task"] == task]
            for one in own:
                _curve(axes, one, colors[label(one)])
            about = own[0].attrs
            axes.axhline(about["ignorance"], color="0.5", linestyle=":", linewidth=1)
            if about["better"] == "lower":  # the first steps would flatten all that follows
                low = min(float(one["valid_metric"].min()) for one in own)
                top = min(axes.get_ylim()[1], 1.1 * about["ignorance"])
                axes.set_ylim(low - 0.05 * (top - low), top)
            axes.set_title(task)
            axes.set_ylabel(about["metric"])
            axes.set_xlabel("thousand examples seen per replicate")
            axes.legend(fontsize=7, frameon=False)
            axes.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return b"\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + b"\n"


def _curve(axes: Any, result: xarray.Dataset, color: str) -> None:
    values, seen = result["valid_metric"], result["examples"] / 1000
    axes.plot(
        seen, values.mean("seed", skipna=True), label=label(result), linewidth=1.3, color=color
    )
    low, high = values.min("seed"), values.max("seed")
    axes.fill_between(seen, low, high, color=color, alpha=0.2, linewidth=0)
