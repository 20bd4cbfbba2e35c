"""A copy of a cell that shares its tensors: what is recorded, so that the cell itself can change or go."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from cells.graphs.inspection import RefusalError
from cells.graphs.key import DEEPEST


class Twin:
    """``cell``: a deep copy whose ``parameters`` are new leaves over the original's memory.

    New leaves, since autograd ties a leaf to the stream on which it first met it, which may not be the one
    that records. ``tensors``: all that a step may read. The memory lives as long as the twin does, so that
    no other tensor can come to lie there. Raises :class:`RefusalError` for a cell that cannot be copied.
    """

    def __init__(self, original: nn.Module) -> None:
        memo: dict[int, Any] = {}
        for parameter in original.parameters():
            leaf = nn.Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
            memo[id(parameter)] = leaf
        for one in (*original.buffers(), *_attributes(original)):
            if one.requires_grad and id(one) not in memo:
                raise RefusalError("an attribute of it asks for a gradient and is no parameter")
            memo.setdefault(id(one), one.detach())
        self.tensors: tuple[Tensor, ...] = tuple(memo.values())
        try:
            self.cell: Any = copy.deepcopy(original, memo)
        except Exception as error:
            raise RefusalError(f"it cannot be copied: {type(error).__name__}: {error}") from error
        self.parameters: tuple[nn.Parameter, ...] = tuple(self.cell.parameters())


def _attributes(original: nn.Module) -> Iterator[Tensor]:
    """The tensors among the attributes of its modules, those in containers included."""
    for module in original.modules():
        for value in vars(module).values():
            yield from _inside(value, 1)


def _inside(value: Any, depth: int) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif depth <= DEEPEST and isinstance(value, Mapping):
        for one in value.values():
            yield from _inside(one, depth + 1)
    elif depth <= DEEPEST and isinstance(value, tuple | list):
        for one in value:
            yield from _inside(one, depth + 1)
