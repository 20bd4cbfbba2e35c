"""Many inputs on the CPU: some steps at a time are projected and walked, while they stay in the cache.

What a product over all steps writes is as large as several states, is read once, and lies in fresh memory at
every call; so does its gradient. Neither is ever whole here: the backward projects again, which costs a third
of a product's gradients and leaves nothing but states to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from cells.fused import numba_kernels
from cells.fused.shapes import check
from cells.fused.step import Step
from cells.parts import onednn_linear

BYTES = 2**21
"""Of projected inputs at a time: enough rows for a product, and about what a core's own caches hold."""


def forward(
    step: Step,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    *,
    read: bool,
) -> list[Tensor]:
    """As :func:`cells.fused.numba_kernels.forward`, of x, weight_ih and bias_ih of one replicate."""
    _, steps, batch, units = check(step, inputs, weights, constants, initial)
    x, weight, bias = (one[0] for one in inputs)
    widths = [units] * step.states + [step.readouts * units] * (read and step.readouts > 0)
    results = [x.new_empty(1, steps, batch, width) for width in widths]
    for part in _parts(x, weight):
        own = [one[:, part] for one in results]
        projected = onednn_linear.product(x[part].flatten(0, 1), weight, bias)
        given = [projected.view(1, -1, batch, len(weight))]
        numba_kernels.forward(step, given, weights, constants, initial, read=read, out=own)
        initial = [one[:, -1] for one in own[: step.states]]
    return results


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
    """As :func:`cells.fused.numba_kernels.backward`, of the same."""
    _, _, batch, _ = check(step, inputs, weights, constants, initial, states, gradients)
    x, weight, bias = (one[0] for one in inputs)
    count = step.states
    dense, final = list(gradients), list(gradients[count : 2 * count])
    to_x = torch.empty_like(x) if wanted else torch.zeros_like(x)
    to_weight, to_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    to_weights = torch.zeros_like(weights)
    turned = weight.t().contiguous()
    for part in reversed(list(_parts(x, weight))):
        rows = x[part].flatten(0, 1)
        projected = onednn_linear.product(rows, weight, bias).view(1, -1, batch, len(weight))
        begin = [one[:, part.start - 1] for one in states] if part.start else initial
        own = [one[:, part] if one.numel() else one for one in dense]
        own[count : 2 * count] = final
        after = [one[:, part] for one in states]
        found = numba_kernels.backward(step, [projected], weights, constants, begin, after, own)
        of_rows, of_weights, *final = found
        of_rows = of_rows.view(-1, len(weight))
        if wanted:
            to_x[part] = onednn_linear.product(of_rows, turned, None).view(-1, *x.shape[1:])
        to_weight += onednn_linear.product(rows.t(), of_rows.t(), None).t()
        to_bias += of_rows.sum(0)
        to_weights += of_weights
    nothing = [torch.zeros_like(one) for one in initial]
    last = final if len(x) else nothing
    return [to_x[None], to_weight[None], to_bias[None], to_weights, *last]


def _parts(x: Tensor, weight: Tensor) -> Iterator[slice]:
    """The steps of x (T, B, D), in order, in parts whose projection by ``weight`` has BYTES at most."""
    each = max(1, BYTES // max(1, x.shape[1] * len(weight) * x.element_size()))
    for first in range(0, len(x), each):
        yield slice(first, min(first + each, len(x)))
