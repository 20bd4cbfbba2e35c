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
from ablations.core.job import Cell, Layout
from ablations.ledger.folder import Folder
from ablations.ledger.tried import choice, tried
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
        left = content["missing"] or content["tuning_missing"]
        if not watch or not left:
            return MISSING if left else DONE
        time.sleep(5)


def summary(folder: Folder, layout: Layout, attempts: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts from the records; the ledger only says what is under way and why something failed."""
    rows: list[dict[str, Any]] = []
    for cell in layout.cells:
        records = [folder.record(cell.key, seed) for seed in layout.seeds]
        outcomes = Counter(record.outcome for record in records if record is not None)
        last, count = _last(cell, attempts, tuning=False)
        rows.append(
            {
                "variant": cell.variant.name, "task": cell.task, "planned": len(records),
                "done": sum(outcomes.values()), "diverged": outcomes["diverged"],
                "attempts": count, "last": last["ending"], "reason": last["reason"],
            }
        )  # fmt: skip
    searches = [_search(folder, cell, attempts) for cell in layout.tuned]
    endings = Counter(attempt["ending"] for attempt in attempts)
    return {
        "plan": layout.plan.name,
        "profile": layout.profile,
        "runs": rows,
        "missing": sum(row["planned"] - row["done"] for row in rows),
        "tuning": searches,
        "tuning_missing": sum(row["planned"] - row["done"] for row in searches),
        "attempts": dict(sorted(endings.items())),
        "quarantine": folder.damaged(),
    }


def _last(
    cell: Cell, attempts: list[dict[str, Any]], *, tuning: bool
) -> tuple[dict[str, Any], int]:
    own = [
        one
        for one in attempts
        if (one["task"], one["variant_name"]) == (cell.task, cell.variant.name)
        and (one["tune_trial"] >= 0) == tuning
    ]
    return (own[-1] if own else {"ending": "", "reason": ""}), len(own)


def _search(folder: Folder, cell: Cell, attempts: list[dict[str, Any]]) -> dict[str, Any]:
    trials = tried(folder.searches, cell)
    states = Counter(one.state for one in trials if one is not None)
    last, count = _last(cell, attempts, tuning=True)
    found = choice(folder, cell)
    return {
        "variant": cell.variant.name, "task": cell.task, "planned": len(trials),
        "done": states.total(), "diverged": states["diverged"], "pruned": states["pruned"],
        "attempts": count, "last": last["ending"], "reason": last["reason"],
        "chosen": None if found is None else {"trial": found.number, **found.settings},
    }  # fmt: skip


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
    if content["tuning"]:
        console.print(_searches(content["tuning"]))
    told = ", ".join(f"{count} {name}" for name, count in content["attempts"].items()) or "none"
    console.print(
        f"{content['missing']} runs are missing; attempts: {told}", highlight=False, soft_wrap=True
    )
    if content["tuning"]:
        console.print(f"{content['tuning_missing']} tuning trials are missing", highlight=False)


def _searches(rows: list[dict[str, Any]]) -> Table:
    table = Table("variant", "task", "tried", "diverged", "pruned", box=rich.box.SIMPLE)
    table.title = "tuning"
    table.add_column("chosen, or last", overflow="fold")
    for row in rows:
        said = f"{row['last']}: {row['reason']}" if row["reason"] else row["last"]
        if row["chosen"] is not None:
            values = dict(row["chosen"])
            said = f"trial {values.pop('trial')}: " + ", ".join(
                f"{key} = {one:.4g}" if isinstance(one, float) else f"{key} = {one}"
                for key, one in values.items()
            )
        counts = [f"{row['done']} of {row['planned']}", str(row["diverged"]), str(row["pruned"])]
        table.add_row(row["variant"], row["task"], *counts, said)
    return table
