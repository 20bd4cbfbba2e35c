r"""One small ReLU network per unit as a function of torch: what feeds two-layer GATO's memory.

Shapes, with R replicates: x (R, T, B, D); reads (R, T, B, J), the state after every step, of which each
network reads the one before its own; first (R, B, J), that before the first step; weights
(R, k·(D + 3) + 1, J), for every hidden number its D input weights, its weight of the state, its bias and its
output weight, and at the end the output's bias; held (R, B, J). Results: the last value (R, B, J); where
``every`` one is wanted, values (R, T, B, J), else (R, 0, B, J); and where ``decode`` is "cos" or "sin" that
function of reads and of values, (R, T, B, 2J). A tensor of one replicate stands for all R.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from cells.fused import numba_kernels, triton_kernels
from cells.fused.first_derivative import Gradients, as_given, refuse_batched, transformed
from cells.fused.lowered import lowered
from cells.fused.replicates import fold, unfold
from cells.fused.unit_operators import networks, networks_backward


def available(x: Tensor) -> bool:
    """Whether there are kernels where ``x`` is."""
    if x.device.type == "cuda":
        return triton_kernels.missing() is None
    return x.device.type == "cpu" and numba_kernels.missing() is None


def pack(
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, weight_out: Tensor, bias_out: Tensor
) -> Tensor:
    """(J, k, D), three times (J, k) and (J,) to the kernels' (k·(D + 3) + 1, J), units last."""
    parts = [weight_ih, *(one.unsqueeze(-1) for one in (weight_hh, bias_ih, weight_out))]
    hidden = torch.cat(parts, -1).flatten(1)
    return torch.cat((hidden, bias_out.unsqueeze(-1)), -1).t()


class Results(NamedTuple):
    """The ``last`` value (B, J), and where wanted all ``values`` (T, B, J) and ``readouts`` (T, B, 2J)."""

    last: Tensor
    values: Tensor | None
    readouts: Tensor | None


def run(
    x: Tensor,
    reads: Tensor,
    first: Tensor,
    weights: Tensor,
    held: Tensor,
    *,
    accumulate: bool,
    every: bool = True,
    decode: str = "",
) -> Results:
    """Softplus of every network, or ``held`` (B, J) plus its sum up to each step; and readouts.

    ``x`` (T, B, D), ``reads`` (T, B, J), ``first`` (B, J), ``weights`` as :func:`pack` gives them. ``every``:
    whether more than the last value is wanted; then ``decode`` "cos" or "sin" asks for readouts as well.
    Differentiable once, in reverse mode.
    """
    tensors = (x, reads, first, weights, held)
    keep = torch.is_grad_enabled()  # the softplus's slopes, for the way back
    fixed = (accumulate, every, decode if every else "", keep)
    results = lowered(_Direct.apply, fixed, tensors) if transformed() else None
    if results is None:
        function: Any = _Networks if transformed() else _Direct
        results = [
            one.squeeze(0) for one in function.apply(*fixed, *(one.unsqueeze(0) for one in tensors))
        ]
    last, values, *readouts = results[:-1]
    return Results(last, values if every else None, readouts[0] if readouts else None)


class _Networks(torch.autograd.Function):
    @staticmethod
    def forward(
        accumulate: bool, every: bool, decode: str, keep: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(networks(*tensors, accumulate, every, decode, keep))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.accumulate, _, ctx.decode, _, *tensors = inputs
        nothing = tensors[0].new_empty(1, 0, 0, 0)
        ctx.save_for_backward(*tensors, output[1] if ctx.decode else nothing, output[-1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        if all(one is None for one in gradients):
            return tuple(None for _ in ctx.needs_input_grad)
        refuse_batched(gradients)
        tensors = ctx.saved_tensors
        x = tensors[0]
        none = [x.new_empty(1, 0, 0), *(x.new_empty(1, 0, 0, 0) for _ in range(2))]
        found = [*gradients[:-1], None][:3]  # readouts need not have been wanted
        given = [no if one is None else one for one, no in zip(found, none, strict=True)]
        arguments = (ctx.accumulate, ctx.decode, ctx.needs_input_grad[4], *tensors, *given)
        # see cells.fused.recurrence
        if torch.compiler.is_compiling() or not (torch.is_grad_enabled() or transformed()):
            results = _gradients(*arguments)
        else:
            results = _NetworksBackward.apply(*arguments)  # type: ignore[no-untyped-call]
        return None, None, None, None, *as_given(results, tensors[:-2])

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        accumulate: bool,
        every: bool,
        decode: str,
        keep: bool,
        *tensors: Tensor,
    ) -> Any:
        folded, replicates = fold(info.batch_size, in_dims[4:], tensors)
        out = _Networks.apply(accumulate, every, decode, keep, *folded)  # type: ignore[no-untyped-call]
        return unfold(out, info.batch_size, replicates)


class _Direct(torch.autograd.Function):
    """The same without rules."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, ...]:
        results = _Networks.forward(*arguments)
        _Networks.setup_context(ctx, arguments, results)
        return results

    backward = _Networks.backward


class _NetworksBackward(Gradients):
    @staticmethod
    def forward(
        accumulate: bool, decode: str, wanted: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        return _gradients(accumulate, decode, wanted, *tensors)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        accumulate: bool,
        decode: str,
        wanted: bool,
        *tensors: Tensor,
    ) -> Any:
        folded, replicates = fold(info.batch_size, in_dims[3:], tensors)
        out = _NetworksBackward.apply(accumulate, decode, wanted, *folded)  # type: ignore[no-untyped-call]
        return unfold(out, info.batch_size, replicates)


def _gradients(accumulate: bool, decode: str, wanted: bool, *tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(networks_backward(*tensors, accumulate, decode, wanted))
