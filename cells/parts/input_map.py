"""The affine map of the inputs of all steps at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FEW = 8
"""Inputs up to which a processor's library of products is several times faster on rows of the transpose."""


def input_map(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """W x + b: ``x`` (\\*batch, D), ``weight`` (rows, D) to (\\*batch, rows), as ``F.linear`` gives it.

    Torch takes the gradients of ``F.linear`` by products whose result is laid out as the weight is. With
    few inputs, and the papers' tasks have 2 to 5, those are long and thin, and take longer than the
    recurrence; of a weight that lies transposed torch takes them the other way around.
    """
    if x.dim() < 3 or not 2 <= weight.shape[-1] <= FEW or x.is_cuda:
        return F.linear(x, weight, bias)
    rows, transposed = x.flatten(0, -2), weight.t().contiguous()
    out = rows @ transposed if bias is None else torch.addmm(bias, rows, transposed)
    mapped: Tensor = out.unflatten(0, x.shape[:-1])
    return mapped
