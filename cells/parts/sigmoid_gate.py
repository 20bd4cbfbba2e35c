"""A sigmoid gate whose complement nothing is multiplied by, as a function of its pre-activation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class SigmoidGate:
    """σ(a), one pre-activation for each of ``units`` units; it has no parameters and is no module."""

    def __init__(self, units: int) -> None:
        self.blocks: Mapping[str, int] = {"preactivation": units}

    def __call__(self, preactivation: Tensor) -> Tensor:
        r"""``preactivation`` a: (\*batch, units), as is the gate."""
        return torch.sigmoid(preactivation)
