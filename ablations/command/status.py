"""``python -m ablations status STUDY``: what the plan asks for, compared with what is on disk."""

from __future__ import annotations

import json as json_module
import time
from collections import Counter
from typing import Annotated, Any

import rich.box
import rich.console
import typer
from rich.table import Table

from ablations.command.ending import DONE, MISSING
from ablations.command.options import Storage, Study
from ablations.core.job import Layout
from ablations.ledger.folder import Folder
from ablations.ledger.worker import Worker


def command(
    study: Study,
    *,
    storage: Storage = None,
    watch: Annotated[bool, typer.Option("--watch", help="again every five seconds")] = False,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> int:
    """Print runs done, under way and missing per variant and task, with the reason of what failed."""
    while True:
        folder = Folder(study)
        layout = folder.layout()
        attempts = Worker(folder, layout, storage).attempts()
        content = summary(folder, layout, attempts)
        if json:
            typer.echo(json_module.dumps(content, indent=1))
        else:
            _show(content)
        if not watch or not content["missing"]:
            return MISSING if content["missing"] else DONE
        time.sleep(5)


def summary(folder: Folder, layout: Layout, attempts: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts from the records; the ledger only says what is under way and why something failed."""
    rows: list[dict[str, Any]] = []
    for cell in layout.cells:
        records = [folder.record(cell.key, seed) for seed in layout.seeds]
        outcomes = Counter(record.outcome for record in records if record is not None)
        own = [
            a for a in attempts if (a["task"], a["variant_name"]) == (cell.task, cell.variant.name)
        ]
        last = own[-1] if own else {"ending": "", "reason": ""}
        rows.append(
            {
                "variant": cell.variant.name, "task": cell.task, "planned": len(records),
                "done": sum(outcomes.values()), "diverged": outcomes["diverged"],
                "attempts": len(own), "last": last["ending"], "reason": last["reason"],
            }
        )  # fmt: skip
    endings = Counter(attempt["ending"] for attempt in attempts)
    return {
        "plan": layout.plan.name,
        "profile": layout.profile,
        "runs": rows,
        "missing": sum(row["planned"] - row["done"] for row in rows),
        "attempts": dict(sorted(endings.items())),
        "quarantine": folder.damaged(),
    }


def _show(content: dict[str, Any]) -> None:
    console = rich.console.Console()
    table = Table(
        "variant", "task", "done", "diverged", "attempts", "last", box=rich.box.SIMPLE,
        title=f"{content['plan']}, {content['profile']}",
    )  # fmt: skip
    for row in content["runs"]:
        last = row["last"] + (
            f": {row['reason']}" if row["reason"] and row["done"] < row["planned"] else ""
        )
        table.add_row(
            row["variant"], row["task"], f"{row['done']} of {row['planned']}", str(row["diverged"]),
            str(row["attempts"]), last,
        )  # fmt: skip
    console.print(table)
    told = ", ".join(f"{count} {name}" for name, count in content["attempts"].items()) or "none"
    console.print(
        f"{content['missing']} runs are missing; attempts: {told}", highlight=False, soft_wrap=True
    )
