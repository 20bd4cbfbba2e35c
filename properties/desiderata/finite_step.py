"""finite-step (advisory): up to which magnitude of weights and inputs a step stays finite, per dtype."""

from __future__ import annotations

import torch

from properties.core.context import Context
from properties.core.desideratum import Finding, Property
from properties.core.engine import SingleEngine
from properties.core.sampling import Regime
from properties.core.verdict import Status

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
REQUIRED = 1e3
_EXPONENTS = tuple(range(39))


def judge(context: Context, scope: str) -> Finding:
    """Weights and inputs of magnitude X, X = 1, 10, …: the largest X with finite states for two steps."""
    size = context.subject.standard_size
    draws = context.draws(Regime(size, 2, context.derive("finite")), scope, 4, state_scales=(0.0,))
    largest: dict[str, float | None] = {}
    refused: dict[str, str] = {}
    for dtype in DTYPES:
        cell = context.subject.build(*size)
        if isinstance(cell, torch.nn.Module):
            cell = cell.to(dtype)
        name = str(dtype).removeprefix("torch.")
        try:
            engine = SingleEngine(cell)
            reached = None
            for exponent in _EXPONENTS:
                magnitude = 10.0**exponent
                if magnitude > torch.finfo(dtype).max:
                    break
                scaled = draws.replace(
                    parameters={
                        k: (v.sign() * magnitude).to(dtype) for k, v in draws.parameters.items()
                    },
                    state=draws.state.to(dtype),
                    inputs=(torch.where(draws.inputs < 0, -magnitude, magnitude)).to(dtype),
                )
                if not bool(torch.isfinite(engine.trajectories(scaled)).all()):
                    break
                reached = magnitude
            largest[name] = reached
        except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
            # a dtype that the cell or torch does not support on this device
            largest[name] = None
            refused[name] = (str(error).strip().splitlines() or [""])[0][:200]
    name = str(context.subject.dtype).removeprefix("torch.")
    own = largest[name]
    quantifiers = {"parameters": "all of one magnitude", "horizon": 2, "sizes": [list(size)]}
    evidence = {"largest_finite_magnitude": largest, "required": REQUIRED, "refused": refused}
    if own is not None:
        reason = f"finite up to |θ|, |x| = {own:g}"
    else:
        reason = refused.get(name, "not finite even at 1")
    status = Status.TESTED if own is not None and own >= REQUIRED else Status.FALSIFIED
    return Finding(status, reason, quantifiers, len(draws), 0, evidence)


PROPERTY = Property(
    key="finite-step",
    title="finite step",
    statement=(
        "For weights and inputs of magnitude at most 1000 no step returns an infinity or NaN, in the "
        "certificate's dtype; the largest magnitude is reported per dtype."
    ),
    source="measured; advisory",
    order=80,
    judge=judge,
    advisory=True,
    semantics=("F",),
)
