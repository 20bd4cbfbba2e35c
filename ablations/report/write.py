"""Write a report's files beside each other."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import xarray

from ablations.dataset.files import runs
from ablations.report.across import across
from ablations.report.analysis import analyze
from ablations.report.curves import Style, picture
from ablations.report.heatmap import heatmap, sides
from ablations.report.markdown import markdown
from ablations.report.page import page
from ablations.report.table import agreement, every_run, over_tasks, variants
from studies.core.atomic import write_atomically


def contents(
    tree: xarray.DataTree, stem: str = "report", style: Style = "quartiles"
) -> dict[str, bytes]:
    """File name → content: Markdown, HTML, CSV tables and a picture per task.

    Tables over all tasks and of the agreement with published columns are written where there is one.
    """
    sections = analyze(tree)
    over = across(sections)
    drawn = {
        section.task: picture(runs(tree, section.task), style)
        for section in sections
        if runs(tree, section.task).sizes["step"]
    }
    names = {task: [f"{stem}-{task}.svg"] for task in drawn}
    axes = json.loads(tree.attrs["axes_json"])
    spanned = sides(axes, str(tree.attrs["design"]))
    maps = {}
    if spanned is not None:
        for task in drawn:
            maps[f"{stem}-{task}-grid.svg"] = heatmap(runs(tree, task), axes, spanned)
            names[task].append(f"{stem}-{task}-grid.svg")
    files = {**{names[task][0]: svg for task, svg in drawn.items()}, **maps}
    shown = {task: [files[name] for name in found] for task, found in names.items()}
    more = {} if over is None else {"across": over_tasks(over)}
    if any(section.agreement for section in sections):
        more["agreement"] = agreement(sections)
    return {
        f"{stem}.md": markdown(tree, sections, over, names).encode(),
        f"{stem}.html": page(tree, sections, over, shown).encode(),
        f"{stem}.csv": variants(sections).encode(),
        f"{stem}-runs.csv": every_run(tree).encode(),
        **{f"{stem}-{name}.csv": text.encode() for name, text in more.items()},
        **files,
    }


def write(
    tree: xarray.DataTree, folder: Path, stem: str = "report", style: Style = "quartiles"
) -> list[Path]:
    """Write :func:`contents` into ``folder``; returns the paths."""
    written = []
    for name, content in contents(tree, stem, style).items():
        write_atomically(folder / name, functools.partial(Path.write_bytes, data=content))
        written.append(folder / name)
    return written
