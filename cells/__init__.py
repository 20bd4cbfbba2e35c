"""Recurrent cells: the protocol, the catalogue and the loop over time.

A cell is a pure step and a readout (:class:`Cell`); everything else is a free function over that.
``names()`` lists the catalogue, ``get(name)`` returns a factory ``(input_size, hidden_size, **knobs)``,
``register`` adds to it, ``adapt`` turns a stranger's module into a cell, ``diagonal`` makes one of the step
of a single unit, ``unroll`` and ``Recurrent`` run cells over sequences, ``backends`` tells by which code,
``kernel_threads`` says on how many threads, ``size_for_parameters`` finds the width that spends a budget. A
cell that derives from ``Projected`` or ``Deferred`` has its inputs projected for all steps at once. Adding a
cell is adding one module here.
"""

from cells.core.adapt import AdaptError, adapt
from cells.core.backend import Choice, backends
from cells.core.claims import Channels, Claim
from cells.core.deferral import Deferred
from cells.core.projection import Projected
from cells.core.protocol import Cell, Description, describe
from cells.core.recurrent import Recurrent
from cells.core.registry import UnknownNameError, get, names, register
from cells.core.sizing import size_for_parameters
from cells.core.state import Layout
from cells.core.unroll import unroll
from cells.fused.diagonal import DiagonalCell, diagonal
from cells.fused.threads import kernel_threads

__all__ = [
    "AdaptError",
    "Cell",
    "Channels",
    "Choice",
    "Claim",
    "Deferred",
    "Description",
    "DiagonalCell",
    "Layout",
    "Projected",
    "Recurrent",
    "UnknownNameError",
    "adapt",
    "backends",
    "describe",
    "diagonal",
    "get",
    "kernel_threads",
    "names",
    "register",
    "size_for_parameters",
    "unroll",
]
