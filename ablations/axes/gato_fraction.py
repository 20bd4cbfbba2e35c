"""The share of GATO's width that is memory."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "gato-fraction",
    "share of the width that is memory",
    {"1/2": 0.5, "1/4": 0.25, "0": 0.0},
    "GATO appendix A; 0: the cell without its memory",
    key="s_fraction",
)
