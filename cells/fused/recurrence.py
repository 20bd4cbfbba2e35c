"""The recurrence as a differentiable function of torch, under its transforms as well.

Why a ``torch.autograd.Function`` over an operator and not the operator alone: an operator's registered
gradient raises under ``torch.func.jacrev``; a function with ``setup_context`` and a rule for ``vmap``
composes with all of them, and the operator beneath it with ``torch.compile``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cells.fused.first_derivative import Gradients, as_given, refuse_batched, transformed
from cells.fused.operators import announce, recurrence, recurrence_backward
from cells.fused.replicates import fold, unfold
from cells.fused.step import Step


def run(
    step: Step,
    projected: Tensor,
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    """The states after every step, each (T, B, J), and the readouts (T, B, n·J) of a step that has some.

    ``projected`` (T, B, K·J), ``weights`` (w, J), every ``initial`` (B, J). Differentiable once, in
    reverse mode.
    """
    name, numbers = announce(step), tuple(constants)
    results: tuple[Tensor, ...]
    if not transformed():
        results = _Plain.apply(name, numbers, projected, weights, *initial)  # type: ignore[no-untyped-call]
        return results
    results = _Recurrence.apply(  # type: ignore[no-untyped-call]
        name,
        numbers,
        projected.unsqueeze(0),
        weights.unsqueeze(0),
        *(one.unsqueeze(0) for one in initial),
    )
    return tuple(one.squeeze(0) for one in results)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        step: str,
        constants: tuple[float, ...],
        projected: Tensor,
        weights: Tensor,
        *initial: Tensor,
    ) -> tuple[Tensor, ...]:
        return tuple(recurrence(step, projected, weights, constants, initial))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.step, ctx.constants, *tensors = inputs
        states = output[: len(tensors) - 2]  # readouts are a function of them
        ctx.save_for_backward(*tensors, *states)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        if all(one is None for one in gradients):
            return tuple(None for _ in ctx.needs_input_grad)
        tensors = ctx.saved_tensors
        found = _differentiated(ctx, tensors, gradients)
        return None, None, *as_given(found, tensors[: len(ctx.needs_input_grad) - 2])

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        step: str,
        constants: tuple[float, ...],
        *tensors: Tensor,
    ) -> Any:
        folded, replicates = fold(info.batch_size, in_dims[2:], tensors)
        out = _Recurrence.apply(step, constants, *folded)  # type: ignore[no-untyped-call]
        return unfold(out, info.batch_size, replicates)


class _Plain(torch.autograd.Function):
    """The same of one replicate, without rules."""

    @staticmethod
    def forward(
        ctx: Any,
        step: str,
        constants: tuple[float, ...],
        projected: Tensor,
        weights: Tensor,
        *initial: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.step, ctx.constants = step, constants
        own = [one.unsqueeze(0) for one in initial]
        results = recurrence(step, projected.unsqueeze(0), weights.unsqueeze(0), constants, own)
        for one in results:
            one.squeeze_(0)  # no views: torch lets nobody write into those that a function returns
        ctx.save_for_backward(projected, weights, *initial, *results[: len(initial)])
        ctx.set_materialize_grads(False)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        if all(one is None for one in gradients):
            return tuple(None for _ in ctx.needs_input_grad)
        tensors = [one.unsqueeze(0) for one in ctx.saved_tensors]
        whole = [None if one is None else one.unsqueeze(0) for one in gradients]
        found = _differentiated(ctx, tensors, whole)
        return None, None, *(one.squeeze(0) for one in found)


def _differentiated(
    ctx: Any, tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> Sequence[Tensor]:
    """The gradients by a function whose own derivative raises, where somebody could ask for it."""
    refuse_batched(gradients)
    given = [tensors[0].new_empty(1, 0, 0, 0) if one is None else one for one in gradients]
    # a compiler follows one function of this kind, not a second in it
    if torch.compiler.is_compiling() or not (torch.is_grad_enabled() or transformed()):
        return _gradients(ctx.step, ctx.constants, (*tensors, *given))
    found: tuple[Tensor, ...] = _RecurrenceBackward.apply(  # type: ignore[no-untyped-call]
        ctx.step, ctx.constants, *tensors, *given
    )
    return found


class _RecurrenceBackward(Gradients):
    @staticmethod
    def forward(step: str, constants: tuple[float, ...], *tensors: Tensor) -> tuple[Tensor, ...]:
        return _gradients(step, constants, tensors)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        step: str,
        constants: tuple[float, ...],
        *tensors: Tensor,
    ) -> Any:
        folded, replicates = fold(info.batch_size, in_dims[2:], tensors)
        out = _RecurrenceBackward.apply(step, constants, *folded)  # type: ignore[no-untyped-call]
        return unfold(out, info.batch_size, replicates)


def _gradients(
    step: str, constants: tuple[float, ...], tensors: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Of projected, weights and initial states; ``tensors``: those, the states, the gradients of results."""
    projected, weights, *rest = tensors
    states = len(rest) // 3  # readouts have a gradient alone
    initial, after, gradients = rest[:states], rest[states : 2 * states], rest[2 * states :]
    return tuple(
        recurrence_backward(step, projected, weights, constants, initial, after, gradients)
    )
