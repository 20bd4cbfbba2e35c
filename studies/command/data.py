"""``python -m studies data``: which corpora are there and verified, what is missing, and fetching it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import rich.console
import rich.progress
import typer

from studies.data import fetch as fetching
from studies.data import listing
from studies.data.registry import get

app = typer.Typer(
    no_args_is_help=False, help="List the corpora, or fetch one that is openly published."
)
_Folder = Annotated[Path | None, typer.Option("--data", help="default: $DESIDERATA_DATA")]


@app.callback(invoke_without_command=True)
def list_corpora(context: typer.Context, data: _Folder = None) -> None:
    """Say of every file whether it is verified, present, missing or wrong, and where people get it."""
    if context.invoked_subcommand is not None:
        return
    console = rich.console.Console()
    found = listing.rows(data)
    console.print(listing.table(found))
    wanted = listing.wanted_table(found)
    if wanted is not None:
        console.print(wanted)


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="a corpus")], data: _Folder = None) -> None:
    """Download what is missing of one corpus; each file is kept only if its checksum agrees."""
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(console=console, transient=True) as progress:
        checks = fetching.fetch(get(name), data, progress)
    for check in checks:
        rich.console.Console().print(
            f"{check.file.name}: {check.status} {check.path or ''}", markup=False, soft_wrap=True
        )
