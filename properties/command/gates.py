"""``python -m properties gates``: the figures of docs/gates.md, computed and written, or compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from properties.command.generated import refresh, rewrite
from properties.report.gate_figure import figure
from properties.report.gate_page import block

app = typer.Typer(add_completion=False)
DOCS = Path(__file__).resolve().parents[2] / "docs"


@app.command()
def command(
    *, check: Annotated[bool, typer.Option("--check", help="write nothing, fail if stale")] = False
) -> int:
    """Measure the gates of the page and write its tables and its picture."""
    return write(DOCS, check=check)


def write(docs: Path, *, check: bool) -> int:
    """Bring gates.md and gates.svg in ``docs`` up to date, or with ``check`` only look: 1 where one is stale.

    Raises :class:`properties.core.errors.UsageError` where the page or its markers are missing.
    """
    return max(
        refresh(docs / "gates.md", "gates", block(), check=check),
        rewrite(docs / "gates.svg", figure(), check=check),
    )
