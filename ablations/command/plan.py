"""``python -m ablations plan``: what a plan comes to, before anything runs."""

from __future__ import annotations

import json as json_module
from typing import Annotated, Any

import rich.box
import rich.console
import typer
from rich.table import Table

from ablations.command.options import PlanName, ProfileName, Seeds
from ablations.core.job import Layout, lay_out
from ablations.core.registry import get_plan
from ablations.core.tuning import spelled


def command(
    plan: PlanName,
    *,
    profile: ProfileName = "laptop",
    seeds: Seeds = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Print the cells of the design, the runs they come to, and the impossible ones with the rule."""
    layout = lay_out(get_plan(plan), profile, seeds)
    jobs = layout.jobs()
    if json:
        content = {
            "plan": layout.plan.name,
            "profile": profile,
            "seeds": list(layout.seeds),
            "cells": [
                {
                    "variant": c.variant.name, "levels": c.variant.levels, "cell": c.variant.cell,
                    "task": c.task, "key": c.key,
                }
                for c in layout.cells
            ],
            "impossible": [{"variant": i.name, "because": i.because} for i in layout.impossible],
            "jobs": len(jobs),
            "tuning": _tuning(layout),
        }  # fmt: skip
        typer.echo(json_module.dumps(content, indent=1))
        return
    console = rich.console.Console()
    table = Table("variant", "cell", "tasks", "key", box=rich.box.SIMPLE, title=layout.plan.title)
    seen: dict[str, str] = {}
    for variant in layout.variants:
        own = [cell for cell in layout.cells if cell.variant is variant]
        same = seen.get(own[0].key)
        seen.setdefault(own[0].key, variant.name)
        note = own[0].key[:12] + (f" (as {same})" if same else "")
        table.add_row(variant.name, variant.cell, ", ".join(cell.task for cell in own), note)
    console.print(table)
    for one in layout.impossible:
        console.print(f"impossible: {one.name}: {one.because}", markup=False, soft_wrap=True)
    runs = len({cell.key for cell in layout.cells}) * len(layout.seeds)
    console.print(
        f"{len(layout.variants)} variants × {len(layout.plan.tasks)} tasks × {len(layout.seeds)} "
        f"seeds: {runs} runs "
        f"in {len(jobs)} jobs, profile {profile}; {len(layout.impossible)} combinations are impossible",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if layout.tuning is not None:
        console.print(_searches(layout), highlight=False, soft_wrap=True)


def _tuning(layout: Layout) -> dict[str, Any] | None:
    if layout.tuning is None:
        return None
    count = len(layout.tuned)
    return {**layout.tuning.plain(), "studies": count, "all_trials": count * layout.tuning.trials}


def _searches(layout: Layout) -> str:
    tuning, count = layout.tuning, len(layout.tuned)
    if tuning is None:
        return ""
    ranges = "; ".join(f"{key} {spelled(one)}" for key, one in tuning.searched.items())
    seeds = ", ".join(map(str, tuning.seeds))
    return (
        f"before them {count} searches × {tuning.trials} trials: {count * tuning.trials} tuning trials "
        f"with the seeds {seeds}, which are in no result; sampler {tuning.sampler}, pruner "
        f"{tuning.pruner}: {ranges}"
    )
