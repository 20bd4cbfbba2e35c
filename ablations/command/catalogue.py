"""``python -m ablations list``: the plans and the axes."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import rich.box
import rich.console
import typer
from rich.table import Table

from ablations.core.registry import axes, plans


def command(*, json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """List the plans (what can be run) and the axes (what they are made of)."""
    if json:
        content = {
            "plans": {
                name: {
                    "title": p.title,
                    "tasks": p.tasks,
                    "axes": [a.name for a in p.axes],
                    "design": p.design,
                }
                for name, p in plans().items()
            },
            "axes": {name: [lv.name for lv in axis.levels] for name, axis in axes().items()},
        }
        typer.echo(json_module.dumps(content, indent=1))
        return
    console = rich.console.Console()
    table = Table("plan", "question", "tasks", "axes", "source", box=rich.box.SIMPLE)
    for name, plan in plans().items():
        names = (" × " if plan.design == "factorial" else ", ").join(a.name for a in plan.axes)
        table.add_row(name, plan.title, ", ".join(plan.tasks), names, plan.source)
    console.print(table)
    table = Table(
        "axis", "what it changes", "levels, baseline first", "source", box=rich.box.SIMPLE
    )
    for name, axis in axes().items():
        table.add_row(name, axis.title, ", ".join(lv.name for lv in axis.levels), axis.source)
    console.print(table)
