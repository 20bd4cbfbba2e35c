"""Uniform gate initialization: biases under which a sigmoid gate is uniform at the start."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def ugi_bias(units: int, generator: Generator | None = None) -> Tensor:
    """Return logit(v) with v ~ U(1/H, 1 − 1/H), H = ``units``: shape (H,) (Gu et al., equation 12).

    With small weights σ(b) = v, so the time scales 1/(1−f) have median 2 and mean about ln H. The law is
    symmetric: it serves a gate that keeps and a gate that writes alike. For one unit, where the interval is
    empty, v = 1/2.
    """
    epsilon = min(1 / units, 0.5)
    v = torch.empty(units).uniform_(epsilon, 1 - epsilon, generator=generator)
    return torch.logit(v)
