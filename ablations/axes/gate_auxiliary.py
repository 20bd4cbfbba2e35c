"""The gate beside the forget gate."""

from __future__ import annotations

from ablations.core.axis import Axis, Level

AXIS = Axis(
    "gate-auxiliary",
    "auxiliary gate",
    (Level("none", cell=""), Level("master", cell="m"), Level("refine", cell="r")),
    "Gu et al. 2020, section 4: none, M (master), R (refine)",
)
