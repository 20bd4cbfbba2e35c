"""``python -m ablations doctor STUDY``: look for damage, and rebuild the journal from the records."""

from __future__ import annotations

import contextlib
from typing import Annotated

import rich.console
import typer

from ablations.command.ending import conclude
from ablations.command.options import Storage, Study
from ablations.core.errors import AblationError
from ablations.ledger.folder import Folder
from ablations.ledger.storage import JOURNAL
from ablations.ledger.worker import Worker, available


def command(
    study: Study,
    *,
    storage: Storage = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="a new journal from the records; the old one is kept")
    ] = False,
) -> int:
    """Check the records' hashes and the journal; damaged records become missing runs and are done again."""
    folder = Folder(study)
    layout = folder.layout()
    console = rich.console.Console()
    if rebuild:
        if storage:
            raise AblationError("--rebuild: expected a study with a journal file, got a database")
        journal = study / JOURNAL
        if journal.exists():
            kept = study / f"{JOURNAL}.{len(list(study.glob(f'{JOURNAL}.*'))) + 1}"
            journal.rename(kept)
            console.print(
                f"kept the old journal as {kept}", markup=False, highlight=False, soft_wrap=True
            )
    worker = Worker(folder, layout, storage)
    with contextlib.closing(worker), available(storage):
        for ledger in worker.ledgers:
            for line in ledger.fill():
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    conflicts = [*study.glob("runs/*.dup"), *study.glob("tuning/runs/*.dup")]
    for path in sorted(conflicts):
        console.print(
            f"two attempts of one run differ: {path.relative_to(study)}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    return conclude(folder, layout)
