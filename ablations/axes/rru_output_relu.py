"""RRU with a ReLU over candidate and output."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "rru-output-relu",
    "ReLU over c and o",
    {"no": False, "yes": True},
    "RRU section 7, table 2: ReLU over c and o_t",
    key="relu_out",
)
