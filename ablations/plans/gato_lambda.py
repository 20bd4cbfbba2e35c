"""GATO's decay of the recurrent part."""

from __future__ import annotations

from ablations.core.expect import Expect
from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="gato-lambda",
    title="GATO's decay of the recurrent part",
    cell="gato-2",
    tasks=("adding", "copying"),
    axes=(get_axis("gato-lambda"),),
    source="GATO section 5.1",
    expect=(
        Expect(
            "λ = 0.5 performs similarly to 0.7",
            "section 5.1",
            "similar to",
            {"gato-lambda": "0.5"},
            {},
        ),
    ),
)
