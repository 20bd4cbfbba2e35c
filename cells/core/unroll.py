"""The loop over time: one cell over a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from cells.core.deferral import Deferred, deferred_states
from cells.core.projection import Projected, per_step

Read = Literal["every", "last"]
"""After which steps a readout is wanted."""


def unroll(cell: Any, xs: Tensor, state: Any = None, read: Read = "every") -> tuple[Tensor, Any]:
    """Run ``cell`` over ``xs``, time first.

    ``xs`` is ``(T, *batch, input_size)``; ``state`` defaults to ``cell.initial_state(*batch)``. Returns
    the readouts ``(T, *batch, readout_size)`` and the last state: those of ``cell.step`` and
    ``cell.readout`` at each step; where ``read`` is "last", only the readout of the last state,
    ``(*batch, readout_size)``. A :class:`~cells.core.projection.Projected` cell has its inputs
    projected before the loop and its states read behind it, a
    :class:`~cells.core.deferral.Deferred` one also leaves the deferred field out of the loop. Raises
    ``ValueError`` where the last axis of ``xs`` is not ``cell.input_size``.
    """
    check_inputs(cell, xs)
    if state is None:
        state = cell.initial_state(*xs.shape[1:-1])
    # a subclass that writes its own step is taken at its word, and so is any cell that only has one
    if not isinstance(cell, Projected) or type(cell).step is not Projected.step:
        return _step_by_step(cell, xs, state, read)
    projected = cell.project(xs)
    if isinstance(cell, Deferred) and type(cell).advance is Deferred.advance:
        states = deferred_states(cell, projected, state, xs.shape[0])
    else:
        states, current = [], state
        for value in per_step(projected, xs.shape[0]):
            current = cell.advance(value, current)
            states.append(current)
    last = states[-1] if states else state
    return cell.readout(last) if read == "last" else _read(cell, states, state), last


def check_inputs(cell: Any, xs: Tensor) -> None:
    """Raise ``ValueError`` unless ``xs`` is ``(T, *batch, cell.input_size)``."""
    if xs.dim() < 2 or xs.shape[-1] != cell.input_size:
        raise ValueError(
            f"xs must be (T, *batch, input_size) with input_size = {cell.input_size}; "
            f"put time first and features last: got shape {tuple(xs.shape)}"
        )


def _step_by_step(cell: Any, xs: Tensor, state: Any, read: Read) -> tuple[Tensor, Any]:
    readouts, start = [], state
    for x in xs.unbind(0):  # not xs[t], whose backward is quadratic in T
        state = cell.step(x, state)
        if read == "every":
            readouts.append(cell.readout(state))
    if read == "last":
        return cell.readout(state), state
    return torch.stack(readouts) if readouts else _nothing(cell, start), state


def _read(cell: Any, states: Sequence[Any], start: Any) -> Tensor:
    """The readouts of all ``states``: computed at once, or stacked where each is a field as it is."""
    if not states:
        return _nothing(cell, start)
    last = cell.readout(states[-1])
    if any(last is field for field in states[-1]):
        return torch.stack([cell.readout(state) for state in states])
    fields = (torch.stack(field) for field in zip(*states, strict=True))
    outputs: Tensor = cell.readout(type(states[-1])(*fields))
    return outputs


def _nothing(cell: Any, start: Any) -> Tensor:
    empty: Tensor = cell.readout(start)
    return empty.new_zeros(0, *empty.shape)
