"""The compact table that ends a run: ratios, verdicts, goals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rich.box
import rich.console
import rich.table
from goals import GOALS, assess

MARKS = {"held": "", "slower": "SLOWER", "faster": "faster", "reported": "·", "busy": "busy"}


def show(run: Any, write: Callable[[str], None]) -> None:
    """Write the table of ``run``, a ``SpeedRun``, line by line."""
    console = rich.console.Console(width=150, no_color=True, force_terminal=False)
    with console.capture() as captured:
        console.print(results(run))
        console.print(goals(run))
    for line in captured.get().rstrip().splitlines():
        write(line.rstrip())
    unmeasured = [
        goal.name
        for goal in GOALS
        if goal.concerns(run.environment) and assess(goal, run.results).word == "not measured"
    ]
    if unmeasured:
        write(f"goals not measured in this run: {', '.join(dict.fromkeys(unmeasured))}")
    for name, reason in run.absent.items():
        write(f"not measured: {name}: {reason}")
    environment = run.environment
    write(
        f"{environment.device} · torch {environment.torch} · {environment.kernels} · cuDNN "
        f"{environment.cudnn} · {environment.threads} thread(s) · {run.why}"
    )


def results(run: Any) -> rich.table.Table:
    """One row per result."""
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading in ("workload", "implementation", "by"):
        table.add_column(heading, no_wrap=True)
    for heading in ("one call", "ratio", "quartiles", "rounds", "of stored"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("to", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name, one in run.results.items():
        verdict = run.verdicts[name]
        stored = run.stored.results.get(name) if run.stored else None
        share = f"{one.ratio / stored.ratio:.2f}" if stored and stored.shape == one.shape else "–"
        table.add_row(
            one.workload, one.implementation, one.backend, duration(one.seconds), f"{one.ratio:.3g}",
            f"{one.lower:.3g}–{one.upper:.3g}", str(one.rounds), share, one.reference,
            MARKS[verdict.status],
        )  # fmt: skip
    return table


def goals(run: Any) -> rich.table.Table:
    """One row per goal that was measured."""
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading in ("goal", "", "expected", "found"):
        table.add_column(heading, no_wrap=heading != "expected")
    for goal in GOALS:
        if goal.concerns(run.environment):
            word, found = assess(goal, run.results)
            if word != "not measured":
                table.add_row(goal.name, word, goal.statement, found)
    return table


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
