"""Cells whose step begins with what the input alone decides, so that it can be done for all steps at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor

S = TypeVar("S")


class Projected(ABC, Generic[S]):
    """A cell defined by ``project`` and ``advance``; its ``step`` is the one after the other.

    What ``project`` returns is a tensor, or a ``NamedTuple`` whose tensors have the axes of ``x`` in front.
    A field that is no tensor (None, or a ``NamedTuple`` in its turn) holds what depends on the
    parameters alone and serves every step: slices of a weight, an exponential of a parameter.
    :func:`cells.unroll` projects a whole sequence at once for every subclass that does not write its own
    ``step``.
    """

    @abstractmethod
    def project(self, x: Tensor) -> Any:
        r"""What a step needs of ``x`` (\*batch, input_size), by operations on the last axis only."""

    @abstractmethod
    def advance(self, projected: Any, state: S) -> S:
        """The rest of the step."""

    def step(self, x: Tensor, state: S) -> S:
        """One update: ``advance`` from ``state`` with ``x`` projected."""
        return self.advance(self.project(x), state)


def per_step(projected: Any, steps: int) -> Sequence[Any]:
    """What ``project`` said of a sequence ``(T, …)``, as T values for ``advance``."""
    if isinstance(projected, Tensor):
        return _every(projected, steps)
    return _rows(projected, [_every(part, steps) for part in projected])


def per_block(projected: Any, sizes: Sequence[int]) -> Sequence[Any]:
    """The same in consecutive blocks of ``sizes`` steps, each ``(size, …)``."""
    if isinstance(projected, Tensor):
        blocks: tuple[Tensor, ...] = projected.split(list(sizes))
        return blocks
    columns: list[Sequence[Any]] = [
        part.split(list(sizes)) if isinstance(part, Tensor) else (part,) * len(sizes)
        for part in projected
    ]
    return _rows(projected, columns)


def _every(part: Any, steps: int) -> Sequence[Any]:
    if isinstance(part, Tensor):  # unbound, not indexed: every index's backward is as long as all
        parts: tuple[Tensor, ...] = part.unbind(0)
        return parts
    return (part,) * steps


def _rows(like: Any, columns: list[Sequence[Any]]) -> list[Any]:
    return [type(like)(*row) for row in zip(*columns, strict=True)]
