"""Every cell of the catalogue at one width."""

from __future__ import annotations

from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="comparison",
    title="Every cell of the catalogue at equal width",
    cell="{catalogue}",
    tasks=("adding",),
    axes=(get_axis("catalogue"),),
    source="GATO section 5.1 compares at equal width",
    seeds={"smoke": 2, "laptop": 3, "paper": 3},
)
