"""What one unit of GATO does, in both channels: what the cell's step and the kernels share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cells.fused.step import Step


def regulated(
    r: Tensor, regulate: Tensor, candidate: Tensor, lam: float | Tensor, reg: str
) -> Tensor:
    """λ ρ(·) ⊙ r + tanh(·): the recurrent channel after a step, from both maps."""
    rho = torch.sigmoid(regulate) if reg == "sigmoid" else torch.tanh(regulate)
    return lam * rho * r + torch.tanh(candidate)


def softplus(pre: Tensor) -> Tensor:
    """Log(1 + e^x), the increment of the memory."""
    # not F.softplus, which is linear above 20 and so has wrong float64 gradients there
    return torch.logaddexp(pre, torch.zeros_like(pre))


def modulo(s: Tensor) -> Tensor:
    """``s`` modulo 2π, with the derivative of ``s``."""
    return s - 2 * math.pi * torch.floor(s.detach() / (2 * math.pi))


def decoded(s: Tensor, r: Tensor, gamma: str, readout: str) -> tuple[Tensor, ...]:
    """What is read of the two channels."""
    decode = torch.cos if gamma == "cos" else torch.sin
    if readout == "gamma_s_only":
        return (decode(s),)
    return (r if readout == "gamma_s_raw_r" else decode(r), decode(s))


def _both(reg: str, s_mode: str, wrap: bool, gamma: str, readout: str) -> Step:
    """One unit of each channel, in one layer, decoded."""

    def unit(
        states: Sequence[Tensor],
        inputs: Sequence[Tensor],
        weights: Sequence[Tensor],
        constants: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor]:
        s, r = states
        entry = torch.zeros_like(s) if s_mode == "zero" else softplus(inputs[0] + weights[0] * r)
        s = s + entry if s_mode == "residual" else entry
        s = modulo(s) if wrap and s_mode != "zero" else s
        regulate, candidate = (inputs[k] + weights[k] * r for k in (1, 2))
        return s, regulated(r, regulate, candidate, constants[0], reg)

    def decode(states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        s, r = states
        return decoded(s, r, gamma, readout)

    parts = ["gato", reg, gamma]
    parts += [s_mode] * (s_mode != "residual") + ["wrapped"] * wrap
    parts += [readout.removeprefix("gamma_")] * (readout != "gamma_both")
    return Step(
        "_".join(parts),
        unit,
        states=2,
        inputs=3,
        weights=3,
        constants=1,
        readouts=1 if readout == "gamma_s_only" else 2,
        decode=decode,
    )


def _recurrent(reg: str) -> Step:
    """One unit of r alone."""

    def unit(
        states: Sequence[Tensor],
        inputs: Sequence[Tensor],
        weights: Sequence[Tensor],
        constants: Sequence[Tensor],
    ) -> tuple[Tensor]:
        (r,) = states
        regulate, candidate = (p + w * r for p, w in zip(inputs, weights, strict=True))
        return (regulated(r, regulate, candidate, constants[0], reg),)

    return Step(f"gato_recurrent_{reg}", unit, states=1, inputs=2, weights=2, constants=1)


# made once: torch.compile looks names up, but would follow a constructor
BOTH = {
    knobs: _both(*knobs)
    for knobs in itertools.product(
        ("sigmoid", "tanh"),
        ("residual", "zero", "no_residual"),
        (False, True),
        ("cos", "sin"),
        ("gamma_both", "gamma_s_raw_r", "gamma_s_only"),
    )
}
RECURRENT = {reg: _recurrent(reg) for reg in ("sigmoid", "tanh")}
