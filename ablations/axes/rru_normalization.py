"""RRU with and without its normalization."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "rru-normalization",
    "normalization inside the cell",
    {"rms": "rms", "none": "none"},
    "RRU section 7, table 2: no normalization",
    key="norm",
)
