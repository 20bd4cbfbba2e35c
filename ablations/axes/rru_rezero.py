"""The shape of RRU's ReZero parameter."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "rru-rezero",
    "shape of the ReZero parameter",
    {"vector": "vector", "scalar": "scalar"},
    "RRU section 7, table 2: single scalar ReZero",
    key="z_shape",
)
