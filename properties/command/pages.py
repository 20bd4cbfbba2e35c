"""``python -m properties pages``: what the pages say of the cells, written from certificates, or compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import cells
from properties.command.delivery import Order, carry_out
from properties.command.generated import refresh, rewrite
from properties.core.certificate import Certificate
from properties.report.catalogue import PAGE, catalogue, readme_catalogue, readme_matrix

app = typer.Typer(add_completion=False)
ROOT = Path(__file__).resolve().parents[2]


@app.command()
def command(
    *,
    check: Annotated[bool, typer.Option("--check", help="write nothing, fail if stale")] = False,
    jobs: Annotated[int, typer.Option(help="processes; 0: one per core")] = 0,
) -> int:
    """Certify every registered cell once (profile dev) and write all pages that show verdicts.

    They are the README's matrix and catalogue, and docs/catalogue.md.
    """
    orders = [Order(name) for name in cells.names()]
    deliveries = carry_out(orders, jobs or os.cpu_count() or 1, quiet=False)
    return write(ROOT, [d.certificate for d in deliveries], check=check)


def write(root: Path, certificates: Sequence[Certificate], *, check: bool) -> int:
    """Bring the pages below ``root`` up to date, or with ``check`` only look: 1 where one is stale.

    Raises :class:`properties.core.errors.UsageError` where the README or its markers are missing.
    """
    readme = root / "README.md"
    return max(
        refresh(readme, "matrix", readme_matrix(certificates), check=check),
        refresh(readme, "catalogue", readme_catalogue(certificates), check=check),
        rewrite(root / PAGE, catalogue(certificates), check=check),
    )
