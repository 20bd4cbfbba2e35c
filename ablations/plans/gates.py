"""The grid of gates: what the forget gate begins as, against the gate beside it."""

from __future__ import annotations

from ablations.core.expect import Expect
from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="gates",
    title="Refine, master and no auxiliary gate under four initializations",
    cell="{gate-initial}{gate-auxiliary}-{gate-core}",
    aliases={"-lstm": "lstm-tied", "-gru": "gru"},
    tasks=("adding", "copying", "mnist-rows"),
    protocols={
        "adding": "gating-adding",
        "copying": "gating-copying",
        "mnist-rows": "gating-mnist-rows",
    },
    axes=(get_axis("gate-initial"), get_axis("gate-auxiliary"), get_axis("gate-core")),
    design="factorial",
    seeds={"smoke": 2, "laptop": 5, "paper": 10},  # 24 variants; below five no interval is given
    source="Gu et al. 2020, sections 4 and 5",
    expect=(
        Expect(
            "with uniform initialization the refine gate is not worse than the master gate",
            "section 5",
            "not better than",
            {"gate-initial": "uniform", "gate-auxiliary": "master"},
            {"gate-initial": "uniform", "gate-auxiliary": "refine"},
        ),
        Expect(
            "standard initialization is not better than uniform",
            "section 5",
            "not better than",
            {},
            {"gate-initial": "uniform"},
        ),
    ),
)
