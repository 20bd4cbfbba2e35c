"""The recurrence as a differentiable function of torch, under its transforms as well.

Why a ``torch.autograd.Function`` over an operator and not the operator alone: an operator's registered
gradient raises under ``torch.func.jacrev``; a function with ``setup_context`` and a rule for ``vmap``
composes with all of them, and the operator beneath it with ``torch.compile``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cells.fused.first_derivative import Gradients, as_given, refuse_batched, transformed
from cells.fused.lowered import lowered
from cells.fused.operators import announce, recurrence, recurrence_backward
from cells.fused.replicates import fold, unfold
from cells.fused.step import Step


class Results(NamedTuple):
    """Of a step over a sequence.

    ``states`` after every step, each (T, B, J), and the ``last`` of each by itself, (B, J): whoever wants no
    other takes these, whose gradients are as small as they are. ``readouts`` (T, B, n·J), where they were
    wanted of a step that has some.
    """

    states: tuple[Tensor, ...]
    last: tuple[Tensor, ...]
    readouts: Tensor | None


def run(
    step: Step,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    *,
    read: bool = True,
) -> Results:
    """``step`` over a sequence, from ``initial``; ``read``: whether readouts are wanted.

    ``inputs``: [projected] (T, B, K·J), or on a CPU [x (T, B, D), weight_ih (K·J, D), bias_ih (K·J,)];
    ``weights`` (w, J), every ``initial`` (B, J). Differentiable once, in reverse mode.
    """
    count = len(initial)
    fixed = (announce(step), tuple(constants), len(inputs), read)
    tensors = (*inputs, weights, *initial)
    results: Sequence[Tensor]
    if not transformed():
        results = _Plain.apply(*fixed, *tensors)  # type: ignore[no-untyped-call]
    elif (found := lowered(_Direct.apply, fixed, tensors)) is not None:
        results = found
    else:
        results = _Recurrence.apply(*fixed, *(one.unsqueeze(0) for one in tensors))  # type: ignore[no-untyped-call]
        results = [one.squeeze(0) for one in results]
    readouts = results[2 * count] if len(results) > 2 * count else None
    return Results(tuple(results[:count]), tuple(results[count : 2 * count]), readouts)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        step: str, constants: tuple[float, ...], inputs: int, read: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        return _results(step, constants, inputs, read, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.step, ctx.constants, ctx.inputs, _, *tensors = inputs
        states = output[: len(tensors) - ctx.inputs - 1]  # the other results are functions of them
        ctx.save_for_backward(*tensors, *states)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        if all(one is None for one in gradients):
            return tuple(None for _ in ctx.needs_input_grad)
        tensors = ctx.saved_tensors
        found = _differentiated(ctx, tensors, gradients)
        given = tensors[: len(ctx.needs_input_grad) - _FIXED]
        return *[None] * _FIXED, *as_given(found, given)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        step: str,
        constants: tuple[float, ...],
        inputs: int,
        read: bool,
        *tensors: Tensor,
    ) -> Any:
        folded, replicates = fold(info.batch_size, in_dims[_FIXED:], tensors)
        out = _Recurrence.apply(step, constants, inputs, read, *folded)  # type: ignore[no-untyped-call]
        return unfold(out, info.batch_size, replicates)


class _Direct(torch.autograd.Function):
    """The same without rules."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, ...]:
        results = _Recurrence.forward(*arguments)
        _Recurrence.setup_context(ctx, arguments, results)
        return results

    backward = _Recurrence.backward


class _Plain(torch.autograd.Function):
    """The same of one replicate, without its axis."""

    @staticmethod
    def forward(
        ctx: Any,
        step: str,
        constants: tuple[float, ...],
        inputs: int,
        read: bool,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.step, ctx.constants, ctx.inputs = step, constants, inputs
        own = [one.unsqueeze(0) for one in tensors]
        results = _results(step, constants, inputs, read, own)
        for one in results:
            one.squeeze_(0)  # no views: torch lets nobody write into those that a function returns
        ctx.save_for_backward(*tensors, *results[: len(tensors) - inputs - 1])
        ctx.set_materialize_grads(False)
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        if all(one is None for one in gradients):
            return tuple(None for _ in ctx.needs_input_grad)
        tensors = [one.unsqueeze(0) for one in ctx.saved_tensors]
        whole = [None if one is None else one.unsqueeze(0) for one in gradients]
        found = _differentiated(ctx, tensors, whole)
        return *[None] * _FIXED, *(one.squeeze(0) for one in found)


_FIXED = 4
"""What is no tensor among a function's arguments: step, constants, how many inputs, whether to read."""


def _results(
    step: str, constants: tuple[float, ...], inputs: int, read: bool, tensors: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    weights, *initial = tensors[inputs:]
    return tuple(recurrence(step, tensors[:inputs], weights, constants, initial, read))


def _differentiated(
    ctx: Any, tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> Sequence[Tensor]:
    """The gradients by a function whose own derivative raises, where somebody could ask for it."""
    refuse_batched(gradients)
    given = [tensors[0].new_empty(1, 0, 0, 0) if one is None else one for one in gradients]
    fixed = (ctx.step, ctx.constants, ctx.inputs, ctx.needs_input_grad[_FIXED])
    # a compiler follows one function of this kind, not a second in it
    if torch.compiler.is_compiling() or not (torch.is_grad_enabled() or transformed()):
        return _gradients(*fixed, *tensors, *given)
    found: tuple[Tensor, ...] = _RecurrenceBackward.apply(*fixed, *tensors, *given)  # type: ignore[no-untyped-call]
    return found


class _RecurrenceBackward(Gradients):
    @staticmethod
    def forward(
        step: str, constants: tuple[float, ...], inputs: int, wanted: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        return _gradients(step, constants, inputs, wanted, *tensors)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        step: str,
        constants: tuple[float, ...],
        inputs: int,
        wanted: bool,
        *tensors: Tensor,
    ) -> Any:
        folded, replicates = fold(info.batch_size, in_dims[_FIXED:], tensors)
        out = _RecurrenceBackward.apply(step, constants, inputs, wanted, *folded)  # type: ignore[no-untyped-call]
        return unfold(out, info.batch_size, replicates)


def _gradients(
    step: str, constants: tuple[float, ...], inputs: int, wanted: bool, *tensors: Tensor
) -> tuple[Tensor, ...]:
    """Of inputs, weights and initial states; ``tensors``: those, the states, the gradients of results."""
    given, weights, *rest = tensors[:inputs], *tensors[inputs:]
    count = len(rest) // 4  # initial, after every step, and the gradients of both kinds of results
    initial, after, gradients = rest[:count], rest[count : 2 * count], rest[2 * count :]
    return tuple(
        recurrence_backward(step, given, weights, constants, initial, after, gradients, wanted)
    )
