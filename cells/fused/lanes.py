"""Cells whose units do not mix: their form for the kernels, and running it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from cells.fused import numba_kernels, recurrence, triton_kernels
from cells.fused.step import Step

DTYPES = (torch.float32, torch.float64)
Tail = Callable[
    [Tensor, tuple[Tensor, ...], tuple[Tensor, ...], Tensor], tuple[Tensor, Tensor | None]
]
"""See :class:`Lanes`."""


@dataclass(frozen=True, slots=True)
class Lanes:
    r"""A cell in the kernels' terms, as its method ``lanes`` returns it where its units do not mix.

    ``step``: what one unit does; ``fields``: the state's fields that it advances, in its order, each
    (\*batch, J); ``project``: xs (…, input_size) to what the units read, (…, K·J), input by input;
    ``weights`` (w, J): the units' own; ``constants``: the step's, in its order. ``tail``: for a field that
    feeds back into nothing and is not the kernel's: its name, and the function of (xs, the states after
    every step, those before the first, its initial value) that gives it for all steps, and the outputs or
    None. A step that decodes gives what the cell's ``readout`` would, readout by readout, and has no tail.
    """

    step: Step
    fields: tuple[str, ...]
    project: Callable[[Tensor], Tensor]
    weights: Tensor
    constants: tuple[float, ...] = ()
    tail: tuple[str, Tail] | None = None


def misfit(form: Lanes, xs: Tensor, state: Any) -> str | None:
    """Why the kernels cannot run ``form`` on these tensors here and now, or None."""
    tensors = (xs, form.weights, *state)
    places = {(tensor.device.type, tensor.dtype) for tensor in tensors}
    device, dtype = next(iter(places))
    if len(places) > 1 or dtype not in DTYPES or device not in ("cpu", "cuda"):
        found = ", ".join(sorted(f"{one} on {where}" for where, one in places))
        return f"the kernels take float32 or float64, one dtype on one device: got {found}"
    missing = triton_kernels.missing() if device == "cuda" else numba_kernels.missing()
    if missing is not None:
        return missing
    if torch.is_autocast_enabled(device):
        return "autocast is on, which casts inside a step where the kernels cast around it"
    if any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors):
        return "the kernels have no forward-mode derivative"
    if xs.numel() == 0 or math.prod(xs.shape[1:-1]) == 0:
        return "the sequence or the batch is empty"
    return None


def run(cell: Any, form: Lanes, xs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Outputs (T, \\*batch, readout_size) and the last state, from ``xs`` and ``state`` that fit ``form``."""
    steps, batch = xs.shape[0], xs.shape[1:-1]
    old = {
        name: value if value.shape[:-1] == batch else value.expand(*batch, value.shape[-1])
        for name, value in zip(state._fields, state, strict=True)
    }
    projected, initial = form.project(xs), [old[name] for name in form.fields]
    one_axis = len(batch) == 1  # as a rule; the kernels know no other
    if not one_axis:
        examples = math.prod(batch)
        projected = projected.reshape(steps, examples, projected.shape[-1])
        initial = [one.reshape(examples, one.shape[-1]) for one in initial]
    results = recurrence.run(form.step, projected, form.weights, form.constants, initial)
    if not one_axis:
        results = tuple(one.reshape(steps, *batch, one.shape[-1]) for one in results)
    states = dict(zip(form.fields, results, strict=False))
    outputs = results[-1] if form.step.readouts else None
    if form.tail is not None:
        name, tail = form.tail
        after, first = (tuple(given[one] for one in form.fields) for given in (states, old))
        states[name], outputs = tail(xs, after, first, old[name])
    if outputs is None:
        outputs = cell.readout(type(state)(**states))
    last = type(state)(**{name: one[-1] for name, one in states.items()})
    return outputs, last
