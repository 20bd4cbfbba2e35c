"""The kernels on the CPU by what their step reads: projected inputs, x of few features, or x of many."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from torch import Tensor

from cells.fused import numba_chunks, numba_kernels
from cells.fused.step import Step
from cells.parts.input_map import FEW


def forward(
    step: Step,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    *,
    read: bool,
) -> list[Tensor]:
    """See :func:`cells.fused.numba_kernels.forward`."""
    kernels = _kernels(inputs, (weights, *initial))
    found: list[Tensor] = kernels.forward(step, inputs, weights, constants, initial, read=read)
    return found


def backward(
    step: Step,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    states: Sequence[Tensor],
    gradients: Sequence[Tensor],
    *,
    wanted: bool,
) -> list[Tensor]:
    """See :func:`cells.fused.numba_kernels.backward`."""
    kernels = _kernels(inputs, (weights, *initial, *states, *gradients))
    given = (step, inputs, weights, constants, initial, states, gradients)
    found: list[Tensor] = kernels.backward(*given, wanted=wanted)
    return found


def _kernels(inputs: Sequence[Tensor], others: Sequence[Tensor]) -> ModuleType:
    """Many inputs of one replicate are projected in parts; all else is for the kernels themselves."""
    many = len(inputs) == 3 and inputs[0].dim() == 4 and inputs[0].shape[-1] > FEW
    alone = all(one.shape[0] == 1 for one in (*inputs, *others))
    return numba_chunks if many and alone else numba_kernels
