"""What the kernels get, checked: they write where they are told to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from cells.fused.step import Step


class Sizes(NamedTuple):
    """Of one call: R, T, B and J, see :mod:`cells.fused.operators`."""

    replicates: int
    steps: int
    batch: int
    units: int


def check(
    step: Step,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    states: Sequence[Tensor] | None = None,
    gradients: Sequence[Tensor] | None = None,
) -> Sizes:
    """The sizes of a call.

    Raises ``ValueError`` where a tensor has not the shape that :mod:`cells.fused.operators` documents,
    another dtype or device than the inputs, or where there are not as many as the step has.
    """
    for what, tensors, count in (
        ("constants", constants, step.constants),
        ("initial states", initial, step.states),
        ("states", states, step.states),
        ("gradients", gradients, 2 * step.states + bool(step.readouts)),
    ):
        if tensors is not None and len(tensors) != count:
            raise ValueError(f"kernel {step.name}: expected {count} {what}, got {len(tensors)}")
    steps, batch, width, of_inputs = _inputs(step, inputs)
    units = width // step.inputs
    given, count = gradients or (), step.states
    of_states = [one for one in given[:count] if one.numel()]
    of_final = [one for one in given[count : 2 * count] if one.numel()]
    decoded = [one for one in given[2 * count :] if one.numel()]
    every, final, read = (
        (steps, batch, units),
        (batch, units),
        (steps, batch, step.readouts * units),
    )
    graded = (*of_states, *of_final, *decoded)
    replicates = max(one.shape[0] for one in (*inputs, weights, *initial, *graded))
    wanted = [
        *of_inputs,
        ("weights", weights, (step.weights, units)),
        *(("an initial state", one, final) for one in initial),
        *(("a state", one, every) for one in states or ()),
        *(("a gradient", one, every) for one in of_states),
        *(("a last state's gradient", one, final) for one in of_final),
        *(("the readouts' gradient", one, read) for one in decoded),
    ]
    first = inputs[0]
    for what, tensor, shape in wanted:
        if tensor.shape[1:] != shape or tensor.shape[0] not in (1, replicates):
            raise ValueError(
                f"kernel {step.name}: expected {what} (1 or {replicates}, "
                f"{', '.join(map(str, shape))}), got {tuple(tensor.shape)}"
            )
        if tensor.dtype != first.dtype or tensor.device != first.device:
            raise ValueError(
                f"kernel {step.name}: expected {what} in {first.dtype} on {first.device}, got "
                f"{tensor.dtype} on {tensor.device}"
            )
    return Sizes(replicates, steps, batch, units)


def _inputs(
    step: Step, inputs: Sequence[Tensor]
) -> tuple[int, int, int, list[tuple[str, Tensor, tuple[int, ...]]]]:
    """T, B and K·J, and what the inputs should look like."""
    if len(inputs) == 3 and inputs[0].dim() == 4 and inputs[0].shape[-1] and inputs[1].dim() == 3:
        x, weight, bias = inputs
        (steps, batch, size), width = x.shape[1:], weight.shape[1]
        wanted = [
            ("x", x, (steps, batch, size)),
            ("weight_ih", weight, (width, size)),
            ("bias_ih", bias, (width,)),
        ]
    elif len(inputs) == 1 and inputs[0].dim() == 4:
        (projected,) = inputs
        steps, batch, width = projected.shape[1:]
        wanted = [("projected inputs", projected, (steps, batch, width))]
    else:
        width, wanted = -1, []
    if not wanted or width % step.inputs:
        raise ValueError(
            f"kernel {step.name}: expected projected inputs (R, T, B, {step.inputs}·J), or x (R, T, B, D), "
            f"weight_ih (R, {step.inputs}·J, D) and bias_ih (R, {step.inputs}·J), got "
            f"{', '.join(str(tuple(one.shape)) for one in inputs)}"
        )
    return steps, batch, width, wanted


def as_expected(out: Sequence[Tensor], shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """``out``, if a kernel can write there. Raises ``ValueError`` where it has other shapes or gaps."""
    found = [tuple(one.shape) for one in out]
    if found != list(shapes) or not all(one.is_contiguous() for one in out):
        raise ValueError(
            f"out: expected dense tensors of shapes {list(shapes)}, got {found}, dense: "
            f"{[one.is_contiguous() for one in out]}; leave it out to get new ones"
        )
    return list(out)
