"""What the kernels get, checked: they write where they are told to."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cells.fused.step import Step


def check(
    step: Step,
    projected: Tensor,
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    states: Sequence[Tensor] | None = None,
    gradients: Sequence[Tensor] | None = None,
) -> int:
    """How many replicates there are.

    Raises ``ValueError`` where a tensor has not the shape that :mod:`cells.fused.operators` documents,
    another dtype or device than ``projected``, or where there are not as many as the step has.
    """
    for what, given, count in (
        ("constants", constants, step.constants),
        ("initial states", initial, step.states),
        ("states", states, step.states),
        ("gradients", gradients, step.results),
    ):
        if given is not None and len(given) != count:
            raise ValueError(f"kernel {step.name}: expected {count} {what}, got {len(given)}")
    if projected.dim() != 4 or projected.shape[-1] % step.inputs:
        raise ValueError(
            f"kernel {step.name}: expected projected inputs (R, T, B, {step.inputs}·J), got "
            f"{tuple(projected.shape)}"
        )
    _, steps, batch, width = projected.shape
    units = width // step.inputs
    of_states = [one for one in (gradients or ())[: step.states] if one.numel()]
    decoded = [one for one in (gradients or ())[step.states :] if one.numel()]
    replicates = max(one.shape[0] for one in (projected, weights, *initial, *of_states, *decoded))
    every = (replicates, steps, batch, units)
    wanted = [
        ("projected inputs", projected, (1, steps, batch, width)),
        ("weights", weights, (1, step.weights, units)),
        *(("an initial state", one, (1, batch, units)) for one in initial),
        *(("a state", one, (1, *every[1:])) for one in states or ()),
        *(("a gradient", one, (1, *every[1:])) for one in of_states),
        *(
            ("the readouts' gradient", one, (1, steps, batch, step.readouts * units))
            for one in decoded
        ),
    ]
    for what, tensor, shape in wanted:
        if tensor.shape[1:] != shape[1:] or tensor.shape[0] not in (1, replicates):
            raise ValueError(
                f"kernel {step.name}: expected {what} (1 or {replicates}, "
                f"{', '.join(map(str, shape[1:]))}), got {tuple(tensor.shape)}"
            )
        if tensor.dtype != projected.dtype or tensor.device != projected.device:
            raise ValueError(
                f"kernel {step.name}: expected {what} in {projected.dtype} on {projected.device}, got "
                f"{tensor.dtype} on {tensor.device}"
            )
    return replicates


def as_expected(out: Sequence[Tensor], shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """``out``, if a kernel can write there. Raises ``ValueError`` where it has other shapes or gaps."""
    found = [tuple(one.shape) for one in out]
    if found != list(shapes) or not all(one.is_contiguous() for one in out):
        raise ValueError(
            f"out: expected dense tensors of shapes {list(shapes)}, got {found}, dense: "
            f"{[one.is_contiguous() for one in out]}; leave it out to get new ones"
        )
    return list(out)
