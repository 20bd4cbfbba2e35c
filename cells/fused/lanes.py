"""Cells whose units do not mix: their form for the kernels, and running it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from cells.core.unroll import Read
from cells.fused import numba_kernels, recurrence, triton_kernels
from cells.fused.first_derivative import transformed
from cells.fused.step import Step
from cells.parts.input_map import InputMap

DTYPES = (torch.float32, torch.float64)


WHOLE = 2**25
"""Bytes of projected inputs up to which they are made at once: the C library keeps a piece of that size for
the next call. What is larger would lie in fresh pages every time, and these take longer than a product."""


class Tailed(NamedTuple):
    """A field that is no kernel's.

    Its ``last`` value (\\*batch, J); where every readout is wanted, its ``states`` after every step
    (T, \\*batch, J), and the ``outputs`` (T, \\*batch, R), or None where the cell's readout is to make them.
    """

    last: Tensor
    states: Tensor | None
    outputs: Tensor | None = None


Tail = Callable[[Tensor, tuple[Tensor, ...], tuple[Tensor, ...], Tensor, Read], Tailed]
"""See :class:`Lanes`."""


@dataclass(frozen=True, slots=True)
class Lanes:
    r"""A cell in the kernels' terms, as its method ``lanes`` returns it where its units do not mix.

    ``step``: what one unit does; ``fields``: the state's fields that it advances, in its order, each
    (\*batch, J); ``project``: xs (…, input_size) to what the units read, (…, K·J), input by input, best an
    :class:`~cells.parts.input_map.InputMap`;
    ``weights`` (w, J): the units' own; ``constants``: the step's, in its order. ``tail``: for a field that
    feeds back into nothing and is not the kernel's: its name, and the function of (xs, the states after
    every step, those before the first, its initial value, which readouts are wanted) that gives it after all
    steps or, where "last" ones are wanted, after the last. A step that decodes gives what the cell's
    ``readout`` would, readout by readout, and has no tail.
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


def run(cell: Any, form: Lanes, xs: Tensor, state: Any, read: Read = "every") -> tuple[Tensor, Any]:
    """Outputs and the last state, from ``xs`` and ``state`` that fit ``form``.

    ``read``: "every" for outputs (T, \\*batch, readout_size), "last" for those after the last step,
    (\\*batch, readout_size), for which the kernels neither decode nor differentiate any other.
    """
    steps, batch = xs.shape[0], xs.shape[1:-1]
    old = {
        name: value if value.shape[:-1] == batch else value.expand(*batch, value.shape[-1])
        for name, value in zip(state._fields, state, strict=True)
    }
    (first, *maps), initial = _inputs(form, xs), [old[name] for name in form.fields]
    one_axis = len(batch) == 1  # as a rule; the kernels know no other
    if not one_axis:
        examples = math.prod(batch)
        first = first.reshape(steps, examples, first.shape[-1])
        initial = [one.reshape(examples, one.shape[-1]) for one in initial]
    every, final, outputs = recurrence.run(
        form.step, [first, *maps], form.weights, form.constants, initial, read=read == "every"
    )
    if not one_axis:
        every = tuple(one.reshape(steps, *batch, one.shape[-1]) for one in every)
        final = tuple(one.reshape(*batch, one.shape[-1]) for one in final)
        if outputs is not None:
            outputs = outputs.reshape(steps, *batch, outputs.shape[-1])
    states: dict[str, Tensor | None] = dict(zip(form.fields, every, strict=True))
    last = dict(zip(form.fields, final, strict=True))
    if form.tail is not None:
        name, tail = form.tail
        begin = tuple(old[one] for one in form.fields)
        last[name], states[name], outputs = tail(xs, every, begin, old[name], read)
    end = type(state)(**last)
    if read == "last":
        return cell.readout(end), end
    if outputs is None:
        outputs = cell.readout(type(state)(**states))
    return outputs, end


def _inputs(form: Lanes, xs: Tensor) -> list[Tensor]:
    """What the kernels read: projected inputs, or on a CPU x and its map, if features are few or steps many.

    Under torch's transforms many inputs are projected beforehand, since a mapped axis makes replicates.
    """
    project = form.project
    if not isinstance(project, InputMap) or xs.is_cuda:
        return [project(xs)]
    weight, bias = project.weight, project.bias
    whole = xs[..., 0].numel() * len(weight) * xs.element_size()
    if not project.few and (whole <= WHOLE or transformed()):
        return [project(xs)]
    return [xs, weight, weight.new_zeros(len(weight)) if bias is None else bias]
