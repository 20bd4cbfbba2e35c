"""GATO's share of memory."""

from __future__ import annotations

from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="gato-fraction",
    title="GATO's share of memory",
    cell="gato-2",
    tasks=("adding", "copying"),
    axes=(get_axis("gato-fraction"),),
    source="GATO appendix A",
)
