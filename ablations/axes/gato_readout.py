"""GATO's decoder of the memory."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "gato-readout",
    "readout of the memory",
    {"cos": "cos", "sin": "sin"},
    "GATO section 4.2; appendix B.2",
    key="gamma",
)
