"""The learning rate, as a robustness study crosses it."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "learning-rate",
    "learning rate",
    {f"{rate:g}": rate for rate in (8e-4, 1e-4, 2e-4, 3e-4, 5e-4, 13e-4, 22e-4, 36e-4, 6e-3, 1e-2)},
    "RRU section 5, appendix A.2; the middle of the grid first",
    key="training.learning_rate",
)
