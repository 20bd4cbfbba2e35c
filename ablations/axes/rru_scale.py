"""RRU's scale S of the old state: learned, or one."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "rru-scale",
    "scale of the old state",
    {"learned": "sigmoid", "one": "one"},
    "RRU section 7, table 2: S = 1",
    key="s_mode",
)
