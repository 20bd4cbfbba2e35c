"""``python -m ablations run PLAN``: begin or go on with a study on this machine, to its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import rich.console
import typer

from ablations.command.crew import crew, solo, worker_options
from ablations.command.ending import DONE, conclude
from ablations.command.options import (
    Data,
    Device,
    MaxWall,
    PlanName,
    ProfileName,
    Quiet,
    Seeds,
    Storage,
    Workers,
)
from ablations.core.errors import AblationError
from ablations.core.job import Layout, lay_out
from ablations.core.registry import get_plan
from ablations.dataset.export import export
from ablations.dataset.files import load
from ablations.ledger.execute import Surroundings
from ablations.ledger.folder import DATASET, Folder
from ablations.ledger.tried import untried
from ablations.ledger.worker import remaining
from ablations.report.markdown import claim_lines
from ablations.report.write import write


def command(
    plan: PlanName,
    *,
    profile: ProfileName = "laptop",
    seeds: Seeds = None,
    out: Annotated[
        Path | None, typer.Option(help="the study's folder; default ablations-results/PLAN-PROFILE")
    ] = None,
    workers: Workers = 1,
    storage: Storage = None,
    data: Data = None,
    device: Device = "auto",
    max_wall: MaxWall = None,
    certify: Annotated[
        bool, typer.Option(help="judge each variant's cell, so that verdicts stand beside metrics")
    ] = True,
    quiet: Quiet = False,
) -> int:
    """Run a plan to completion: queue, workers, dataset, report.

    Repeating the command goes on, or says it is done.
    """
    layout = lay_out(get_plan(plan), profile, seeds)
    path = out or Path("ablations-results") / f"{layout.plan.name}-{profile}"
    folder = Folder(path)
    folder.declare(str(Path(plan).resolve()) if plan.endswith(".toml") else plan, layout)
    console = rich.console.Console()
    stuck: list[str] = []
    if not _left(folder, layout) and _current(folder, layout):
        text = f"nothing to do: every run of {path} is done and its report is written"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        return conclude(folder, layout)
    if _left(folder, layout):
        around = Surroundings(data, device, max_seconds=max_wall, quiet=quiet)
        if workers > 1:
            crew(path, workers, storage, worker_options(data, device, max_wall, quiet=quiet))
        else:
            stuck = solo(folder, layout, storage, around)
    status = conclude(folder, layout, stuck)
    if not quiet and certify:
        rich.console.Console(stderr=True).print("certifying the variants' cells", highlight=False)
    tree = export(folder, layout, url=storage, certify=certify)
    for line in claim_lines(tree):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for written in [path / DATASET, *write(tree, path)]:
        console.print(f"wrote {written}", markup=False, highlight=False, soft_wrap=True)
    return DONE if status == DONE else status


def _left(folder: Folder, layout: Layout) -> bool:
    return bool(remaining(folder, layout) or untried(folder, layout))


def _current(folder: Folder, layout: Layout) -> bool:
    """Whether the dataset and its report are there and say what the records say."""
    path, page = folder.path / DATASET, folder.path / "report.md"
    if not (path.exists() and page.exists()):
        return False
    try:
        tree = load(path)
    except AblationError:  # damaged, or of another version: it is written anew
        return False
    for task, node in tree.children["runs"].children.items():
        cells = [cell for cell in layout.cells if cell.task == task]
        records = [[folder.record(cell.key, seed) for seed in layout.seeds] for cell in cells]
        found = [["" if one is None else one.result for one in row] for row in records]
        if found != node.to_dataset()["record_sha256"].values.tolist():
            return False
    return str(tree.attrs["content_hash"])[:16] in page.read_text(encoding="utf-8")
