"""How a forget gate is initialized or activated."""

from __future__ import annotations

from ablations.core.axis import Axis, Level

AXIS = Axis(
    "gate-initial",
    "initialization of the forget gate",
    (
        Level("standard", cell=""),
        Level("chrono", cell="c"),
        Level("ordered", cell="o"),
        Level("uniform", cell="u"),
    ),
    "Gu et al. 2020, section 4: -, C, O (cumax), U (UGI)",
)
