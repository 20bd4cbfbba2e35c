"""Lines of a kernel in Numba for what its step reads of the input, in the two forms that kernels come in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from cells.fused.numba_lines import LANES, out_of, soon

_AT = "{k} * units + begin"


class Inputs(ABC):
    """``count`` inputs of a unit, which lie in a tile's scratch from ``row`` on.

    ``names``: the kernels' arguments for them.
    """

    names: ClassVar[tuple[str, ...]]
    scratch: ClassVar[tuple[str, ...]] = ()
    """What else is kept: of the tiles of a row, shared by all, and of every tile, by the backward alone."""

    def __init__(self, row: int, count: int) -> None:
        self.row, self.count = row, count

    @abstractmethod
    def before(self, which: Sequence[int]) -> list[str]:
        """Before a step that reads ``which`` of them."""

    @property
    @abstractmethod
    def behind(self) -> list[str]:
        """Behind a step, which has left their gradients."""

    reads: Sequence[str] = ()
    """Where a step reads them, if not in the tile."""

    def at_each_step(self, following: str) -> list[str]:  # noqa: ARG002
        """At the beginning of a step; ``following``: the one after it."""
        return []

    at_first: Sequence[str] = ()
    """For every tile, at the beginning of a row."""
    at_last: Sequence[str] = ()
    """The same of the backward alone."""
    given: Sequence[str] = ()
    """For every tile, at the end of a row."""


class Projected(Inputs):
    """They are given, as a product over all steps made them."""

    names = ("projected",)
    reads = ("given",)

    def at_each_step(self, following: str) -> list[str]:
        """Where they lie."""
        return [
            "                given = projected[projected_r, t, b]",
            f"                following = projected[projected_r, {following}, b]",
        ]

    def before(self, which: Sequence[int]) -> list[str]:
        """Ask for the next ones."""
        return soon(which, "following", _AT, 16)

    @property
    def behind(self) -> list[str]:
        """As they are, where they are wanted."""
        return [
            "                if to_projected.size:",
            # not written by the step itself: what it reads lies at like places of other pages, and a
            # processor takes a load for one of what was just stored
            *out_of(self.row, self.count, "to_projected[r, t, b]", _AT, 20),
            *soon(self.count, "to_projected[r, max(t - 1, 0), b]", _AT, 20),
        ]


class Mapped(Inputs):
    """They are made of x where they are read: see :mod:`cells.fused.numba_inputs`."""

    names = ("x", "weight_ih", "bias_ih")
    scratch = ("stored", "sums")

    @property
    def at_first(self) -> Sequence[str]:  # type: ignore[override]
        """Take the maps."""
        source = "weight_ih[weight_ih_r], bias_ih[bias_ih_r]"
        return [
            "            if slot < tiles:",
            f"                take_maps(stored[k], {source}, {self.count}, units, begin, width)",
        ]

    at_last = ("            sums[slot, :] = 0",)

    def before(self, which: Sequence[int]) -> list[str]:  # noqa: ARG002 - as a rule all of them
        """Make all of them."""
        source = f"stored[k], x[x_r, t, b], {self.count}"
        return [f"                read_inputs(tile, {self.row * LANES}, {source}, width)"]

    @property
    def behind(self) -> list[str]:
        """To the maps' gradients, and to that of x where it is wanted."""
        at, count = self.row * LANES, self.count
        return [
            f"                add_maps(sums[slot], tile, {at}, x[x_r, t, b], {count}, width)",
            "                if to_x.size:",
            f"                    add_to_inputs(to_x[r, t, b], stored[k], tile, {at}, {count}, width)",
        ]

    @property
    def given(self) -> Sequence[str]:  # type: ignore[override]
        """Give the maps' gradients."""
        target = "to_weight_ih[r, b], to_bias_ih[r, b]"
        return [f"            give_maps(sums[slot], {target}, {self.count}, units, begin, width)"]
