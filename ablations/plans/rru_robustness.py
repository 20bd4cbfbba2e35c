"""RRU's robustness against learning rate and number of parameters, with and without normalization."""

from __future__ import annotations

from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="rru-robustness",
    title="RRU over learning rates and numbers of parameters, with and without normalization",
    cell="rru",
    tasks=("nottingham",),
    protocols={"nottingham": "rru-nottingham-robustness"},
    axes=(get_axis("learning-rate"), get_axis("parameters"), get_axis("rru-normalization")),
    design="factorial",
    source="RRU section 5 and appendix A.2, figures 2, 3 and 9",
    scaled={"laptop": {"training.examples": 6_000}},  # the grid is 200 runs
    seeds={"smoke": 1, "laptop": 1, "paper": 1},
)
