"""resolvable-memory (advisory): what reduced precision does to the carry and to its updates."""

from __future__ import annotations

from typing import Any

import torch

from properties.core.context import Context
from properties.core.desideratum import Finding, Property
from properties.core.sampling import Regime
from properties.core.verdict import Status
from properties.core.witness import Draws
from properties.desiderata.identity_block import block_of

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
LIMIT = 0.01
_NUDGE = 2.0**-6


def judge(context: Context, scope: str) -> Finding:
    """The share of updates that rounding swallows and of perturbations it erases, per dtype."""
    size = context.subject.standard_size
    block = block_of(context, size)
    if not block.units:
        return Finding(
            Status.NOT_APPLICABLE, "there is no identity block whose resolution could be measured"
        )
    horizon = context.horizon(4 * context.profile.horizon)
    draws = context.draws(
        Regime(size, horizon, context.derive("resolvable")), scope, 8, state_scales=(0.0,)
    )
    units = list(block.units)
    shares: dict[str, Any] = {}
    original = context.subject.dtype
    for dtype in DTYPES:
        shares[str(dtype).removeprefix("torch.")] = _shares(context, draws, units, dtype)
    context.subject.dtype = original
    own = shares[str(original).removeprefix("torch.")]
    evidence = {"horizon": horizon, "nudge": _NUDGE, "limit": LIMIT, "by_dtype": shares}
    quantifiers = {"parameters": scope, "horizon": horizon, "sizes": [list(size)]}
    name = str(original).removeprefix("torch.")
    if own is None:
        reason = f"the cell does not run in {name}"
        return Finding(Status.INCONCLUSIVE, reason, quantifiers, 0, 0, evidence)
    worst = max(own.values())
    reason = (
        f"after {horizon} steps in {name}: {own['stalled']:.0%} of updates rounded away, "
        f"{own['erased']:.0%} of perturbations erased"
    )
    status = Status.TESTED if worst <= LIMIT else Status.FALSIFIED
    return Finding(status, reason, quantifiers, len(draws), 0, evidence)


def _shares(
    context: Context, draws: Draws, units: list[int], dtype: torch.dtype
) -> dict[str, float] | None:
    """What is stalled and erased in ``dtype``; None where the cell does not run in it.

    The update that a block of 0 would get is the update of every block, since the block is an identity:
    it tells what should have moved, in the same dtype.
    """
    from properties.core.engine import SingleEngine

    cell = context.subject.build(draws.input_size, draws.hidden_size)
    try:
        if isinstance(cell, torch.nn.Module):
            cell = cell.to(dtype)
        low = draws.replace(
            parameters={k: v.to(dtype) for k, v in draws.parameters.items()},
            state=draws.state.to(dtype), inputs=draws.inputs.to(dtype),
        ).select([0, len(draws) // 2])  # fmt: skip
        engine = SingleEngine(cell)
        track = engine.trajectories(low)
        before = torch.cat([low.state.unsqueeze(0), track[:-1]])
        emptied = before.clone()
        emptied[:, :, units] = 0
        moving = engine.steps(low, low.inputs, emptied)[:, :, units] != 0
        shifted = low.state.clone()
        shifted[:, units] += _NUDGE
        again = engine.finals(low.replace(state=shifted))[:, units]
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return None  # a dtype that the cell or torch does not support on this device
    track = track[:, :, units]
    stalled = (track == before[:, :, units]) & moving
    return {
        "stalled": round(float(stalled.double().mean()), 6),
        "erased": round(float((again == track[-1]).double().mean()), 6),
    }


PROPERTY = Property(
    key="resolvable-memory",
    title="resolvable memory",
    statement=(
        "Over the horizon at most 1 % of the block's updates are rounded away and at most 1 % of "
        "perturbations of 2⁻⁶ are erased, in the certificate's dtype."
    ),
    source="measured; advisory",
    order=70,
    judge=judge,
    advisory=True,
    semantics=("F",),
)
