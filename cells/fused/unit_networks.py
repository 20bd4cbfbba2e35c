r"""One small ReLU network per unit as a function of torch: what feeds two-layer GATO's memory.

Shapes, with R replicates: x (R, T, B, D); reads (R, T, B, J), what each network reads of the state; weights
(R, k·(D + 3) + 1, J), for every hidden number its D input weights, its weight of the state, its bias and its
output weight, and at the end the output's bias; held (R, B, J). A tensor of one replicate stands for all R.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from cells.fused import numba_kernels, triton_kernels, unit_launch
from cells.fused.first_derivative import Gradients, as_given, refuse_batched
from cells.fused.replicates import fold, unfold

_library = torch.library.Library("desiderata", "FRAGMENT")
_library.define(
    "unit_networks(Tensor x, Tensor reads, Tensor weights, Tensor held, bool accumulate) -> Tensor"
)
_library.define(
    "unit_networks_backward(Tensor x, Tensor reads, Tensor weights, Tensor held, Tensor gradient, "
    "bool accumulate, bool wanted) -> Tensor[]"
)


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


def run(x: Tensor, reads: Tensor, weights: Tensor, held: Tensor, *, accumulate: bool) -> Tensor:
    """Softplus of every network, (T, B, J), or ``held`` (B, J) plus its sum up to each step.

    ``x`` (T, B, D), ``reads`` (T, B, J), ``weights`` as :func:`pack` gives them. Differentiable once, in
    reverse mode.
    """
    tensors = (one.unsqueeze(0) for one in (x, reads, weights, held))
    out: Tensor = _Networks.apply(accumulate, *tensors)  # type: ignore[no-untyped-call]
    return out.squeeze(0)


def _kernel() -> Any:
    return numba_kernels.compiled(
        lambda: importlib.import_module("cells.fused.numba_unit_networks")
    )


def _forward(x: Tensor, reads: Tensor, weights: Tensor, held: Tensor, accumulate: bool) -> Tensor:
    kernel = _kernel()
    replicates = _check(x, reads, weights, held)
    _, steps, batch, units = reads.shape
    out = reads.new_empty(replicates, steps, batch, units)
    arrays = numba_kernels.arrays(x, reads, weights, held, out)
    each = steps * units * weights.shape[1] // 8
    numba_kernels.over_rows(kernel.forward, (*arrays, accumulate), replicates * batch, each)
    return out


def _backward(
    x: Tensor,
    reads: Tensor,
    weights: Tensor,
    held: Tensor,
    gradient: Tensor,
    accumulate: bool,
    wanted: bool,
) -> list[Tensor]:
    kernel = _kernel()
    replicates = _check(x, reads, weights, held, gradient)
    _, steps, batch, units = reads.shape
    to_x = x.new_zeros(replicates, *x.shape[1:])
    to_reads = reads.new_empty(replicates, steps, batch, units)
    to_weights = reads.new_empty(replicates, batch, *weights.shape[1:])
    to_held = reads.new_empty(replicates, batch, units)
    arrays = numba_kernels.arrays(x, reads, weights, gradient, to_x, to_reads, to_weights, to_held)
    each = steps * units * weights.shape[1] // 4
    numba_kernels.over_rows(
        kernel.backward, (*arrays, accumulate, wanted), replicates * batch, each
    )
    return [to_x, to_reads, to_weights.sum(1), to_held]


def _forward_on_gpu(
    x: Tensor, reads: Tensor, weights: Tensor, held: Tensor, accumulate: bool
) -> Tensor:
    replicates = _check(x, reads, weights, held)
    return unit_launch.forward(replicates, x, reads, weights, held, accumulate)


def _backward_on_gpu(
    x: Tensor,
    reads: Tensor,
    weights: Tensor,
    held: Tensor,
    gradient: Tensor,
    accumulate: bool,
    wanted: bool,
) -> list[Tensor]:
    replicates = _check(x, reads, weights, held, gradient)
    return unit_launch.backward(replicates, x, reads, weights, held, gradient, accumulate, wanted)


def _check(x: Tensor, reads: Tensor, weights: Tensor, *others: Tensor) -> int:
    """How many replicates; raise ``ValueError`` for shapes that do not belong together."""
    tensors = (x, reads, weights, *others)
    replicates = max(one.shape[0] for one in tensors)
    steps, batch, units = reads.shape[1:]
    expected = (
        (steps, batch, x.shape[-1]),
        (steps, batch, units),
        (weights.shape[1], units),
        (batch, units),
        (steps, batch, units),
    )
    rows = weights.shape[1] - 1
    for one, shape in zip(tensors, expected, strict=False):
        if one.shape[1:] != shape or one.shape[0] not in (1, replicates) or one.dtype != x.dtype:
            raise ValueError(
                f"unit networks: expected (1 or {replicates}, {', '.join(map(str, shape))}) in {x.dtype}, "
                f"got {tuple(one.shape)} in {one.dtype}"
            )
        if one.device != x.device:
            raise ValueError(
                f"unit networks: expected all tensors on {x.device}, where x is, got one on {one.device}; "
                "move it there"
            )
    if rows % (x.shape[-1] + 3):
        raise ValueError(
            f"unit networks: expected weights of k·({x.shape[-1]} + 3) + 1 rows, got {rows + 1}; use pack"
        )
    return replicates


def _forward_shape(
    x: Tensor,
    reads: Tensor,
    weights: Tensor,
    held: Tensor,
    accumulate: bool,  # noqa: ARG001 - the operator's signature
) -> Tensor:
    replicates = max(one.shape[0] for one in (x, reads, weights, held))
    return reads.new_empty(replicates, *reads.shape[1:])


def _backward_shapes(
    x: Tensor,
    reads: Tensor,
    weights: Tensor,
    held: Tensor,
    gradient: Tensor,
    accumulate: bool,  # noqa: ARG001
    wanted: bool,  # noqa: ARG001
) -> list[Tensor]:
    replicates = max(one.shape[0] for one in (x, reads, weights, held, gradient))
    return [one.new_empty(replicates, *one.shape[1:]) for one in (x, reads, weights, held)]


_library.impl("unit_networks", _forward, "CPU")
_library.impl("unit_networks_backward", _backward, "CPU")
_library.impl("unit_networks", _forward_on_gpu, "CUDA")
_library.impl("unit_networks_backward", _backward_on_gpu, "CUDA")
torch.library.register_fake("desiderata::unit_networks", _forward_shape)
torch.library.register_fake("desiderata::unit_networks_backward", _backward_shapes)
networks = torch.ops.desiderata.unit_networks
networks_backward = torch.ops.desiderata.unit_networks_backward


class _Networks(torch.autograd.Function):
    @staticmethod
    def forward(accumulate: bool, *tensors: Tensor) -> Tensor:
        out: Tensor = networks(*tensors, accumulate)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.accumulate, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        refuse_batched([gradient])
        tensors = ctx.saved_tensors
        arguments = (ctx.accumulate, ctx.needs_input_grad[1], *tensors, gradient)
        if torch.compiler.is_compiling():  # see cells.fused.recurrence
            found = _gradients(*arguments)
        else:
            found = _NetworksBackward.apply(*arguments)  # type: ignore[no-untyped-call]
        return None, *as_given(found, tensors)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], accumulate: bool, *tensors: Tensor) -> Any:
        folded, replicates = fold(info.batch_size, in_dims[1:], tensors)
        out = _Networks.apply(accumulate, *folded)  # type: ignore[no-untyped-call]
        (whole,), (dim,) = unfold((out,), info.batch_size, replicates)
        return whole, dim


class _NetworksBackward(Gradients):
    @staticmethod
    def forward(accumulate: bool, wanted: bool, *tensors: Tensor) -> tuple[Tensor, ...]:
        return _gradients(accumulate, wanted, *tensors)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], accumulate: bool, wanted: bool, *tensors: Tensor
    ) -> Any:
        folded, replicates = fold(info.batch_size, in_dims[2:], tensors)
        out = _NetworksBackward.apply(accumulate, wanted, *folded)  # type: ignore[no-untyped-call]
        return unfold(out, info.batch_size, replicates)


def _gradients(accumulate: bool, wanted: bool, *tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(networks_backward(*tensors, accumulate, wanted))
