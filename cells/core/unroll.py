"""The loop over time: one cell over a sequence, and stacks of cells as a model uses them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


def unroll(cell: Any, xs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """Run ``cell`` over ``xs``, time first.

    ``xs`` is ``(T, *batch, input_size)``; ``state`` defaults to ``cell.initial_state(*batch)``. Returns
    the readouts ``(T, *batch, readout_size)`` and the last state. Raises ``ValueError`` where
    the last axis of ``xs`` is not ``cell.input_size``.
    """
    if xs.dim() < 2 or xs.shape[-1] != cell.input_size:
        raise ValueError(
            f"xs must be (T, *batch, input_size) with input_size = {cell.input_size}; "
            f"put time first and features last: got shape {tuple(xs.shape)}"
        )
    if state is None:
        state = cell.initial_state(*xs.shape[1:-1])
    readouts = []
    for x in xs.unbind(0):  # not xs[t], whose backward is quadratic in T
        state = cell.step(x, state)
        readouts.append(cell.readout(state))
    if not readouts:
        empty = cell.readout(state)
        return empty.new_zeros(0, *empty.shape), state
    return torch.stack(readouts), state


class Recurrent(nn.Module):
    """Layers of cells, each reading the readout of the one below.

    ``Recurrent(*layers, backend="auto")(xs, state=None) -> (outputs, state)`` with ``xs``
    ``(T, *batch, input_size)``, ``outputs`` ``(T, *batch, readout_size)`` of the top layer, and ``state`` a
    tuple with one state per layer. ``backend``: ``"auto"`` or ``"reference"``, the readable step
    unrolled. Raises ``ValueError`` for no layers, an unknown backend, widths that do not chain, or
    a state with another number of layers.
    """

    backends = ("auto", "reference")

    def __init__(self, *layers: Any, backend: str = "auto") -> None:
        super().__init__()
        if not layers:
            raise ValueError("Recurrent needs at least one cell: got none")
        if backend not in self.backends:
            raise ValueError(f"backend: expected one of {self.backends}, got {backend!r}")
        for lower, upper in pairwise(layers):
            width = lower.readout(lower.initial_state()).shape[-1]
            if upper.input_size != width:
                raise ValueError(
                    f"a layer of input_size {upper.input_size} stands on a layer whose readout has "
                    f"{width} features; build it with input_size={width}"
                )
        self.layers = nn.ModuleList(layers)
        self.backend = backend

    def initial_state(self, *batch: int) -> tuple[Any, ...]:
        """One initial state per layer."""
        return tuple(layer.initial_state(*batch) for layer in self.layers)  # type: ignore[operator]

    def forward(self, xs: Tensor, state: Any = None) -> tuple[Tensor, tuple[Any, ...]]:
        """Unroll every layer over ``xs``; see the class for shapes."""
        if state is not None and len(state) != len(self.layers):
            raise ValueError(
                f"state must hold one state for each of the {len(self.layers)} layers, "
                f"as `initial_state` returns them: got {len(state)}"
            )
        states = []
        for k, layer in enumerate(self.layers):
            xs, last = unroll(layer, xs, None if state is None else state[k])
            states.append(last)
        return xs, tuple(states)
