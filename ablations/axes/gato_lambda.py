"""GATO's decay of the recurrent part."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "gato-lambda",
    "decay of the recurrent part",
    {"0.7": 0.7, "0.5": 0.5},
    "GATO section 5.1",
    key="lam",
)
