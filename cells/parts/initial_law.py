"""How a gate is distributed at the initialization, where that follows from its primary alone.

For a gate that reads a zero input and a zero state, whose pre-activations are then its biases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Law:
    """``name``: the law in words; ``cdf``: P(gate ≤ g) for g of any shape, in [0, 1]."""

    name: str
    cdf: Callable[[Tensor], Tensor]


def uniform_law(units: int) -> Law | None:
    """σ of a bias of uniform gate initialization: U(1/H, 1 − 1/H); None where that is a point (H ≤ 2)."""
    epsilon = 1 / units
    if units <= 2:
        return None

    def cdf(g: Tensor) -> Tensor:
        return ((g - epsilon) / (1 - 2 * epsilon)).clamp(0, 1)

    return Law(f"uniform on [1/{units}, 1 − 1/{units}]", cdf)


def chrono_law(t_max: float) -> Law:
    """σ of a chrono bias: the time scale 1/(1 − f) is U(2, T_max)."""

    def cdf(g: Tensor) -> Tensor:
        return ((1 / (1 - g) - 2) / (t_max - 2)).clamp(0, 1)

    return Law(f"time scale 1/(1−g) uniform on [2, {t_max:g}]", cdf)


def refined(law: Law) -> Law:
    """The law of g = 2v − 3v² + 2v³ for v of ``law``: refined by ρ = 1 − v (``refine_bias="minus_forget"``).

    Around 1/2, g = 1/2 + u/2 + 2u³ with u = v − 1/2, which increases and is inverted in closed form.
    """

    def cdf(g: Tensor) -> Tensor:
        u = torch.sinh(torch.asinh(6 * math.sqrt(3) * (g - 0.5)) / 3) / math.sqrt(3)
        return law.cdf(0.5 + u)

    return Law(f"2v − 3v² + 2v³ with v: {law.name}", cdf)
