"""Cells with a state field that never feeds back: the loop over time need not wait for it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from cells.core.projection import Projected, per_block, per_step

S = TypeVar("S", bound=Any)

CACHE = 2**18
"""How many scalars a block of entries may take on a CPU: 1 MB of float32, about a core's own cache."""


class Deferred(Projected[S]):
    """A cell one of whose fields, ``deferred``, is read by nothing but its own update.

    ``recur`` advances all other fields and says what the deferred one is to read; ``entry`` computes from
    it what goes in, ``accumulate`` how it goes in. ``advance`` is their composition. Over a sequence the
    loop runs ``recur`` alone, and entries are computed behind it, for many steps at once.
    """

    deferred: ClassVar[str]

    @property
    @abstractmethod
    def entry_size(self) -> int:
        """How many scalars one entry takes on its way, per example: the length of blocks follows from it."""

    @abstractmethod
    def recur(self, projected: Any, state: S) -> tuple[S, Tensor]:
        """The state with every field but the deferred one advanced, and the tensor that ``entry`` reads."""

    @abstractmethod
    def entry(self, projected: Any, read: Tensor) -> Tensor:
        """What goes into the deferred field, by operations on the last axis only."""

    @abstractmethod
    def accumulate(self, held: Tensor, entry: Tensor) -> Tensor:
        """The deferred field after ``entry`` went in."""

    def advance(self, projected: Any, state: S) -> S:
        """One step: the fields that feed back, then the one that does not."""
        new, read = self.recur(projected, state)
        held = self.accumulate(getattr(state, self.deferred), self.entry(projected, read))
        return self._with(new, held)

    def _with(self, state: S, held: Tensor) -> S:
        changed: S = state._replace(**{self.deferred: held})
        return changed


def deferred_states(cell: Deferred[S], projected: Any, state: S, steps: int) -> list[S]:
    """The states after each of ``steps`` steps, as ``advance`` would give them one by one.

    ``projected`` is what ``cell.project`` said of the whole sequence.
    """
    carried, reads, current = [], [], state
    for value in per_step(projected, steps):
        current, read = cell.recur(value, current)
        carried.append(current)
        reads.append(read)
    if not reads:
        return []
    length = _block_length(cell, reads[-1], steps)
    ends = [*range(0, steps, length), steps]
    sizes = [end - begin for begin, end in pairwise(ends)]
    states, held = [], getattr(state, cell.deferred)
    for begin, block in zip(ends, per_block(projected, sizes), strict=False):
        entries = cell.entry(block, _stack(reads[begin : begin + length]))
        # added one by one: on a CPU four times as fast as a cumulative sum over the first axis, and
        # in the order of the step, so that states are the same to the last bit
        for one, entry in zip(carried[begin : begin + length], entries.unbind(0), strict=True):
            held = cell.accumulate(held, entry)
            states.append(cell._with(one, held))  # noqa: SLF001 - the other half of this module
    return states


def _block_length(cell: Deferred[S], read: Tensor, steps: int) -> int:
    if read.device.type != "cpu":
        return steps
    examples = math.prod(read.shape[:-1])
    return min(steps, max(1, CACHE // max(1, examples * cell.entry_size)))


def _stack(reads: Sequence[Tensor]) -> Tensor:
    if reads[0].shape != reads[-1].shape:  # a given initial state may lack batch axes
        reads = [reads[0].expand_as(reads[-1]), *reads[1:]]
    return torch.stack(list(reads))
