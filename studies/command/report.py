"""``python -m studies report``: docs/results.md and its picture from the stored runs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import rich.console
import typer

from studies.core.atomic import write_atomically
from studies.core.errors import StudyError
from studies.run import report

_ROOT = Path(__file__).parents[2]


def command(
    folder: Annotated[Path, typer.Argument(help="a folder of results (*.nc)")] = _ROOT
    / "studies"
    / "results",
    *,
    out: Annotated[
        Path, typer.Option(metavar="FILE.md", help="the page; its picture stands beside it")
    ] = _ROOT / "docs" / "results.md",
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail if stale")] = False,
) -> None:
    """Write the page of results, or check that it says what the stored runs say."""
    results = report.load(folder)
    image = out.with_suffix(".svg")
    made = {
        out: report.page(results, image.name).encode(),
        image: report.picture(results),
    }
    if check:
        made.pop(image)  # drawn anew by another version of matplotlib it would differ
        stale = [str(p) for p, text in made.items() if not p.exists() or p.read_bytes() != text]
        if stale:
            raise StudyError(
                f"{', '.join(stale)}: stale; expected what `python -m studies report` writes: run it"
            )
        return
    for path, content in made.items():
        write_atomically(path, functools.partial(Path.write_bytes, data=content))
        rich.console.Console().print(f"wrote {path}", markup=False, soft_wrap=True)
