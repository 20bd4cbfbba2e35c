"""``python -m ablations repro STUDY``: run one job again and compare it with its records."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import rich.console
import torch
import typer

from ablations.command.options import Data, Device, Study
from ablations.core.errors import AblationError
from ablations.core.job import Job, job_key
from ablations.ledger.execute import Surroundings, execute
from ablations.ledger.folder import Folder
from studies.core.registry import near


def command(
    study: Study,
    *,
    variant: Annotated[str, typer.Option(help="as `status` prints it")] = "baseline",
    task: Annotated[str | None, typer.Option(help="default: the plan's first")] = None,
    data: Data = None,
    device: Device = "auto",
) -> int:
    """Train the block of a variant again, beside its records, and say whether every number is the same."""
    torch.set_num_threads(1)
    folder = Folder(study)
    layout = folder.layout()
    wanted = task or layout.plan.tasks[0]
    cells = {cell.variant.name: cell for cell in layout.cells if cell.task == wanted}
    if variant not in cells:
        raise AblationError(
            f"no variant is called {variant!r} on {wanted}{near(variant, cells)}; there are "
            f"{', '.join(cells)}"
        )
    cell = cells[variant]
    known = {s: folder.record(cell.key, s) for s in layout.seeds}
    blocks = {tuple(r.provenance["block"]) for r in known.values() if r is not None}
    if not blocks:
        raise AblationError(f"{variant} on {wanted} has no record yet: run the study first")
    console = rich.console.Console()
    unequal = 0
    for block in sorted(blocks):
        # of a cell that was tuned: with the values that its records say they were measured with
        settings = next(r.about.get("tuned") for r in known.values() if r is not None)
        job = Job(cell, block, job_key(cell.key, block), settings)
        with tempfile.TemporaryDirectory() as place:
            again = execute(
                job, Path(place) / "checkpoint", 1, Surroundings(data, device), lambda *_: None
            )
        for record in again:
            there = known.get(record.seed)
            same = there is not None and there.result == record.result
            unequal += not same
            console.print(
                f"seed {record.seed}: {'the same, bit for bit' if same else 'differs'}",
                highlight=False,
            )
    return 1 if unequal else 0
