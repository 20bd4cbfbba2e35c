"""Every cell of the catalogue, the LSTM first."""

from __future__ import annotations

import cells
from ablations.core.axis import Axis, Level

AXIS = Axis(
    "catalogue",
    "recurrent cell",
    tuple(Level(name, cell=name) for name in ("lstm", *(n for n in cells.names() if n != "lstm"))),
    "the catalogue",
)
