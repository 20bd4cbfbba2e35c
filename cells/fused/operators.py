r"""The kernels as operators of torch, so that its tools know them: fake tensors, ``compile``, ``opcheck``.

Shapes: inputs, either [projected] (R, T, B, K·J), the K inputs of the J units side by side, or what they are
made of, [x (R, T, B, D), weight_ih (R, K·J, D), bias_ih (R, K·J)], on a CPU; weights (R, w, J); every initial
state (R, B, J). Results: every state after every step (R, T, B, J); then every state after the last, once
more and by itself (R, B, J), since whoever wants no other would have to pass on zeros for all of them; then,
where they are wanted (``read``) of a step that has some, the readouts (R, T, B, n·J). Gradients have the
shapes of results. R counts replicates, T steps, B examples. A tensor of one replicate stands for all R; a
gradient without elements stands for zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cells.fused import numba_forms, triton_kernels
from cells.fused.step import Step

_steps: dict[str, Step] = {}

_library = torch.library.Library("desiderata", "DEF")
_library.define(
    "recurrence(str step, Tensor[] inputs, Tensor weights, float[] constants, Tensor[] initial, bool read) "
    "-> Tensor[]"
)
_library.define(
    "recurrence_backward(str step, Tensor[] inputs, Tensor weights, float[] constants, Tensor[] initial, "
    "Tensor[] states, Tensor[] gradients, bool wanted) -> Tensor[]"
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

    def forward(
        step: str,
        inputs: Sequence[Tensor],
        weights: Tensor,
        constants: Sequence[float],
        initial: Sequence[Tensor],
        read: bool,
    ) -> list[Tensor]:
        found: list[Tensor] = kernels.forward(
            _steps[step], inputs, weights, constants, initial, read=read
        )
        states, readouts = found[: len(initial)], found[len(initial) :]
        final = [
            one[:, -1].clone() if one.shape[1] else first.expand(len(one), *first.shape[1:]).clone()
            for first, one in zip(initial, states, strict=True)
        ]
        return [*states, *final, *readouts]

    def backward(
        step: str,
        inputs: Sequence[Tensor],
        weights: Tensor,
        constants: Sequence[float],
        initial: Sequence[Tensor],
        states: Sequence[Tensor],
        gradients: Sequence[Tensor],
        wanted: bool,
    ) -> list[Tensor]:
        if _steps[step].readouts and len(gradients) == 2 * len(initial):  # none were wanted
            gradients = [*gradients, weights.new_empty(1, 0, 0, 0)]
        given = (inputs, weights, constants, initial, states, gradients)
        found: list[Tensor] = kernels.backward(_steps[step], *given, wanted=wanted)
        return found

    _library.impl("recurrence", forward, key)
    _library.impl("recurrence_backward", backward, key)


_implement(numba_forms, "CPU")
_implement(triton_kernels, "CUDA")


def _forward_shapes(
    step: str,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],  # noqa: ARG001 - the operator's signature
    initial: Sequence[Tensor],
    read: bool,
) -> list[Tensor]:
    replicates = max(tensor.shape[0] for tensor in (*inputs, weights, *initial))
    _, steps, batch, _ = inputs[0].shape
    units = initial[0].shape[-1]
    states = [weights.new_empty(replicates, steps, batch, units) for _ in initial]
    final = [weights.new_empty(replicates, batch, units) for _ in initial]
    count = _steps[step].readouts if read else 0
    readouts = [weights.new_empty(replicates, steps, batch, count * units)] * (count > 0)
    return [*states, *final, *readouts]


def _backward_shapes(
    step: str,  # noqa: ARG001 - the operator's signature
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],  # noqa: ARG001
    initial: Sequence[Tensor],
    states: Sequence[Tensor],  # noqa: ARG001
    gradients: Sequence[Tensor],
    wanted: bool,  # noqa: ARG001
) -> list[Tensor]:
    replicates = max(tensor.shape[0] for tensor in (*inputs, weights, *initial, *gradients))
    return [weights.new_empty(replicates, *one.shape[1:]) for one in (*inputs, weights, *initial)]


torch.library.register_fake("desiderata::recurrence", _forward_shapes)
torch.library.register_fake("desiderata::recurrence_backward", _backward_shapes)
