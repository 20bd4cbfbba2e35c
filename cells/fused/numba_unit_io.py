"""What a tile of small networks reads and writes: see :mod:`cells.fused.numba_unit_networks`."""

from __future__ import annotations

from typing import Any

import numpy as np

from cells.fused.numba_apart import apart, part
from cells.fused.numba_circular import turned
from cells.fused.numba_math import bounded, twice_artanh
from cells.fused.numba_tiles import add, copy, soon
from cells.fused.numba_unit_points import HELD, LANES, OUTPUTS, POINTS, READS


@part  # type: ignore[untyped-decorator]
def load(
    work: Any, reads: Any, r: int, b: int, before: Any, begin: int, t: int, width: int
) -> None:
    """The state before each point, of those that there are."""
    for i in range(POINTS):
        at = min(t + i, reads.shape[1] - 1) - 1
        copy(work, (READS + i) * LANES, before if at < 0 else reads[r, at, b], begin, width)


@apart  # type: ignore[untyped-decorator]
def decode(target: Any, at: int, values: Any, begin: int, quarters: int, width: int) -> None:
    """To ``target`` from ``at``: sines of ``values`` turned by so many quarters."""
    to, of = np.uintp(at), np.uintp(begin)
    for j in range(np.uintp(width)):
        target[to + j] = turned(values[of + j], quarters)


@apart  # type: ignore[untyped-decorator]
def add_slopes(
    work: Any, row: int, gradient: Any, at: int, values: Any, begin: int, quarters: int, width: int
) -> None:
    """To a row of work: the gradient of what was decoded, from ``at``, times the slope at ``values``."""
    to, given, of = np.uintp(row * LANES), np.uintp(at), np.uintp(begin)
    for j in range(np.uintp(width)):
        work[to + j] += gradient[given + j] * turned(values[of + j], quarters + 1)


@apart  # type: ignore[untyped-decorator]
def remember(work: Any, output: int, accumulate: bool, keep: bool, width: int) -> None:
    """The memory after the point whose output lies there; to ``keep``: its slope, in place of the output."""
    zero, of, held = work.dtype.type(0), np.uintp(output), np.uintp(HELD * LANES)
    one, two = work.dtype.type(1), work.dtype.type(2)
    for j in range(np.uintp(width)):
        f = work[of + j]
        e = bounded(-abs(f))
        # the logarithm divides by 2 + e and the slope by 1 + e: one division for both
        shared = one / ((one + e) * (two + e))
        entry = (zero if f < zero else f) + twice_artanh(e * ((one + e) * shared))
        work[held + j] = work[held + j] + entry if accumulate else entry
        if keep:
            work[of + j] = (e if f < zero else one) * ((two + e) * shared)


@apart  # type: ignore[untyped-decorator]
def times_slope(work: Any, row: int, slopes: Any, begin: int, width: int) -> None:
    """To a row the gradient of an output, from that of the memory after it."""
    at, held, of = np.uintp(row * LANES), np.uintp(HELD * LANES), np.uintp(begin)
    for j in range(np.uintp(width)):
        work[at + j] = work[held + j] * slopes[of + j]


@part  # type: ignore[untyped-decorator]
def clear(work: Any, row: int) -> None:
    """Zeros."""
    work[row * LANES : (row + 1) * LANES] = 0


@part  # type: ignore[untyped-decorator]
def seed(
    work: Any,
    point: int,
    gradient: Any,
    of_readouts: Any,
    values: Any,
    slopes: Any,
    begin: int,
    afresh: bool,
    quarters: int,
    width: int,
) -> None:
    """The output's gradient at one point, from those of the memory and of what was decoded of it.

    ``afresh``: the memory after this point is no part of what comes later.
    """
    if afresh:
        clear(work, HELD)
    if of_readouts.size:
        add_slopes(work, HELD, of_readouts, values.size + begin, values, begin, quarters, width)
    if gradient.size:
        add(work, HELD * LANES, gradient, begin, width)
    times_slope(work, OUTPUTS + point, slopes, begin, width)


@part  # type: ignore[untyped-decorator]
def ask(source: Any, begin: int, width: int) -> None:
    """Have it brought, if there is such a gradient."""
    if source.size:
        soon(source, begin, width)


@part  # type: ignore[untyped-decorator]
def carry(work: Any, of_final: Any, begin: int, width: int) -> None:
    """The gradient of the memory after the last step, if there is one, to where it is carried."""
    if of_final.size:
        copy(work, HELD * LANES, of_final, begin, width)
