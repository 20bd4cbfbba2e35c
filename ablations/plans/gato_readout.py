"""GATO's readout: cos or sin."""

from __future__ import annotations

from ablations.core.expect import Expect
from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="gato-readout",
    title="GATO's readout: cos or sin",
    cell="gato-2",
    tasks=("adding", "copying"),
    axes=(get_axis("gato-readout"),),
    source="GATO section 4.2 and appendix B.2",
    expect=(
        Expect(
            "sin performs similarly to cos",
            "appendix B.2, figures 7 and 8",
            "similar to",
            {"gato-readout": "sin"},
            {},
        ),
    ),
)
