"""Every cell of the catalogue at one number of parameters."""

from __future__ import annotations

from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="comparison-parameters",
    title="Every cell of the catalogue at an equal number of parameters",
    cell="{catalogue}",
    tasks=("adding",),
    axes=(get_axis("catalogue"),),
    source="RRU section 4 compares under a budget of parameters, GATO section 5 as 'same param'",
    scaled={
        "smoke": {"model.parameters": 1_000},
        "laptop": {"model.parameters": 20_000},
        "paper": {"model.parameters": 500_000},
    },
    seeds={"smoke": 2, "laptop": 3, "paper": 3},
)
