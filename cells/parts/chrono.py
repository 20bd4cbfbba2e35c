"""Chrono initialization: gate biases that spread the time scales of the units up to a longest one."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def chrono_bias(*shape: int, t_max: float, generator: Generator | None = None) -> Tensor:
    """Draw log v, v ~ U(1, t_max − 1), the bias of a gate that *keeps* (Tallec & Ollivier, section 2).

    With f = σ(log v) the time scale 1/(1−f) is 1 + v, so a unit remembers for 2 to ``t_max`` steps and f
    lies in [1/2, 1 − 1/t_max]. A gate that *writes* takes the negative. ``t_max``: the longest
    dependency expected, in steps. Put the value into one stored bias and zero into the other: independent
    draws in both would give log(v₁v₂).

    Raises ``ValueError`` for ``t_max`` of 2 or less, where the distribution is empty.
    """
    check_t_max(t_max)
    v = torch.empty(*shape).uniform_(1, t_max - 1, generator=generator)
    return v.log_()


def check_t_max(t_max: float) -> None:
    """Raise ``ValueError`` unless ``t_max`` is a finite number above 2."""
    if not 2 < t_max < float("inf"):
        raise ValueError(
            "t_max: expected a longest dependency above 2 steps, since v ~ U(1, t_max − 1); "
            f"pass the length of the sequences, or leave it out: got {t_max!r}"
        )
