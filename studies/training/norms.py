"""What is looked at when a run is evaluated, and changes nothing: the norms of gradients and of states."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree


def gradient_norm(parameters: Iterable[Tensor]) -> float:
    """The 2-norm of all gradients together, before any clipping; NaN where there is none."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return math.nan
    return float(torch.nn.utils.get_total_norm(gradients, foreach=True))


def state_norms(state: Any) -> Tensor:
    """The 2-norm of a state of all layers, every field of it, for each sequence: (B,), float64.

    Fields that are no numbers (masks of a dropout that lasts a sequence) are passed over.
    """
    squares = [
        torch.linalg.vector_norm(leaf.flatten(1), dim=1).double() ** 2
        for leaf in pytree.tree_leaves(state)
        if isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex())
    ]
    return torch.stack(squares).sum(0).sqrt()
