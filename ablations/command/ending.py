"""How a command about a study ends: what is missing, and the exit status."""

from __future__ import annotations

from collections.abc import Sequence

import rich.console

from ablations.core.job import Layout
from ablations.ledger.folder import Folder
from ablations.ledger.tried import strays, untried

DONE, MISSING = 0, 3


def conclude(folder: Folder, layout: Layout, stuck: Sequence[str] = ()) -> int:
    """Say how many runs are there, and why others are not; returns 0 or 3."""
    console = rich.console.Console()
    for line in stuck:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    keys = {cell.key for cell in layout.cells}
    planned = len(keys) * len(layout.seeds)
    missing = planned - len(folder.done(layout))
    damaged = folder.damaged()
    if damaged:
        console.print(
            f"{len(damaged)} damaged records were moved to {folder.path / 'quarantine'}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    other = strays(folder, layout)
    for line in other:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    waiting = 0
    if layout.tuning is not None:
        trials, waiting = len(layout.tuned) * layout.tuning.trials, untried(folder, layout)
        console.print(f"{trials - waiting} of {trials} tuning trials are done", highlight=False)
    console.print(f"{planned - missing} of {planned} runs are done", highlight=False)
    return MISSING if missing or waiting or other else DONE
