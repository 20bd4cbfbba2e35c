"""Recurrent dropout: the candidate is masked, the carried state never is."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cells.parts.sizes import one_of

MaskScope = Literal["step", "sequence"]


class RecurrentDropout(nn.Module):
    """Inverted dropout of a cell's candidate (Semeniuta et al., section 4.1); the identity in eval mode.

    ``probability``: that of dropping a unit, in [0, 1); ``scope``: "step" draws a mask at every step,
    "sequence" one for as long as a state is carried. A mask that lasts is a field of the state, drawn by
    :meth:`draw` where the state begins: the step stays a function of its arguments. Masks come from
    torch's global generator. In training what is written is larger by up to 1/(1 − probability).

    Raises ``ValueError`` for another probability or scope.
    """

    def __init__(self, probability: float, scope: MaskScope) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(
                f"dropout: expected a probability from 0 up to, not including, 1, got {probability!r}; "
                "pass 0 for none"
            )
        one_of("mask_scope", scope, ("step", "sequence"))
        self.probability, self.scope = probability, scope

    @property
    def carries_mask(self) -> bool:
        """Whether the state needs a field for the mask."""
        return self.scope == "sequence" and self.probability > 0

    @property
    def gain(self) -> float:
        """The largest factor by which a kept unit is scaled: 1/(1 − probability)."""
        return 1 / (1 - self.probability)

    def draw(self, like: Tensor) -> Tensor:
        """Return a boolean mask of what is kept, shaped as ``like``; all of it in eval mode."""
        if not self.training:
            return torch.ones_like(like, dtype=torch.bool)
        return torch.rand_like(like) >= self.probability

    def forward(self, candidate: Tensor, mask: Tensor | None = None) -> Tensor:
        """``candidate`` (\\*batch, H), masked and scaled in training; ``mask``: from the state, if any.

        Raises ``ValueError`` in training where a mask is carried and none is given.
        """
        if not self.training or self.probability == 0:
            return candidate
        if not self.carries_mask:
            return F.dropout(candidate, self.probability)
        if mask is None:
            raise ValueError(
                "mask_scope='sequence' expects the mask in the state: start from cell.initial_state() "
                "in training mode, got a state without one"
            )
        return torch.where(mask, self.gain * candidate, torch.zeros_like(candidate))
