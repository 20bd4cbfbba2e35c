"""RRU's dropout study."""

from __future__ import annotations

from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="rru-dropout",
    title="RRU over dropout rates",
    cell="rru",
    tasks=("nottingham",),
    protocols={"nottingham": "rru-nottingham-dropout"},
    axes=(get_axis("dropout"),),
    source="RRU section 6, figure 4",
    seeds={"smoke": 2, "laptop": 3, "paper": 3},
)
