"""Batch normalization over all leading axes, pure once its statistics are frozen."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BatchNorm(nn.Module):
    """(v − mean) / √(var + ε) · weight + bias, per feature.

    ``forward`` takes and returns ``(*batch, features)``. In training mode mean and variance are those of
    the batch at hand, so examples influence one another, and the running statistics are updated in
    place: that is what batch normalization is, and it is not pure. After ``eval()`` the running
    statistics are constants and the map is affine in each example alone. Training on fewer than
    two examples raises ``ValueError``.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, v: Tensor) -> Tensor:
        """Normalize ``v`` ``(*batch, features)``."""
        mean, var = self._batch_statistics(v) if self.training else self._running_statistics()
        return (v - mean) * torch.rsqrt(var + self.eps) * self.weight + self.bias

    def _running_statistics(self) -> tuple[Tensor, Tensor]:
        return self.running_mean, self.running_var

    def _batch_statistics(self, v: Tensor) -> tuple[Tensor, Tensor]:
        flat = v.reshape(-1, v.shape[-1])
        count = flat.shape[0]
        if count < 2:
            raise ValueError(
                "batch normalization in training mode needs at least 2 examples at a step; "
                f"pass a batch or call eval(): got {count}"
            )
        mean = flat.mean(0)
        var = flat.var(0, correction=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        return mean, var
