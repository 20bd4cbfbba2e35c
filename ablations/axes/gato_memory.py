"""GATO's memory update: residual, none, or overwritten."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "gato-memory",
    "memory update of GATO",
    {"residual": "residual", "zero": "zero", "overwritten": "no_residual"},
    "GATO section 4.1; appendix A: s set to 0, s set to g",
    key="s_mode",
)
