"""The unroll of a cell and its gradient as work on tensors that stay where they are."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cells.core.unroll import unroll
from cells.graphs.inspection import Inspection
from cells.graphs.twin import Twin

Gradients = tuple[Tensor | None, ...]


class Program:
    """What is recorded: :meth:`forward`, and :meth:`backward` where ``differentiated``.

    ``twin``: the cell; ``form``: it, or it with another step; ``xs`` and ``state``: tensors like those that
    will come. ``inputs``: the tensors that a call fills, xs and then the state's fields, and ``upstream``
    those that a backward fills, one per output that has a gradient. Outputs are those of
    :func:`cells.unroll` side by side; gradients are those of the inputs and of the twin's parameters.
    """

    def __init__(
        self, twin: Twin, form: Any, xs: Tensor, state: Any, *, differentiated: bool
    ) -> None:
        self.twin, self.differentiated = twin, differentiated
        self.state_type = type(state)
        self._form = form
        self.inputs = tuple(_static(one, graded=differentiated) for one in (xs, *state))
        self.upstream: tuple[Tensor, ...] = ()
        self._live: list[Tensor] = []
        self.result_type: Any = None

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        """What gradients are given for, or None for where none is wanted: the order of :class:`Gradients`."""
        return (*self.inputs, *self.twin.parameters)

    def forward(self) -> tuple[Tensor, ...]:
        """The outputs, and what :meth:`backward` needs of this very run kept."""
        with torch.set_grad_enabled(self.differentiated):
            flat = self._run(self._form, self.inputs)
        self._live = [one for one in flat if one.requires_grad]
        return flat

    def backward(self) -> Gradients:
        """The gradients, from ``upstream``, of the last :meth:`forward`, which is used up."""
        found = _gradients(self._live, self.leaves, self.upstream)
        self._live = []
        return found

    def whole(self, watch: Inspection | None = None) -> None:
        """Forward and backward, watched if asked to; the first of these makes room for ``upstream``."""
        within = contextlib.nullcontext() if watch is None else watch
        with within:
            self.forward()
        if not self.upstream:
            self.upstream = tuple(torch.zeros_like(one) for one in self._live)
        if watch is not None:
            watch.know(self.upstream)
        if self.differentiated:
            with within:
                self.backward()

    def reach(self) -> tuple[tuple[bool, ...], ...]:
        """Of each output that has a gradient, which of the leaves it depends on, by the plain loop.

        The gradient of a leaf on which nothing depends that is differentiated is None and no zeros: an
        optimizer passes over the one and moves by its momentum for the other.
        """
        with torch.set_grad_enabled(self.differentiated):
            flat = self._run(self.twin.cell, self.inputs)
        wanted = [one for one in self.leaves if one.requires_grad]
        found = []
        for one in flat:
            if one.requires_grad:
                gradients = iter(
                    torch.autograd.grad(
                        one, wanted, torch.zeros_like(one), retain_graph=True, allow_unused=True
                    )
                )
                found.append(
                    tuple(
                        leaf.requires_grad and next(gradients) is not None for leaf in self.leaves
                    )
                )
        return tuple(found)

    def reference(
        self, inputs: Sequence[Tensor], upstream: Sequence[Tensor] | None
    ) -> tuple[tuple[Tensor, ...], Gradients]:
        """Outputs and gradients by the plain loop over the twin, on ``inputs``; no gradients for None."""
        leaves = [
            one.detach().requires_grad_(like.requires_grad)
            for one, like in zip(inputs, self.inputs, strict=True)
        ]
        with torch.set_grad_enabled(self.differentiated):
            flat = self._run(self.twin.cell, leaves)
        detached = tuple(one.detach() for one in flat)
        if upstream is None:
            return detached, ()
        live = [one for one in flat if one.requires_grad]
        return detached, _gradients(live, (*leaves, *self.twin.parameters), upstream)

    def _run(self, form: Any, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        xs, *fields = inputs
        outputs, last = unroll(form, xs, self.state_type(*fields))
        self.result_type = type(last)
        return (outputs, *last)


def _static(tensor: Tensor, *, graded: bool) -> Tensor:
    made = torch.zeros(tensor.shape, dtype=tensor.dtype, device=tensor.device)
    return made.requires_grad_(graded and tensor.requires_grad)


def _gradients(
    live: Sequence[Tensor], leaves: Sequence[Tensor], upstream: Sequence[Tensor]
) -> Gradients:
    if not live:
        return tuple(None for _ in leaves)
    wanted = [one for one in leaves if one.requires_grad]
    found = iter(torch.autograd.grad(live, wanted, upstream, allow_unused=True))
    return tuple(next(found) if one.requires_grad else None for one in leaves)
