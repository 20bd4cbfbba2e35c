"""The operators behind :mod:`cells.fused.unit_networks`: shapes are those of that module."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from cells.fused import numba_kernels, unit_launch

_library = torch.library.Library("desiderata", "FRAGMENT")
_library.define(
    "unit_networks(Tensor x, Tensor reads, Tensor first, Tensor weights, Tensor held, "
    "bool accumulate, bool every, str decode, bool keep) -> Tensor[]"
)
_library.define(
    "unit_networks_backward(Tensor x, Tensor reads, Tensor first, Tensor weights, Tensor held, "
    "Tensor values, Tensor slopes, Tensor of_last, Tensor gradient, Tensor of_readouts, bool accumulate, "
    "str decode, bool wanted) "
    "-> Tensor[]"
)
# the kernels take sines of angles turned by so many quarters, or none
_CODES = {"": -1, "sin": 0, "cos": 1}


def _kernel() -> Any:
    return numba_kernels.compiled(
        lambda: importlib.import_module("cells.fused.numba_unit_networks")
    )


def _forward(
    x: Tensor,
    reads: Tensor,
    first: Tensor,
    weights: Tensor,
    held: Tensor,
    accumulate: bool,
    every: bool,
    decode: str,
    keep: bool,
) -> list[Tensor]:
    kernel = _kernel()
    replicates = check(x, reads, first, weights, held)
    _, steps, batch, units = reads.shape
    last = reads.new_empty(replicates, batch, units)
    out = reads.new_empty(replicates, steps if every else 0, batch, units)
    readouts = reads.new_empty(replicates, steps, batch, 2 * units if decode else 0)
    slopes = reads.new_empty(replicates, steps if keep else 0, batch, units)
    arrays = numba_kernels.arrays(x, reads, first, weights, held, last, out, readouts, slopes)
    each = steps * units * weights.shape[1] // 8
    numba_kernels.over_rows(
        kernel.forward, (*arrays, accumulate, _CODES[decode]), replicates * batch, each
    )
    return [last, out, *[readouts] * bool(decode), slopes]


def _backward(
    x: Tensor,
    reads: Tensor,
    first: Tensor,
    weights: Tensor,
    held: Tensor,
    values: Tensor,
    slopes: Tensor,
    of_last: Tensor,
    gradient: Tensor,
    of_readouts: Tensor,
    accumulate: bool,
    decode: str,
    wanted: bool,
) -> list[Tensor]:
    kernel = _kernel()
    replicates = check(
        x, reads, first, weights, held, values, slopes, of_last, gradient, of_readouts
    )
    _, steps, batch, units = reads.shape
    if slopes.shape[1] != steps:
        raise ValueError(
            f"unit networks: expected the slopes of {steps} steps, got {tuple(slopes.shape)}; have the "
            "forward keep them"
        )
    to_x = x.new_zeros(replicates, *x.shape[1:])
    to_reads = reads.new_empty(replicates, steps, batch, units)
    to_first, to_held = (reads.new_empty(replicates, batch, units) for _ in range(2))
    # sums of fixed groups of rows, themselves added up in one order: equal runs have equal bits
    group = kernel.GROUP
    groups = (batch + group - 1) // group
    to_weights = reads.new_empty(replicates, groups, *weights.shape[1:])
    given = (x, reads, first, weights, values, slopes, of_last, gradient, of_readouts)
    arrays = numba_kernels.arrays(*given, to_x, to_reads, to_first, to_weights, to_held)
    each = group * steps * units * weights.shape[1] // 4
    numba_kernels.over_rows(
        kernel.backward, (*arrays, accumulate, _CODES[decode], wanted), replicates * groups, each
    )
    return [to_x, to_reads, to_first, to_weights.sum(1), to_held]


def _before(reads: Tensor, first: Tensor) -> Tensor:
    """The state before every step."""
    replicates = max(len(reads), len(first))
    parts = first.unsqueeze(1), reads[:, : max(reads.shape[1] - 1, 0)]
    whole = torch.cat([one.expand(replicates, *one.shape[1:]) for one in parts], 1)
    return whole[:, : reads.shape[1]]


def _forward_on_gpu(
    x: Tensor,
    reads: Tensor,
    first: Tensor,
    weights: Tensor,
    held: Tensor,
    accumulate: bool,
    every: bool,
    decode: str,
    keep: bool,  # noqa: ARG001 - the backward there computes slopes anew
) -> list[Tensor]:
    replicates = check(x, reads, first, weights, held)
    values = unit_launch.forward(replicates, x, _before(reads, first), weights, held, accumulate)
    last = values[:, -1] if len(values[0]) else held.expand(replicates, *held.shape[1:])
    results = [
        last.clone(),
        values if every else values.new_empty(replicates, 0, *values.shape[2:]),
    ]
    if decode:
        read = reads.detach().expand(replicates, *reads.shape[1:])
        results.append(getattr(torch, decode)(torch.cat((read, values), -1)))
    return [*results, values.new_empty(replicates, 0, *values.shape[2:])]


def _backward_on_gpu(
    x: Tensor,
    reads: Tensor,
    first: Tensor,
    weights: Tensor,
    held: Tensor,
    values: Tensor,
    slopes: Tensor,  # noqa: ARG001
    of_last: Tensor,
    gradient: Tensor,
    of_readouts: Tensor,
    accumulate: bool,
    decode: str,
    wanted: bool,
) -> list[Tensor]:
    nothing = values.new_empty(1, 0, 0, 0)
    replicates = check(
        x, reads, first, weights, held, values, nothing, of_last, gradient, of_readouts
    )
    total = gradient if gradient.numel() else torch.zeros_like(reads)
    if of_last.numel() and reads.shape[1]:
        whole = max(len(total), len(of_last))
        total = total.expand(whole, *total.shape[1:]).clone()
        total[:, -1] += of_last
    if of_readouts.numel():
        of_reads, of_values = of_readouts.chunk(2, -1)
        total = total + of_values * _slope(values, decode)
    to_x, to_before, *rest = unit_launch.backward(
        replicates, x, _before(reads, first), weights, held, total, accumulate, wanted
    )
    nothing = to_before.new_zeros(replicates, 1, *reads.shape[2:])
    shifted = torch.cat((to_before, nothing), 1)
    to_first, to_reads = shifted[:, 0], shifted[:, 1:]
    if of_readouts.numel():
        to_reads = to_reads + of_reads * _slope(reads, decode)
    return [to_x, to_reads.contiguous(), to_first.contiguous(), *rest]


def _slope(values: Tensor, decode: str) -> Tensor:
    return -torch.sin(values) if decode == "cos" else torch.cos(values)


def check(x: Tensor, reads: Tensor, first: Tensor, weights: Tensor, *others: Tensor) -> int:
    """How many replicates; raise ``ValueError`` for shapes that do not belong together.

    ``others``: held, and then values, slopes and the gradients of the results, of which those of size 0 stand
    for none.
    """
    tensors = (x, reads, first, weights, *others)
    replicates = max(one.shape[0] for one in tensors)
    steps, batch, units = reads.shape[1:]
    every = (steps, batch, units)
    expected = (
        (steps, batch, x.shape[-1]),
        every,
        (batch, units),
        (weights.shape[1], units),
        (batch, units),
        every,
        every,
        (batch, units),
        every,
        (steps, batch, 2 * units),
    )
    rows = weights.shape[1] - 1
    for k, (one, shape) in enumerate(zip(tensors, expected, strict=False)):
        absent = k > 4 and not one.numel()  # what may be missing comes behind
        fits = absent or one.shape[1:] == shape
        if not fits or one.shape[0] not in (1, replicates) or one.dtype != x.dtype:
            raise ValueError(
                f"unit networks: expected (1 or {replicates}, {', '.join(map(str, shape))}) in {x.dtype}, "
                f"got {tuple(one.shape)} in {one.dtype}"
            )
        if one.device != x.device:
            raise ValueError(
                f"unit networks: expected all tensors on {x.device}, where x is, got one on {one.device}; "
                "move it there"
            )
    if not x.shape[-1] or rows % (x.shape[-1] + 3):
        raise ValueError(
            f"unit networks: expected one input or more and weights of k·({x.shape[-1]} + 3) + 1 rows, got "
            f"{rows + 1} rows; use pack"
        )
    return replicates


def _forward_shapes(
    x: Tensor,
    reads: Tensor,
    first: Tensor,
    weights: Tensor,
    held: Tensor,
    accumulate: bool,  # noqa: ARG001 - the operator's signature
    every: bool,
    decode: str,
    keep: bool,
) -> list[Tensor]:
    replicates = max(one.shape[0] for one in (x, reads, first, weights, held))
    _, steps, batch, units = reads.shape
    last = reads.new_empty(replicates, batch, units)
    values = reads.new_empty(replicates, steps if every else 0, batch, units)
    readouts = reads.new_empty(replicates, steps, batch, 2 * units)
    kept = steps if keep and reads.device.type == "cpu" else 0
    slopes = reads.new_empty(replicates, kept, batch, units)
    return [last, values, *[readouts] * bool(decode), slopes]


def _backward_shapes(
    x: Tensor,
    reads: Tensor,
    first: Tensor,
    weights: Tensor,
    held: Tensor,
    values: Tensor,
    slopes: Tensor,
    of_last: Tensor,
    gradient: Tensor,
    of_readouts: Tensor,
    accumulate: bool,  # noqa: ARG001
    decode: str,  # noqa: ARG001
    wanted: bool,  # noqa: ARG001
) -> list[Tensor]:
    own = (x, reads, first, weights, held)
    replicates = max(one.shape[0] for one in (*own, values, slopes, of_last, gradient, of_readouts))
    return [one.new_empty(replicates, *one.shape[1:]) for one in own]


_library.impl("unit_networks", _forward, "CPU")
_library.impl("unit_networks_backward", _backward, "CPU")
_library.impl("unit_networks", _forward_on_gpu, "CUDA")
_library.impl("unit_networks_backward", _backward_on_gpu, "CUDA")
torch.library.register_fake("desiderata::unit_networks", _forward_shapes)
torch.library.register_fake("desiderata::unit_networks_backward", _backward_shapes)
networks = torch.ops.desiderata.unit_networks
networks_backward = torch.ops.desiderata.unit_networks_backward
