"""``python -m ablations worker STUDY`` and ``resume STUDY``: work on what is there."""

from __future__ import annotations

from typing import Annotated

import typer

from ablations.command.crew import crew, solo, worker_options
from ablations.command.ending import conclude
from ablations.command.options import Data, Device, MaxWall, Quiet, Storage, Study, Workers
from ablations.ledger.execute import Surroundings
from ablations.ledger.folder import Folder


def command(
    study: Study,
    *,
    workers: Workers = 1,
    storage: Storage = None,
    data: Data = None,
    device: Device = "auto",
    max_wall: MaxWall = None,
    quiet: Quiet = False,
) -> int:
    """Work on a study until nothing is left. As many workers as there are machines may do so at once."""
    folder = Folder(study)
    layout = folder.layout()
    stuck: list[str] = []
    if workers > 1:
        crew(study, workers, storage, worker_options(data, device, max_wall, quiet=quiet))
    else:
        around = Surroundings(data, device, max_seconds=max_wall, quiet=quiet)
        stuck = solo(folder, layout, storage, around)
    return conclude(folder, layout, stuck)


def resume(
    study: Study,
    *,
    lost: Annotated[bool, typer.Option("--lost", help="also what was lost too often")] = False,
    errors: Annotated[bool, typer.Option("--errors", help="also what ended with an error")] = False,
    oom: Annotated[bool, typer.Option("--oom", help="also what ran out of memory")] = False,
    timeouts: Annotated[bool, typer.Option("--timeouts", help="also what took too long")] = False,
    storage: Storage = None,
    data: Data = None,
    device: Device = "auto",
    max_wall: MaxWall = None,
    quiet: Quiet = False,
) -> int:
    """Go on with a study, trying again what failed in the ways that are named."""
    folder = Folder(study)
    layout = folder.layout()
    asked = {"lost": lost, "error": errors, "oom": oom, "timeout": timeouts}
    around = Surroundings(data, device, max_seconds=max_wall, quiet=quiet)
    stuck = solo(folder, layout, storage, around, [name for name, on in asked.items() if on])
    return conclude(folder, layout, stuck)
