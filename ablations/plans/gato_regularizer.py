"""GATO's bound on the recurrent part."""

from __future__ import annotations

from ablations.core.expect import Expect
from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="gato-regularizer",
    title="GATO's bound on the recurrent part",
    cell="gato-2",
    tasks=("adding", "copying"),
    axes=(get_axis("gato-regularizer"),),
    source="GATO section 4.4 and appendix B.1",
    expect=(
        Expect(
            "tanh performs similarly to sigmoid",
            "appendix B.1, figures 5 and 6",
            "similar to",
            {"gato-regularizer": "tanh"},
            {},
        ),
    ),
)
