"""``python -m ablations export STUDY``: the dataset of what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import rich.console
import typer

from ablations.command.ending import conclude
from ablations.command.options import Storage, Study
from ablations.dataset.export import export
from ablations.ledger.folder import DATASET, Folder


def command(
    study: Study,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help=".nc or .zarr; default: study.nc in the folder"
        ),
    ] = None,
    storage: Storage = None,
    certify: Annotated[bool, typer.Option(help="judge each variant's cell")] = True,
) -> int:
    """Write the dataset of a study, whole or half done; docs/schema.md describes it."""
    folder = Folder(study)
    layout = folder.layout()
    tree = export(folder, layout, url=storage, out=out, certify=certify)
    rich.console.Console().print(
        f"wrote {out or study / DATASET}, content {tree.attrs['content_hash'][:16]}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    return conclude(folder, layout)
