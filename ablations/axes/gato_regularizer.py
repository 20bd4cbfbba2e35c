"""What GATO bounds its recurrent part with."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "gato-regularizer",
    "bound on the recurrent part",
    {"sigmoid": "sigmoid", "tanh": "tanh"},
    "GATO section 4.4; appendix B.1",
    key="reg",
)
