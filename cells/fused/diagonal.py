"""A recurrent cell from one function: the step of a unit that reads no other."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.projection import Projected
from cells.fused.lanes import Lanes
from cells.fused.step import Function, Step
from cells.parts.affine import Affine
from cells.parts.initializers import library_rnn
from cells.parts.sizes import positive

_defined: dict[str, int] = {}


class DiagonalCell(Projected[Any], nn.Module):
    r"""A cell whose units each apply the class's ``unit_step``; made by :func:`diagonal`.

    ``affine`` holds the input weights of every input (K·J, D) with ``n_b`` biases; ``weights`` (w, J) are
    the units' own. The state has the fields that the decorator names, each (\*batch, J).
    """

    unit_step: Step
    state: Any
    constants: Mapping[str, float]
    read: Callable[[Any], Tensor]
    channels: Channels
    claims: tuple[Claim, ...]
    denies: tuple[Claim, ...]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        n_b: Literal[0, 1, 2] = 1,
        generator: Generator | None = None,
        **constants: float,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size)
        fields = len(self.state._fields)
        if hidden_size % fields:
            raise ValueError(
                f"hidden_size counts all {fields} fields of the state, expected a multiple of {fields}, "
                f"got {hidden_size}"
            )
        unknown = sorted(constants.keys() - self.constants.keys())
        if unknown:
            raise TypeError(
                f"{type(self).__name__} expects the constants {', '.join(self.constants) or 'none'}, got "
                f"{', '.join(unknown)}"
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        self.units = hidden_size // fields
        self.values = {**self.constants, **constants}
        self.affine = Affine(input_size, self.units, self.unit_step.inputs, n_b=n_b, diagonal=True)
        del self.affine.weight_hh  # the units' own weights may be more or fewer than the inputs
        self.weights = nn.Parameter(torch.empty(self.unit_step.weights, self.units))
        library_rnn(self.parameters(), self.units, generator)

    def initial_state(self, *batch: int) -> Any:
        """Zero in every field."""
        zero = self.affine.weight_ih.new_zeros(*batch, self.units)
        return self.state(*(zero.clone() for _ in self.state._fields))

    def project(self, x: Tensor) -> Tensor:
        """W x + b of every input, side by side."""
        return self.affine.input_part(x)

    def advance(self, projected: Tensor, state: Any) -> Any:
        """One update: the step of every unit."""
        constants = [projected.new_tensor(value) for value in self.values.values()]
        inputs = self.affine.split(projected)
        return self.state(*self.unit_step.function(state, inputs, self.weights.unbind(), constants))

    def lanes(self) -> Lanes:
        """The step as it stands."""
        fields = self.state._fields
        return Lanes(
            self.unit_step,
            fields,
            self.affine.of_inputs,
            self.weights,
            tuple(self.values.values()),
        )

    def readout(self, state: Any) -> Tensor:
        """What the decorator's ``readout`` makes of the state."""
        return type(self).read(state)


def diagonal(
    *,
    state: Sequence[str] = ("hidden",),
    inputs: int,
    weights: int = 0,
    constants: Mapping[str, float] | None = None,
    readout: Callable[[Any], Tensor] | None = None,
    memory: Sequence[str] = (),
    claims: Sequence[Claim] = (),
    denies: Sequence[Claim] = (),
) -> Callable[[Function], type[DiagonalCell]]:
    """Make a cell class of the function that is decorated: ``(states, inputs, weights, constants)``.

    The function gets tuples of tensors of one shape and returns the new states, by elementwise operations
    only; kernels for the CPU and the GPU are generated from it. ``state``: names of the state's fields, of
    which ``memory`` carry the past unchanged; ``inputs``: how many affine functions of x a unit reads;
    ``weights``: how many numbers of its own it has; ``constants``: names and defaults of what the constructor
    takes besides; ``readout``: what a decoder sees of the state, by default its first field;
    ``claims`` and ``denies``: as on any cell::

        @cells.diagonal(inputs=2, weights=1)
        def leaky(states, inputs, weights, constants):
            (h,) = states
            keep = torch.sigmoid(inputs[0])
            return (keep * h + (1 - keep) * torch.tanh(inputs[1] + weights[0] * h),)


        cell = leaky(input_size=3, hidden_size=8)

    Raises ``ValueError`` for names and counts that cannot be, and for a step that is not elementwise
    as soon as a kernel of it is asked for.
    """
    fields = tuple(state)
    strange = [name for name in memory if name not in fields]
    if strange:
        raise ValueError(
            f"memory: expected names of the state's fields {fields}, got {', '.join(strange)}"
        )

    def make(function: Function) -> type[DiagonalCell]:
        name = function.__name__
        # a notebook defines its function again and again, and kernels are known by their names
        _defined[name] = _defined.get(name, 0) + 1
        again = f"_{_defined[name]}" if _defined[name] > 1 else ""
        values = dict(constants or {})
        body = {
            "__doc__": function.__doc__ or f"A diagonal cell of the step ``{name}``.",
            "__module__": function.__module__,
            "unit_step": Step(
                f"{name}{again}", function, len(fields), inputs, weights, len(values)
            ),
            "state": namedtuple(f"{name}_state", fields),  # noqa: PYI024 - its fields are arguments
            "constants": values,
            "read": staticmethod(readout or (lambda state: state[0])),
            "channels": Channels(
                memory=tuple(memory),
                recurrent=tuple(field for field in fields if field not in memory),
            ),
            "claims": tuple(claims),
            "denies": tuple(denies),
        }
        return type(name, (DiagonalCell,), body)

    return make
