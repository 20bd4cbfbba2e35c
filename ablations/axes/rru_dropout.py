"""Recurrent dropout."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "dropout",
    "recurrent dropout",
    {str(rate): rate for rate in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)},
    "RRU section 6, appendix A.3: from 0.0 to 0.9",
)
