"""γ on the whole line: points on both tails at every scale, for the three properties of the decoder."""

from __future__ import annotations

import torch
from torch import Tensor

from properties.core.context import Bench, Context
from properties.core.engine import Engine
from properties.core.sampling import Regime
from properties.core.witness import Draws

SCALES = tuple(10.0**k for k in range(-4, 8))
_PER_SCALE = 6


def points(draws: Draws, scales: tuple[float, ...] = SCALES, per_scale: int = _PER_SCALE) -> Tensor:
    """States on rays through the origin, (N, len(scales)·per_scale, n), scale by scale, 0 first.

    Scales beyond a quarter of the dtype's largest number are cut off there.
    """
    generator = torch.Generator().manual_seed(20260101)
    count, units = draws.state.shape
    directions = torch.randn(per_scale, units, generator=generator, dtype=torch.float64)
    directions = directions / directions.abs().amax(-1, keepdim=True).clamp_min(1e-12)
    directions[0], directions[1] = 1.0, -1.0  # both tails at once, in every scalar
    grid = torch.cat([s * directions for s in scales])
    grid = torch.cat([torch.zeros(1, units, dtype=torch.float64), grid])
    largest = torch.finfo(draws.state.dtype).max / 4
    return grid.clamp(-largest, largest).to(draws.state.dtype).unsqueeze(0).expand(count, -1, -1)


def by_scale(values: Tensor, scales: tuple[float, ...] = SCALES) -> Tensor:
    """Fold (N, 1 + S·k) magnitudes at :func:`points` to the largest per scale, (N, S)."""
    count = values.shape[0]
    origin, rest = values[:, :1], values[:, 1:]
    folded = rest.reshape(count, len(scales), -1).amax(-1)
    folded[:, :1] = torch.maximum(folded[:, :1], origin)
    return folded


def grows(sup: Tensor) -> Tensor:
    """Whether the suprema (N, S) over ever larger scales keep growing at the far end, (N,) bool."""
    near, far = sup[:, : len(SCALES) // 2 + 3].amax(-1), sup[:, -2:].amax(-1)
    return ~torch.isfinite(sup).all(-1) | (far > 4 * near.clamp_min(1e-12))


def emits(context: Context, bench: Bench) -> bool:
    """Whether γ is read off an emission: then it is the map from the old state through one step."""
    return bool(context.emission(bench))


def free_of_parameters(context: Context, bench: Bench, engine: Engine, scope: str) -> bool:
    """Whether γ is the same function for all parameters."""
    if emits(context, bench):
        return False
    draws = context.draws(Regime(bench.size, 1, context.derive("free", scope)), scope, 6)
    if not draws.parameters or scope == "these-weights":
        return scope != "these-weights"
    draws = draws.replace(
        parameters={
            k: v + torch.arange(len(draws), dtype=v.dtype).reshape(-1, *(1,) * (v.dim() - 1))
            for k, v in draws.parameters.items()
        }
    )
    values = engine.readouts(draws, points(draws, (0.5, 3.0)))
    same = (values == values[:1]) | (values.isnan() & values[:1].isnan())
    return bool(same.all())
