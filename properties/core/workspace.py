"""Memory that is used again: fresh pages cost as much as the arithmetic that fills them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

MOST = 2**28
"""Bytes that are kept for the next user at most."""


class Workspace:
    """Tensors by name, whose content is whatever the last user left."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, torch.dtype], Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A dense tensor; one that was taken under the same name before is overwritten by what is written."""
        count = math.prod(shape)
        kept = self._kept.get((name, dtype))
        if kept is None or kept.numel() < count:
            kept = self._kept[name, dtype] = torch.empty(count, dtype=dtype)
        return kept[:count].view(shape)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return sum(one.nbytes for one in self._kept.values())


_spare = threading.local()


@contextmanager
def workspace() -> Iterator[Workspace]:
    """One that nobody else has until the block ends, not even an iteration that is interrupted in its own."""
    mine: Workspace = _spare.__dict__.pop("kept", None) or Workspace()
    try:
        yield mine
    finally:
        if mine.size <= MOST:
            _spare.kept = mine
