"""Initial parameter distributions of the papers; all draw from an explicit generator."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Generator, Tensor


@torch.no_grad()
def uniform(tensors: Iterable[Tensor | None], limit: float, generator: Generator | None) -> None:
    """U(−limit, limit) for every tensor; absent ones (None) are passed over."""
    for tensor in tensors:
        if tensor is not None:
            tensor.uniform_(-limit, limit, generator=generator)


def library_rnn(
    tensors: Iterable[Tensor | None], hidden_size: int, generator: Generator | None
) -> None:
    """What ``torch.nn.LSTM`` does: every tensor U(−1/√H, 1/√H)."""
    uniform(tensors, 1 / math.sqrt(hidden_size), generator)


def library_linear(
    tensors: Iterable[Tensor | None], fan_in: int, generator: Generator | None
) -> None:
    """What ``torch.nn.Linear`` does: weight and bias U(−1/√fan_in, 1/√fan_in)."""
    uniform(tensors, 1 / math.sqrt(fan_in), generator)


@torch.no_grad()
def glorot_uniform(weight: Tensor, generator: Generator | None) -> None:
    """U(−a, a) with a = √(6 / (fan_in + fan_out)), the default of the RRU authors' framework."""
    fan_out, fan_in = weight.shape
    limit = math.sqrt(6 / (fan_in + fan_out))
    weight.uniform_(-limit, limit, generator=generator)
