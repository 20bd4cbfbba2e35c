"""GATO without its memory update, on a task for which the paper gives no ablation."""

from __future__ import annotations

from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="gato-memory-copying",
    title="GATO's memory update on the copying task",
    cell="gato-2",
    tasks=("copying",),
    axes=(get_axis("gato-memory"),),
    source="not in the paper, whose appendix A ablates the memory on adding; section 5.2 has the task",
)
