"""A small network for every unit: the increment of GATO with two layers (GATO section 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UnitNetworks(nn.Module):
    """F_j(x, r_j) = w2_j · ReLU(W1_j x + u1_j r_j + b1_j) + b2_j: one small network per memory unit."""

    def __init__(self, input_size: int, units: int, k: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(units, k, input_size))
        self.weight_hh = nn.Parameter(torch.empty(units, k))
        self.bias_ih = nn.Parameter(torch.empty(units, k))
        self.weight_out = nn.Parameter(torch.empty(units, k))
        self.bias_out = nn.Parameter(torch.empty(units))

    def forward(self, x: Tensor, r: Tensor) -> Tensor:
        """``x`` (\\*batch, D), ``r`` (\\*batch, units) to (\\*batch, units)."""
        inputs = F.linear(x, self.weight_ih.flatten(0, 1), self.bias_ih.flatten())
        inputs = inputs.unflatten(-1, self.weight_hh.shape)
        hidden = F.relu(torch.addcmul(inputs, self.weight_hh, r.unsqueeze(-1)))
        return (hidden * self.weight_out).sum(-1) + self.bias_out
