"""Stacked affine maps of (x, h), dense or diagonal in h, with the number of stored biases as a knob."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cells.parts.input_map import InputMap


class Affine(nn.Module):
    """Affine maps L_k(x, h) = W_k x + U_k h + b_k, stacked along the first axis.

    ``blocks`` is how many maps there are, each with H rows, or the number of rows of every map.
    ``weight_ih`` is ``(rows, D)``; ``weight_hh`` is ``(rows, H)``, or ``(rows,)`` where ``diagonal``
    (then U_k is a vector). ``n_b`` biases per map are stored, since published parameter counts differ in
    it: 0, 1 (``bias_ih``) or 2 (``bias_ih`` and ``bias_hh``, which are summed). Raises ``ValueError``
    for another ``n_b``, and for a diagonal map that has not H rows.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        blocks: int | Sequence[int],
        *,
        n_b: Literal[0, 1, 2] = 1,
        diagonal: bool = False,
    ) -> None:
        super().__init__()
        if n_b not in (0, 1, 2):
            raise ValueError(
                f"n_b: expected 0, 1 or 2 stored biases per affine map, got {n_b!r}; use 1, or 2 to count "
                "parameters as torch's own cells do"
            )
        self.rows = (hidden_size,) * blocks if isinstance(blocks, int) else tuple(blocks)
        if diagonal and any(rows != hidden_size for rows in self.rows):
            raise ValueError(
                f"a diagonal map has as many rows as the state: expected {hidden_size}, got "
                f"{self.rows}; use diagonal=False"
            )
        width = sum(self.rows)
        self.blocks = len(self.rows)
        self.diagonal = diagonal
        self.weight_ih = nn.Parameter(torch.empty(width, input_size))
        self.weight_hh = nn.Parameter(
            torch.empty(*((width,) if diagonal else (width, hidden_size)))
        )
        self.bias_ih = nn.Parameter(torch.empty(width)) if n_b >= 1 else None
        self.bias_hh = nn.Parameter(torch.empty(width)) if n_b == 2 else None

    @property
    def of_inputs(self) -> InputMap:
        """W x + b as a map by itself."""
        return InputMap(self.weight_ih, self.bias())

    def input_part(self, x: Tensor) -> Tensor:
        """W x + b: the part that does not depend on the state, ``(*batch, rows)``."""
        return self.of_inputs(x)

    def bias(self) -> Tensor | None:
        """b: the sum of the stored biases, ``(rows,)``, or None where there are none."""
        if self.bias_ih is None or self.bias_hh is None:
            stored: Tensor | None = self.bias_ih
            return stored
        return self.bias_ih + self.bias_hh

    def state_part(self, h: Tensor, first: int = 0, last: int | None = None) -> Tensor:
        """U h of the blocks from ``first`` up to, not including, ``last``: ``(*batch, their rows)``."""
        return self.state_map(self.state_weight(first, last), h)

    def state_weight(self, first: int = 0, last: int | None = None) -> Tensor:
        """U of those blocks: ``(their rows, H)``, or ``(their rows,)`` where ``diagonal``."""
        begin, end = sum(self.rows[:first]), sum(self.rows[:last])
        # the backward of a slice fills a whole weight, so none is taken where it would be all of it
        whole = (begin, end) == (0, self.weight_hh.shape[0])
        return self.weight_hh if whole else self.weight_hh[begin:end]

    def state_map(self, weight: Tensor, h: Tensor) -> Tensor:
        """U h, for a U of one or more blocks as :meth:`state_weight` gives it."""
        if not self.diagonal:
            return F.linear(h, weight)
        width = h.shape[-1]
        if weight.shape[0] == width:
            return weight * h
        # broadcast over the blocks, since a repeated h would be copied at every step
        products: Tensor = weight.unflatten(0, (-1, width)) * h.unsqueeze(-2)
        return products.flatten(-2)

    def split(self, values: Tensor, first: int = 0, last: int | None = None) -> tuple[Tensor, ...]:
        """``values`` of the blocks from ``first`` up to ``last``, as one tensor per block."""
        return torch.split(values, list(self.rows[first:last]), -1)

    def biases(self, block: int) -> tuple[Tensor, ...]:
        """The stored biases of one block, as views ``(rows of the block,)``: as many as ``n_b``."""
        stored = (b for b in (self.bias_ih, self.bias_hh) if b is not None)
        return tuple(self.split(b)[block] for b in stored)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        """Every map at (x, h): one tensor ``(*batch, rows of the map)`` per block."""
        return self.split(self.input_part(x) + self.state_part(h))
