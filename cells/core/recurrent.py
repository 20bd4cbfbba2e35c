"""Stacks of cells, as a model uses them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from cells.core.backend import backends, check_backend, run
from cells.core.unroll import Read


class Recurrent(nn.Module):
    """Layers of cells, each reading the readout of the one below.

    ``Recurrent(*layers, backend="auto")(xs, state=None) -> (outputs, state)`` with ``xs``
    ``(T, *batch, input_size)``, ``outputs`` ``(T, *batch, readout_size)`` of the top layer, and ``state`` a
    tuple with one state per layer. A model that decodes the end of a sequence alone passes ``read="last"``:
    ``outputs`` are then ``(*batch, readout_size)``, and no other readout of the top layer is computed or
    differentiated. ``backend``: "reference", the readable step unrolled; "library",
    torch's LSTM, GRU and tanh kernels on the cell's own parameters, which have no second
    derivative everywhere; "fused", kernels generated from the step of a cell whose units do not mix, and
    for other cells on CUDA the unroll as a CUDA graph once a shape comes back (the reference until
    then), neither with a second derivative; "auto", the library where it can run a layer, else "fused"
    where that can, else the reference. :func:`cells.backends` tells which and why. Raises ``ValueError``
    for no layers, an unknown backend, "library" or "fused" for a layer or an input that it cannot run,
    widths that do not chain, a state with another number of layers, or another ``read``.
    """

    def __init__(self, *layers: Any, backend: str = "auto") -> None:
        super().__init__()
        if not layers:
            raise ValueError("Recurrent needs at least one cell: got none")
        check_backend(backend)
        for lower, upper in pairwise(layers):
            width = lower.readout(lower.initial_state()).shape[-1]
            if upper.input_size != width:
                raise ValueError(
                    f"a layer of input_size {upper.input_size} stands on a layer whose readout has "
                    f"{width} features; build it with input_size={width}"
                )
        self.layers = nn.ModuleList(layers)
        self.backend = backend
        backends(self)  # what no input could change is refused here

    def initial_state(self, *batch: int) -> tuple[Any, ...]:
        """One initial state per layer."""
        return tuple(layer.initial_state(*batch) for layer in self.layers)  # type: ignore[operator]

    def forward(
        self, xs: Tensor, state: Any = None, *, read: Read = "every"
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Run every layer over ``xs``; see the class for shapes."""
        if read not in ("every", "last"):
            raise ValueError(f"read: expected 'every' or 'last', got {read!r}")
        if state is not None and len(state) != len(self.layers):
            raise ValueError(
                f"state must hold one state for each of the {len(self.layers)} layers, "
                f"as `initial_state` returns them: got {len(state)}"
            )
        states, top = [], len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            before = None if state is None else state[k]
            xs, last = run(layer, xs, before, self.backend, read if k == top else "every")
            states.append(last)
        return xs, tuple(states)
