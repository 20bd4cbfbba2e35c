"""Kernels on the GPU: compiled by Triton at the first call, and from its cache on disk afterwards."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from cells.fused.shapes import check
from cells.fused.step import Step
from cells.fused.store import load

_INSTALLED = importlib.util.find_spec("triton") is not None
_FEW, _SOME = 2**14, 2**16
"""Lanes below which every multiprocessor of a large GPU gets a few warps only, and some."""
_REGISTERS = 80
"""At most, in float32: 24 warps then share a multiprocessor. In float64, which is for checks, twice that."""
_QUEUE_BYTES = {"forward": 128, "backward": 96}
"""What a lane's chunk may take of them, as much again being on its way; beyond, the compiler spills."""
_SHARED_QUEUE_BYTES = 64
"""The same where there are warps enough to hide a load behind one another."""

Kernel = Literal["forward", "backward"]


class Launch(NamedTuple):
    """``block`` lanes a program, ``depth`` steps a chunk."""

    block: int
    depth: int

    def options(self, dtype: torch.dtype) -> dict[str, int]:
        """What Triton's compiler is told: a lane to a thread, and how many registers one may have."""
        most = _REGISTERS * dtype.itemsize // 4
        return {"num_warps": self.block // 32, "num_stages": 1, "maxnreg": most}


def missing() -> str | None:
    """Why there are no kernels on this GPU, or None."""
    if not torch.cuda.is_available():
        return "torch finds no GPU that speaks CUDA"
    if not _INSTALLED:
        return "triton is not installed; the builds of torch for CUDA bring it"
    return None


def launch(kernel: Kernel, lanes: int, loads: int, dtype: torch.dtype) -> Launch:
    """How to run that many lanes whose steps load ``loads`` numbers each.

    Few lanes: small blocks, so that all multiprocessors have some, and a long queue, since no other warp
    hides the wait. Many: other warps do, and a short queue leaves registers for more of them.
    """
    block = 32 if lanes < _FEW else 64 if lanes < _SOME else 128
    most = _QUEUE_BYTES[kernel] if lanes < _SOME else _SHARED_QUEUE_BYTES
    depth = 8 if lanes < _SOME else 4
    while depth > 1 and depth * loads * dtype.itemsize > most:
        depth //= 2
    return Launch(block, depth)


def forward(
    step: Step,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    *,
    read: bool = True,
) -> list[Tensor]:
    """The states after every step and the readouts; see :mod:`cells.fused.operators` for the shapes.

    ``read``: whether readouts are wanted of a step that has some.
    """
    replicates, steps, batch, units = check(step, inputs, weights, constants, initial)
    (projected,) = inputs  # the operators' other form is for the CPU
    kernels = module(step)
    projected, weights, *initial = (
        tensor.detach().contiguous() for tensor in (projected, weights, *initial)
    )
    decoded = read and step.readouts > 0
    widths = [units] * step.states + [step.readouts * units] * decoded
    out = [projected.new_empty(replicates, steps, batch, width) for width in widths]
    # a pointer that is never followed
    nowhere = [projected] * (step.readouts > 0 and not decoded)
    lanes = replicates * batch * units
    how = launch("forward", lanes, kernels.FORWARD_LOADS, projected.dtype)
    fits(projected, lanes * max(step.weights, step.readouts * steps))
    if lanes:
        with _on(projected):
            kernels.forward[(-(-lanes // how.block),)](
                projected,
                weights,
                *initial,
                *out,
                *nowhere,
                *constants,
                *map(_stride, (projected, weights, *initial)),
                steps,
                batch,
                units,
                lanes,
                *[decoded] * (step.readouts > 0),
                BLOCK=how.block,
                DEPTH=how.depth,
                **how.options(projected.dtype),
            )
    return out


def backward(
    step: Step,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    states: Sequence[Tensor],
    gradients: Sequence[Tensor],
    *,
    wanted: bool = True,  # noqa: ARG001 - of x, which the operators' other form has
) -> list[Tensor]:
    """The gradients of projected, weights and every initial state, each with all R replicates."""
    sizes = check(step, inputs, weights, constants, initial, states, gradients)
    replicates, steps, batch, units = sizes
    (projected,) = inputs
    kernels = module(step)
    projected, weights, *initial = (
        tensor.detach().contiguous() for tensor in (projected, weights, *initial)
    )
    count = step.states
    of_states, of_final, of_readouts = (
        gradients[:count],
        gradients[count : 2 * count],
        gradients[2 * count :],
    )
    given = [one.numel() > 0 for one in (*of_states, *of_final, *of_readouts)]
    there = _alike([one for one in of_states if one.numel() > 0])
    states = _alike(states)
    whole = iter(there)
    gradients = [
        *(next(whole) if one.numel() else projected for one in of_states),
        *(
            one.detach().expand(replicates, *one.shape[1:]).contiguous()
            if one.numel()
            else projected
            for one in of_final
        ),
        *(one.detach().contiguous() if one.numel() else projected for one in of_readouts),
    ]
    to_projected = projected.new_empty(replicates, *projected.shape[1:])
    to_weights = projected.new_empty(replicates, batch, step.weights, units)
    to_initial = [projected.new_empty(replicates, batch, units) for _ in initial]
    lanes = replicates * batch * units
    how = launch("backward", lanes, kernels.BACKWARD_LOADS, projected.dtype)
    fits(projected, lanes * max(step.weights, step.readouts * steps))
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
                *map(_stride, gradients[2 * count :]),
                steps,
                batch,
                units,
                lanes,
                *given,
                BLOCK=how.block,
                DEPTH=how.depth,
                **how.options(projected.dtype),
            )
    # every lane has sums of its own, added up in one order: equal runs have equal bits
    return [to_projected, to_weights.sum(1), *to_initial]


def module(step: Step) -> Any:
    """The kernels of ``step`` as Triton reads them."""
    from cells.fused.triton_printer import triton_source

    return load(step, "triton", triton_source)


def _stride(tensor: Tensor) -> int:
    """From one replicate to the next; a single one stands for all."""
    return tensor[0].numel() if tensor.shape[0] > 1 else 0


def _alike(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Contiguous, and all of as many replicates, since the kernels have one stride for them."""
    most = max((tensor.shape[0] for tensor in tensors), default=1)
    return [tensor.detach().expand(most, *tensor.shape[1:]).contiguous() for tensor in tensors]


def fits(projected: Tensor, sums: int) -> None:
    """Raise ``ValueError`` for 2³¹ or more numbers a replicate: offsets have 32 bits, to save registers."""
    elements = max(projected[0].numel(), sums)
    if elements >= 2**31:
        raise ValueError(
            "steps x batch x inputs of all units: expected fewer than 2**31 of them for these kernels, "
            f"got {elements}; split the batch or the sequence, or use backend='reference'"
        )


def _on(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Triton launches on the current device, which need not be the tensor's."""
    if tensor.is_cuda:
        return torch.cuda.device(tensor.device)
    return contextlib.nullcontext()  # the interpreter
