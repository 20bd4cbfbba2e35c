"""``python -m ablations report FILE.nc``: tables and figures from a dataset, and from nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import rich.console
import typer

from ablations.core.errors import AblationError
from ablations.dataset.files import load
from ablations.report.curves import Style
from ablations.report.write import contents, write


def command(
    dataset: Annotated[Path, typer.Argument(metavar="FILE", help="a study's dataset")],
    *,
    out: Annotated[Path | None, typer.Option(help="a folder; default: beside the dataset")] = None,
    stem: Annotated[str, typer.Option(help="how the files' names begin")] = "report",
    style: Annotated[str, typer.Option(help=", ".join(get_args(Style)))] = "quartiles",
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail if stale")] = False,
) -> None:
    """Write Markdown, HTML, CSV and a picture per task."""
    if style not in get_args(Style):
        raise AblationError(f"--style: expected {' or '.join(get_args(Style))}, got {style!r}")
    tree = load(dataset)
    folder = out or dataset.parent
    if check:
        made = contents(tree, stem, style)  # type: ignore[arg-type]  # checked above
        texts = {name: text for name, text in made.items() if name.endswith((".md", ".csv"))}
        stale = [
            name
            for name, text in texts.items()
            if not (folder / name).exists() or (folder / name).read_bytes() != text
        ]
        if stale:
            raise AblationError(f"{', '.join(stale)}: stale: write them anew without --check")
        return
    for path in write(tree, folder, stem, style):  # type: ignore[arg-type]  # checked above
        rich.console.Console().print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)
