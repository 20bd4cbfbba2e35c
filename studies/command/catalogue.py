"""``python -m studies list``: tasks with metric and protocol, and the cells."""

from __future__ import annotations

import rich.box
import rich.console
from rich.table import Table

import cells
from studies.core.protocol import protocols
from studies.core.registry import task_class, task_names


def command() -> None:
    """List the tasks, their protocols, and the cells that can be trained on them."""
    console = rich.console.Console()
    table = Table("task", "what it asks", "data", "protocols", box=rich.box.SIMPLE)
    by_task: dict[str, list[str]] = {}
    for protocol in protocols().values():
        by_task.setdefault(protocol.task, []).append(protocol.name)
    for name in task_names():
        kind = task_class(name)
        table.add_row(
            name, kind.summary, kind.corpus or "generated", ", ".join(by_task.get(name, ["none"]))
        )
    console.print(table)
    console.print(f"cells: {', '.join(cells.names())}", soft_wrap=True, highlight=False)
