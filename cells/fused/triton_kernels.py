"""Kernels on the GPU: compiled by Triton at the first call, and from its cache on disk afterwards."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cells.fused.step import Step
from cells.fused.store import load

_INSTALLED = importlib.util.find_spec("triton") is not None
_FEW, _SOME = 2**14, 2**16
"""Lanes below which every multiprocessor of a large GPU gets a few warps only, and some."""
_QUEUE_BYTES = 64
"""What a lane's queue may take of registers; the chunk that is on its way takes as much again."""


class Launch(NamedTuple):
    """``block`` lanes a program, a warp for every 32 of them, ``depth`` steps a chunk."""

    block: int
    depth: int

    @property
    def warps(self) -> int:
        """How many warps a program has: a lane to a thread."""
        return self.block // 32


def missing() -> str | None:
    """Why there are no kernels on this GPU, or None."""
    if not torch.cuda.is_available():
        return "torch finds no GPU that speaks CUDA"
    if not _INSTALLED:
        return "triton is not installed; the builds of torch for CUDA bring it"
    return None


def launch(lanes: int, loads: int, dtype: torch.dtype) -> Launch:
    """How to run that many lanes whose steps load ``loads`` numbers each.

    Few lanes: small blocks, so that all multiprocessors have some, and a long queue, since no other warp
    hides the wait. Many: other warps do, and a short queue leaves registers for more of them.
    """
    block = 32 if lanes < _FEW else 64 if lanes < _SOME else 128
    depth = 8 if lanes < _SOME else 4
    while depth > 1 and depth * loads * dtype.itemsize > _QUEUE_BYTES:
        depth //= 2
    return Launch(block, depth)


def forward(
    step: Step,
    projected: Tensor,
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
) -> list[Tensor]:
    """The states after every step, each (R, T, B, J); see :mod:`cells.fused.operators` for the shapes."""
    kernels = _module(step)
    projected, weights, *initial = (
        tensor.detach().contiguous() for tensor in (projected, weights, *initial)
    )
    replicates = max(tensor.shape[0] for tensor in (projected, weights, *initial))
    _, steps, batch, _ = projected.shape
    units = initial[0].shape[-1]
    out = [projected.new_empty(replicates, steps, batch, units) for _ in initial]
    lanes = replicates * batch * units
    how = launch(lanes, kernels.FORWARD_LOADS, projected.dtype)
    _fits(projected, lanes)
    if lanes:
        with _on(projected):
            kernels.forward[(-(-lanes // how.block),)](
                projected,
                weights,
                *initial,
                *out,
                *constants,
                *map(_stride, (projected, weights, *initial)),
                steps,
                batch,
                units,
                lanes,
                BLOCK=how.block,
                DEPTH=how.depth,
                num_warps=how.warps,
                num_stages=1,
            )
    return out


def backward(
    step: Step,
    projected: Tensor,
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    states: Sequence[Tensor],
    gradients: Sequence[Tensor],
) -> list[Tensor]:
    """The gradients of projected, weights and every initial state, each with all R replicates."""
    kernels = _module(step)
    projected, weights, *initial = (
        tensor.detach().contiguous() for tensor in (projected, weights, *initial)
    )
    given = [one.numel() > 0 for one in gradients]
    there = [one for one in gradients if one.numel() > 0]
    replicates = max(tensor.shape[0] for tensor in (projected, weights, *initial, *states, *there))
    states, there = _alike(states), _alike(there)
    whole = iter(there)
    gradients = [next(whole) if is_given else projected for is_given in given]
    _, steps, batch, inputs = projected.shape
    units = initial[0].shape[-1]
    to_projected = projected.new_empty(replicates, steps, batch, inputs)
    to_weights = projected.new_empty(replicates, batch, step.weights, units)
    to_initial = [projected.new_empty(replicates, batch, units) for _ in initial]
    lanes = replicates * batch * units
    how = launch(lanes, kernels.BACKWARD_LOADS, projected.dtype)
    _fits(projected, lanes)
    if lanes:
        with _on(projected):
            kernels.backward[(-(-lanes // how.block),)](
                projected,
                weights,
                *initial,
                *states,
                *gradients,
                to_projected,
                to_weights,
                *to_initial,
                *constants,
                *map(_stride, (projected, weights, *initial)),
                _stride(states[0]),
                _stride(there[0]) if there else 0,
                steps,
                batch,
                units,
                lanes,
                *given,
                BLOCK=how.block,
                DEPTH=how.depth,
                num_warps=how.warps,
                num_stages=1,
            )
    # every lane has sums of its own, added up in one order: equal runs have equal bits
    return [to_projected, to_weights.sum(1), *to_initial]


def _module(step: Step) -> Any:
    from cells.fused.triton_printer import triton_source

    return load(step, "triton", triton_source)


def _stride(tensor: Tensor) -> int:
    """From one replicate to the next; a single one stands for all."""
    return tensor[0].numel() if tensor.shape[0] > 1 else 0


def _alike(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Contiguous, and all of as many replicates, since the kernels have one stride for them."""
    most = max((tensor.shape[0] for tensor in tensors), default=1)
    return [tensor.detach().expand(most, *tensor.shape[1:]).contiguous() for tensor in tensors]


def _fits(projected: Tensor, lanes: int) -> None:
    """Offsets within one replicate are integers of 32 bits, so that addresses take few registers."""
    elements = max(projected[0].numel(), lanes * 4)
    if elements >= 2**31:
        raise ValueError(
            "steps x batch x inputs of all units: expected fewer than 2**31 for these kernels, got "
            f"{elements}; split the batch or the sequence, or use backend='reference'"
        )


def _on(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Triton launches on the current device, which need not be the tensor's."""
    if tensor.is_cuda:
        return torch.cuda.device(tensor.device)
    return contextlib.nullcontext()  # the interpreter
