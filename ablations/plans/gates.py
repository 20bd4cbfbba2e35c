"""The grid of gates: what the forget gate begins as, against the gate beside it."""

from __future__ import annotations

from ablations.core.expect import Expect
from ablations.core.plan import Plan
from ablations.core.registry import get_axis

UNIFORM = {"gate-initial": "uniform"}


def _claims(core: str) -> tuple[Expect, ...]:
    """The paper claims them for every gate beside; these are the ones around its own proposal, UR.

    The rest of the grid is in the table of effects, averaged over the other axes.
    """
    cell = {"gate-core": core} if core != "lstm" else {}
    refined = {**cell, **UNIFORM, "gate-auxiliary": "refine"}
    source = "section 5"
    return (
        Expect(
            f"{core}: with uniform initialization the refine gate is better than the master gate",
            source,
            "better than",
            refined,
            {**cell, **UNIFORM, "gate-auxiliary": "master"},
        ),
        Expect(
            f"{core}: with uniform initialization the refine gate is better than none",
            source,
            "better than",
            refined,
            {**cell, **UNIFORM},
        ),
        Expect(
            f"{core}: uniform initialization is better than the standard one",
            source,
            "better than",
            {**cell, **UNIFORM},
            cell,
        ),
        Expect(
            f"{core}: uniform initialization is comparable to the ordered gate",
            source,
            "similar to",
            {**cell, **UNIFORM},
            {**cell, "gate-initial": "ordered"},
        ),
    )


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
    expect=(*_claims("lstm"), *_claims("gru")),
)
