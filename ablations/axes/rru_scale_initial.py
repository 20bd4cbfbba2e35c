"""Where RRU's learned scale begins."""

from __future__ import annotations

from ablations.core.axis import Axis, Level, Requires

AXIS = Axis(
    "rru-scale-initial",
    "initial scale of the old state",
    (Level("uniform", {"s_init": "uniform"}), Level("0.95", {"s_init": 0.95})),
    "RRU section 7, table 2: S initialized with 0.95",
    requires=(
        Requires("0.95", "rru-scale", ("learned",), "a scale that is 1 has no initial value"),
    ),
)
