r"""The kernels as operators of torch, so that its tools know them: fake tensors, ``compile``, ``opcheck``.

Shapes: projected (R, T, B, K·J), the K inputs of the J units side by side; weights (R, w, J); every initial
state (R, B, J); every state and every gradient of one (R, T, B, J); the readouts of a step that has some and
their gradient (R, T, B, n·J), behind the states. R counts replicates, T steps, B examples. A tensor of
one replicate stands for all R; a gradient without elements stands for zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cells.fused import numba_kernels, triton_kernels
from cells.fused.step import Step

_steps: dict[str, Step] = {}

_library = torch.library.Library("desiderata", "DEF")
_library.define(
    "recurrence(str step, Tensor projected, Tensor weights, float[] constants, Tensor[] initial) -> Tensor[]"
)
_library.define(
    "recurrence_backward(str step, Tensor projected, Tensor weights, float[] constants, Tensor[] initial, "
    "Tensor[] states, Tensor[] gradients) -> Tensor[]"
)
recurrence = torch.ops.desiderata.recurrence
recurrence_backward = torch.ops.desiderata.recurrence_backward


def announce(step: Step) -> str:
    """Make ``step`` known to the operators, which can only pass its name on.

    Raises ``ValueError`` where another step has that name.
    """
    if torch.compiler.is_compiling():  # it was announced when the model was built
        return step.name
    known = _steps.setdefault(step.name, step)
    if known != step:
        where = f"{known.function.__module__}.{known.function.__qualname__}"
        raise ValueError(
            f"two different steps are called {step.name!r}: the first is {where}; rename one of them"
        )
    return step.name


def _implement(kernels: Any, key: str) -> None:
    """Let ``kernels``, a module with ``forward`` and ``backward``, run the operators under a dispatch key."""

    def forward(step: str, *arguments: Any) -> list[Tensor]:
        found: list[Tensor] = kernels.forward(_steps[step], *arguments)
        return found

    def backward(step: str, *arguments: Any) -> list[Tensor]:
        found: list[Tensor] = kernels.backward(_steps[step], *arguments)
        return found

    _library.impl("recurrence", forward, key)
    _library.impl("recurrence_backward", backward, key)


_implement(numba_kernels, "CPU")
_implement(triton_kernels, "CUDA")


def _forward_shapes(
    step: str,
    projected: Tensor,
    weights: Tensor,
    constants: Sequence[float],  # noqa: ARG001 - the operator's signature
    initial: Sequence[Tensor],
) -> list[Tensor]:
    replicates = max(tensor.shape[0] for tensor in (projected, weights, *initial))
    _, steps, batch, _ = projected.shape
    widths = [one.shape[-1] for one in initial]
    if _steps[step].readouts:
        widths.append(_steps[step].readouts * widths[0])
    return [projected.new_empty(replicates, steps, batch, width) for width in widths]


def _backward_shapes(
    step: str,  # noqa: ARG001 - the operator's signature
    projected: Tensor,
    weights: Tensor,
    constants: Sequence[float],  # noqa: ARG001
    initial: Sequence[Tensor],
    states: Sequence[Tensor],  # noqa: ARG001
    gradients: Sequence[Tensor],
) -> list[Tensor]:
    replicates = max(tensor.shape[0] for tensor in (projected, weights, *initial, *gradients))
    return [
        projected.new_empty(replicates, *one.shape[1:]) for one in (projected, weights, *initial)
    ]


torch.library.register_fake("desiderata::recurrence", _forward_shapes)
torch.library.register_fake("desiderata::recurrence_backward", _backward_shapes)
