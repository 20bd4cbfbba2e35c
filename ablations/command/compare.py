"""``python -m ablations compare A.nc B.nc``: do two datasets of one plan say the same?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import rich.box
import rich.console
import typer
from rich.table import Table

from ablations.core.errors import AblationError
from ablations.dataset.files import load
from ablations.report.analysis import Row, analyze
from ablations.report.markdown import number

_File = Annotated[Path, typer.Argument(metavar="FILE.nc")]


def command(first: _File, second: _File) -> int:
    """Print means side by side and how many runs are equal bit for bit.

    Status 0 if all that both have are.
    """
    one, two = load(first), load(second)
    if one.attrs["suite"] != two.attrs["suite"]:
        raise AblationError(
            f"expected two datasets of one plan, got {one.attrs['suite']} and {two.attrs['suite']}"
        )
    console = rich.console.Console()
    table = Table("task", "variant", "first", "second", "equal runs", box=rich.box.SIMPLE)
    others = {section.task: {row.variant: row for row in section.rows} for section in analyze(two)}
    unequal = 0
    for section in analyze(one):
        for row in section.rows:
            other = others.get(section.task, {}).get(row.variant)
            if other is None:
                continue
            both, equal = _equal(row, other)
            unequal += both - equal
            table.add_row(
                section.task,
                row.variant,
                number(row.mean),
                number(other.mean),
                f"{equal} of {both}",
            )
    console.print(table)
    return 1 if unequal else 0


def _equal(row: Row, other: Row) -> tuple[int, int]:
    both = row.values.keys() & other.values.keys()
    return len(both), sum(row.values[seed] == other.values[seed] for seed in both)
