"""RRU's robustness against learning rate and size, with and without normalization."""

from __future__ import annotations

from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="rru-robustness",
    title="RRU over learning rates and sizes, with and without normalization",
    cell="rru",
    tasks=("nottingham",),
    protocols={"nottingham": "rru-nottingham-robustness"},
    axes=(get_axis("learning-rate"), get_axis("width"), get_axis("rru-normalization")),
    design="factorial",
    source="RRU section 5, figures 2, 3 and 9",
    seeds={"smoke": 1, "laptop": 1, "paper": 1},
)
