"""What the seam asks: whether a cell's unroll is run by recordings, and which object holds them."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor, nn

from cells.graphs import eligibility
from cells.graphs.cuda import CudaRecorder, compile_step
from cells.graphs.graphs import Graphs

DEVICE = "cuda"
RECORDER = CudaRecorder()

# not on the cell, so that copies, pickles and state dicts know nothing of them
_held: dict[int, tuple[weakref.ref[Any], Graphs]] = {}


def offer(cell: Any, xs: Tensor | None, state: Any) -> Graphs | str | None:
    """The recordings of ``cell``, why there are none for these tensors, or None off a GPU.

    Without tensors to ask about, the parameters' device decides.
    """
    if xs is None:
        parameters = cell.parameters() if isinstance(cell, nn.Module) else iter(())
        first = next(parameters, None)
        return None if first is None or first.device.type != DEVICE else of(cell)
    if xs.device.type != DEVICE:
        return None
    if torch.compiler.is_compiling():
        return "torch.compile traces the loop itself"
    reason = RECORDER.obstacle() or eligibility.misfit(cell, xs, state)
    return of(cell) if reason is None else reason


def of(cell: nn.Module) -> Graphs:
    """The recordings of ``cell``, which are gone when it is."""
    place = id(cell)
    held = _held.get(place)
    if held is not None and held[0]() is cell:
        return held[1]

    def forget(gone: weakref.ref[Any]) -> None:
        now = _held.get(place)
        if now is not None and now[0] is gone:  # another cell may lie there by now
            del _held[place]

    graphs = Graphs(RECORDER, compile_step)
    _held[place] = (weakref.ref(cell, forget), graphs)
    return graphs
