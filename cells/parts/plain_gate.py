"""A sigmoid gate of one pre-activation per unit, behind the interface of :class:`cells.parts.gates.Gate`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cells.parts.gates import Coefficients


class PlainGate:
    """Keep σ(a), write σ(β − a).

    ``units``: H; ``offset``: β, 0 where what is written and what is kept sum to 1. It has no
    parameters, and is no module: a cell can make one wherever it needs it.
    """

    def __init__(self, units: int, offset: float = 0.0) -> None:
        self.blocks: Mapping[str, int] = {"forget": units}
        self.offset = offset

    def __call__(self, forget: Tensor) -> Coefficients:
        r"""``forget`` a: (\*batch, H), as are both coefficients."""
        # σ(β − a), since 1 − σ(a − β) loses its small values to rounding
        return Coefficients(torch.sigmoid(forget), torch.sigmoid(self.offset - forget))
