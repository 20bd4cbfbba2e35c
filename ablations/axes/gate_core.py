"""The cell whose forget gate is changed."""

from __future__ import annotations

from ablations.core.axis import Axis, Level

AXIS = Axis(
    "gate-core",
    "cell around the gate",
    (Level("lstm", cell="lstm"), Level("gru", cell="gru")),
    "Gu et al. 2020, section 4 and appendix: LSTM, GRU",
)
