"""GATO's readout: cos or sin."""

from __future__ import annotations

from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="gato-readout",
    title="GATO's readout: cos or sin",
    cell="gato-2",
    tasks=("adding", "copying"),
    axes=(get_axis("gato-readout"),),
    source="GATO section 4.2 and appendix A",
)
