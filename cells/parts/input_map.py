"""The affine map of the inputs of all steps at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cells.parts import onednn_linear

FEW = 8
"""Inputs up to which a processor's library of products is several times faster on rows of the transpose."""


def input_map(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """W x + b: ``x`` (\\*batch, D), ``weight`` (rows, D) to (\\*batch, rows), as ``F.linear`` gives it.

    Torch takes the gradients of ``F.linear`` by products whose result is laid out as the weight is. With
    few inputs, and the papers' tasks have 2 to 5, those are long and thin, and take longer than the
    recurrence; of a weight that lies transposed torch takes them the other way around. With many inputs
    the products are those of another library, where it can: :mod:`cells.parts.onednn_linear`.
    """
    if x.dim() < 3 or not 2 <= weight.shape[-1] <= FEW or x.is_cuda:
        if x.dim() >= 2 and onednn_linear.takes(x, weight, bias):
            return _shaped(onednn_linear.linear(x.flatten(0, -2), weight, bias), x)
        return F.linear(x, weight, bias)
    rows, transposed = x.flatten(0, -2), weight.t().contiguous()
    out = rows @ transposed if bias is None else torch.addmm(bias, rows, transposed)
    return _shaped(out, x)


def _shaped(rows: Tensor, x: Tensor) -> Tensor:
    out: Tensor = rows.unflatten(0, x.shape[:-1])
    return out


@dataclass(frozen=True, slots=True)
class InputMap:
    """An :func:`input_map` of one weight and bias: (\\*batch, D) to (\\*batch, rows).

    Kernels look into it: where there are few inputs they make what a unit reads themselves.
    """

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """W x + b."""
        return input_map(x, self.weight, self.bias)

    @property
    def few(self) -> bool:
        """Whether it reads so few inputs that a product takes longer than the recurrence behind it."""
        return self.weight.shape[-1] <= FEW
