"""The six rows of RRU's table 2."""

from __future__ import annotations

from ablations.core.expect import Expect
from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="rru-parts",
    title="RRU's parts: what each is good for",
    cell="rru",
    tasks=("nottingham", "jsb-chorales"),
    axes=tuple(
        get_axis(name)
        for name in (
            "rru-normalization",
            "rru-rezero",
            "rru-output-relu",
            "rru-scale",
            "rru-scale-initial",
        )
    ),
    source="RRU section 7, table 2",
    # the margins between parts show long before the protocol's full run ends, and six variants are many
    scaled={"laptop": {"model.hidden_size": 64, "training.examples": 6_000}},
    expect=(
        Expect(
            "S = 1 hurts",
            "table 2: 3.56 against 2.92 on Nottingham",
            "better than",
            {},
            {"rru-scale": "one"},
            ("nottingham",),
        ),
        Expect(
            "a ReLU over c and o hurts",
            "table 2: 3.07 against 2.92 on Nottingham",
            "better than",
            {},
            {"rru-output-relu": "yes"},
            ("nottingham",),
        ),
    ),
)
