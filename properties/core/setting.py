"""How a sequence is handed to a layer: batch axes, strides, what is watched, and what a loss reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cells import Layout

BATCHES: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (5,), (2, 3), (3, 1), (17,))
INPUTS = ("contiguous", "batch first", "every other feature", "every other step", "one row for all")
STATES = ("contiguous", "slices of one tensor", "one row for all")
WATCHED = ("everything", "all but the initial state", "parameters", "inputs and initial state")
COTANGENTS = ("outputs and last state", "outputs", "last state", "a plain sum of the outputs")
_JUNK = 7.5  # between the strides: a kernel that ignores them reads it


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to call a layer.

    ``batch``: the axes between time and features; ``inputs``, ``state``: how they lie in memory;
    ``watched``: what gradients are asked for; ``cotangent``: what of the results a loss reads.
    """

    batch: tuple[int, ...] = (2,)
    inputs: str = INPUTS[0]
    state: str = STATES[0]
    watched: str = WATCHED[0]
    cotangent: str = COTANGENTS[0]

    @classmethod
    def numbered(cls, number: int) -> Setting:
        """Setting ``number``: twelve in a row hold every choice, pairs of choices meet in the long run.

        The batches, layouts, states and what is watched are 7, 5, 3 and 4 in number, which have no
        common factor, so that 420 settings in a row hold all their combinations.
        """
        moved = number // 4 + number  # no step with what is watched
        return cls(*_chosen(number, number, number, number, moved))

    def code(self) -> tuple[int, ...]:
        """The places of the choices, for the record; see :meth:`decoded`."""
        return (
            BATCHES.index(self.batch),
            INPUTS.index(self.inputs),
            STATES.index(self.state),
            WATCHED.index(self.watched),
            COTANGENTS.index(self.cotangent),
        )

    @classmethod
    def decoded(cls, code: Tensor) -> Setting:
        """What :meth:`code` wrote."""
        return cls(*_chosen(*(int(place) for place in code.tolist())))

    def __str__(self) -> str:
        parts = [f"batch {self.batch}"]
        parts += [f"inputs {self.inputs}"] if self.inputs != INPUTS[0] else []
        parts += [f"initial state {self.state}"] if self.state != STATES[0] else []
        parts += [f"gradients of {self.watched}"] if self.watched != WATCHED[0] else []
        parts += [f"of {self.cotangent}"] if self.cotangent != COTANGENTS[0] else []
        return ", ".join(parts)

    def watches(self, what: str) -> bool:
        """Whether gradients in "inputs", "initial state" or "parameters" are asked for."""
        return self.watched == "everything" or what in {
            "all but the initial state": ("inputs", "parameters"),
            "parameters": ("parameters",),
            "inputs and initial state": ("inputs", "initial state"),
        }.get(self.watched, ())

    def inputs_of(self, inputs: Tensor) -> Tensor:
        """The tensor that the sequence is a view of, from ``inputs`` (T, D): the leaf of the gradient.

        Row b of the batch is the sequence times cos b, so that no two rows are alike.
        """
        steps, width = inputs.shape
        if self.inputs == "one row for all":
            return inputs.reshape(steps, *(1,) * len(self.batch), width).clone()
        rows = inputs.unsqueeze(1) * _factors(self.batch, inputs.dtype).unsqueeze(-1)
        rows = rows.reshape(steps, *self.batch, width)
        if self.inputs == "batch first":
            return rows.movedim(0, -2).contiguous()
        if self.inputs == "every other feature":
            return torch.stack((rows, torch.full_like(rows, _JUNK)), -1).flatten(-2)
        if self.inputs == "every other step":
            return torch.stack((rows, torch.full_like(rows, _JUNK)), 1).flatten(0, 1)
        return rows.contiguous()

    def sequence(self, leaf: Tensor) -> Tensor:
        """The sequence (T, *batch, D) as a view of what :meth:`inputs_of` made."""
        if self.inputs == "one row for all":
            return leaf.expand(leaf.shape[0], *self.batch, leaf.shape[-1])
        if self.inputs == "batch first":
            return leaf.movedim(-2, 0)
        if self.inputs == "every other feature":
            return leaf[..., ::2]
        if self.inputs == "every other step":
            return leaf[::2]
        return leaf

    def state_of(self, flat: Tensor) -> Tensor:
        """The leaf of the initial states, from one flat state (n,)."""
        if self.state == "one row for all":
            return flat.clone()
        rows = flat * _factors(self.batch, flat.dtype).unsqueeze(-1)
        return rows.reshape(*self.batch, flat.shape[-1]).clone()

    def start(self, leaf: Tensor, layout: Layout, like: Any) -> Any:
        """The initial state as fields, views of what :meth:`state_of` made but for contiguous ones."""
        state = layout.unravel(leaf.expand(*self.batch, leaf.shape[-1]), like)
        if self.state == "contiguous":
            state = state._replace(
                **{f.name: getattr(state, f.name).contiguous() for f in layout.fields}
            )
        return state

    def loss(self, outputs: Tensor, last: Tensor) -> Tensor:
        """A scalar of the outputs and of the last states, flat; no two entries weigh the same."""
        if self.cotangent == "a plain sum of the outputs":
            return outputs.sum()  # its gradient arrives with strides of 0
        parts = [outputs] if self.cotangent != "last state" else []
        parts += [last] if self.cotangent != "outputs" else []
        return torch.stack([_weighted(part) for part in parts]).sum()


def _chosen(
    batch: int, inputs: int, state: int, watched: int, cotangent: int
) -> tuple[tuple[int, ...], str, str, str, str]:
    """The choices at these places, counted round and round."""
    return (
        BATCHES[batch % len(BATCHES)],
        INPUTS[inputs % len(INPUTS)],
        STATES[state % len(STATES)],
        WATCHED[watched % len(WATCHED)],
        COTANGENTS[cotangent % len(COTANGENTS)],
    )


def _factors(batch: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.arange(math.prod(batch), dtype=torch.float64).cos().to(dtype)


def _weighted(part: Tensor) -> Tensor:
    places = torch.arange(part.numel(), dtype=torch.float64)
    return (part.reshape(-1) * torch.cos(0.7 * places + 0.3).to(part.dtype)).sum()
