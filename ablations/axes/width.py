"""The width of the recurrent layer, which stands for its parameter count where a machine is small."""

from __future__ import annotations

from ablations.core.axis import knob

AXIS = knob(
    "width",
    "width of the recurrent layer",
    {str(size): size for size in (128, 32, 64, 256)},
    "RRU section 5 crosses parameter counts; a width is a count that every profile can scale",
    key="model.hidden_size",
)
