"""What GATO bounds its recurrent part with."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "gato-regularizer",
    "bound on the recurrent part",
    {"sigmoid": "sigmoid", "tanh": "tanh"},
    "GATO section 5.1; appendix A",
    key="reg",
)
