"""Kernels for one small ReLU network per unit, summed up over time: two-layer GATO's memory on the CPU.

A hidden layer of k numbers per unit, step and example is never written out: a tile of units keeps that of
POINTS steps in its scratch, and the backward computes it again. The networks read states that are known
beforehand, so steps are worked on together: a weight is loaded once for all of them. What is decoded is
decoded where it is at hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from cells.fused.numba_circular import turned
from cells.fused.numba_math import FAST, sigmoid, softlog
from cells.fused.numba_tiles import add, aligned, copy, soon
from cells.fused.numba_unit_points import (
    AFTER,
    BACK,
    HELD,
    LANES,
    OUTPUTS,
    POINTS,
    READS,
    ROWS,
    apart,
    gradients,
    of_inputs,
    outputs,
)

# numba_circular, numba_math, numba_tiles and numba_unit_points as of d3b323ffca12


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _load(
    work: Any, reads: Any, r: int, b: int, before: Any, begin: int, t: int, width: int
) -> None:
    """The state before each point, of those that there are."""
    for i in range(POINTS):
        at = min(t + i, reads.shape[1] - 1) - 1
        copy(work, (READS + i) * LANES, before if at < 0 else reads[r, at, b], begin, width)


@njit(forceinline=True, error_model="numpy")
def _row(work: Any, place: int) -> Any:
    return work[place * LANES : (place + 1) * LANES]


@apart  # type: ignore[untyped-decorator]
def _decode(target: Any, at: int, values: Any, begin: int, quarters: int, width: int) -> None:
    """To ``target`` from ``at``: sines of ``values`` turned by so many quarters."""
    to, of = np.uintp(at), np.uintp(begin)
    for j in range(np.uintp(width)):
        target[to + j] = turned(values[of + j], quarters)


@apart  # type: ignore[untyped-decorator]
def _add_slopes(
    target: Any, gradient: Any, at: int, values: Any, begin: int, quarters: int, width: int
) -> None:
    """To ``target``: the gradient of what was decoded, from ``at``, times the slope at ``values``."""
    given, of = np.uintp(at), np.uintp(begin)
    for j in range(np.uintp(width)):
        target[j] += gradient[given + j] * turned(values[of + j], quarters + 1)


@apart  # type: ignore[untyped-decorator]
def _remember(held: Any, output: Any, out: Any, begin: int, accumulate: bool, width: int) -> None:
    """The memory after one point, kept and written."""
    zero, to = held.dtype.type(0), np.uintp(begin)
    for j in range(np.uintp(width)):
        f = output[j]
        entry = (zero if f < zero else f) + softlog(abs(f))
        value = held[j] + entry if accumulate else entry
        held[j] = value
        out[to + j] = value


@apart  # type: ignore[untyped-decorator]
def _times_slope(output: Any, held: Any, width: int) -> None:
    """The gradient of an output, in its place, from that of the memory after it."""
    for j in range(np.uintp(width)):
        output[j] = held[j] * sigmoid(output[j])


@njit(forceinline=True, error_model="numpy")
def _seed(
    work: Any,
    point: int,
    gradient: Any,
    of_readouts: Any,
    values: Any,
    begin: int,
    accumulate: bool,
    quarters: int,
    width: int,
) -> None:
    """The output's gradient at one point, from those of the memory and of what was decoded of it."""
    held, zero = _row(work, HELD), work.dtype.type(0)
    if not accumulate:
        for j in range(width):
            held[j] = zero
    if of_readouts.size:
        _add_slopes(held, of_readouts, values.size + begin, values, begin, quarters, width)
    if gradient.size:
        add(held, 0, gradient, begin, width)
    _times_slope(_row(work, OUTPUTS + point), held, width)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def forward(
    x: Any,
    reads: Any,
    begin_reads: Any,
    weights: Any,
    held: Any,
    out: Any,
    readouts: Any,
    accumulate: bool,
    quarters: int,
    first: int,
    last: int,
) -> None:
    """Rows ``first`` to ``last`` of replicates times batch: softplus of the networks, or its sum in time.

    ``begin_reads``: the state before ``reads``. ``quarters``: by how many a number is turned before its sine
    is taken for ``readouts``; negative where nothing is decoded.
    """
    _, steps, batch, units = out.shape
    hidden = (weights.shape[1] - 1) // (x.shape[3] + 3)
    stored = aligned(1, weights.shape[1] * LANES, out)[0]
    work, rows = aligned(1, ROWS * LANES, out)[0], aligned(1, POINTS * LANES, out)[0]
    for row in range(first, last):
        r, b = row // batch, row % batch
        xs = x[r if x.shape[0] > 1 else 0, :, b]
        reads_r = r if reads.shape[0] > 1 else 0
        before = begin_reads[r if begin_reads.shape[0] > 1 else 0, b]
        weights_r = r if weights.shape[0] > 1 else 0
        held_r = r if held.shape[0] > 1 else 0
        for begin in range(0, units, LANES):
            width = min(LANES, units - begin)
            for k in range(weights.shape[1]):
                copy(stored, k * LANES, weights[weights_r, k], begin, width)
            copy(work, HELD * LANES, held[held_r, b], begin, width)
            for t in range(0, steps, POINTS):
                _load(work, reads, reads_r, b, before, begin, t, width)
                for i in range(POINTS):
                    following = min(t + POINTS + i, steps - 1)
                    soon(reads[reads_r, following, b], begin, width)
                    soon(out[r, following, b], begin, width)
                    soon(xs[following], 0, xs.shape[1])
                    if quarters >= 0:
                        soon(readouts[r, following, b], begin, width)
                        soon(readouts[r, following, b], units + begin, width)
                outputs(stored, work, rows, xs, t, hidden, width, keep=False)
                for i in range(min(POINTS, steps - t)):
                    given, value = _row(work, OUTPUTS + i), out[r, t + i, b]
                    _remember(_row(work, HELD), given, value, begin, accumulate, width)
                    if quarters >= 0:
                        _decode(
                            readouts[r, t + i, b],
                            begin,
                            reads[reads_r, t + i, b],
                            begin,
                            quarters,
                            width,
                        )
                        _decode(readouts[r, t + i, b], units + begin, value, begin, quarters, width)


@njit(forceinline=True, error_model="numpy")
def _ask(source: Any, begin: int, width: int) -> None:
    """Have it brought, if there is such a gradient."""
    if source.size:
        soon(source, begin, width)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def backward(  # noqa: PLR0915 - one loop nest
    x: Any,
    reads: Any,
    begin_reads: Any,
    weights: Any,
    values: Any,
    gradient: Any,
    of_readouts: Any,
    to_x: Any,
    to_reads: Any,
    to_begin: Any,
    to_weights: Any,
    to_held: Any,
    accumulate: bool,
    quarters: int,
    wanted: bool,
    first: int,
    last: int,
) -> None:
    """The gradients of those rows; that of x is added to what is there, and only where it is ``wanted``.

    Of ``gradient`` and ``of_readouts`` one of size 0 stands for zeros; ``values`` are read with the latter.
    """
    _, steps, batch, units = to_reads.shape
    inputs = x.shape[3]
    hidden = (weights.shape[1] - 1) // (inputs + 3)
    stored = aligned(1, weights.shape[1] * LANES, weights)[0]
    sums = aligned(1, weights.shape[1] * LANES, weights)[0]
    of_x = aligned(1, hidden * max(inputs, 2) * LANES, weights)[0]
    work = aligned(1, ROWS * LANES, weights)[0]
    rows = aligned(1, POINTS * hidden * LANES, weights)[0]
    for row in range(first, last):
        r, b = row // batch, row % batch
        xs = x[r if x.shape[0] > 1 else 0, :, b]
        reads_r = r if reads.shape[0] > 1 else 0
        before = begin_reads[r if begin_reads.shape[0] > 1 else 0, b]
        weights_r = r if weights.shape[0] > 1 else 0
        gradient_r = r if gradient.shape[0] > 1 else 0
        readouts_r = r if of_readouts.shape[0] > 1 else 0
        values_r = r if values.shape[0] > 1 else 0
        for begin in range(0, units, LANES):
            width = min(LANES, units - begin)
            for k in range(weights.shape[1]):
                copy(stored, k * LANES, weights[weights_r, k], begin, width)
            sums[:] = 0
            of_x[:] = 0
            work[:] = 0
            for block in range((steps + POINTS - 1) // POINTS):
                t = (steps - 1) // POINTS * POINTS - block * POINTS
                points = min(POINTS, steps - t)
                _load(work, reads, reads_r, b, before, begin, t, width)
                for i in range(POINTS):
                    following = max(t - 1 - i, 0)
                    soon(reads[reads_r, max(following - 1, 0), b], begin, width)
                    soon(to_reads[r, following, b], begin, width)
                    soon(xs[following], 0, inputs)
                    _ask(gradient[gradient_r, following, b], begin, width)
                    _ask(of_readouts[readouts_r, following, b], begin, width)
                    _ask(of_readouts[readouts_r, following, b], units + begin, width)
                    _ask(values[values_r, following, b], begin, width)
                outputs(stored, work, rows, xs, t, hidden, width, keep=True)
                for back in range(POINTS):
                    i = POINTS - 1 - back
                    if i < points:
                        one = gradient[gradient_r, t + i, b]
                        two = of_readouts[readouts_r, t + i, b]
                        value = values[values_r, t + i, b]
                        _seed(work, i, one, two, value, begin, accumulate, quarters, width)
                    else:
                        _row(work, OUTPUTS + i)[:] = 0
                gradients(stored, work, rows, sums, of_x, xs, t, hidden, width, wanted)
                if wanted:
                    of_inputs(stored, rows, to_x[r, :, b], t, points, hidden, width)
                for i in range(points):
                    # of the state after a point: what the next one read, and what was decoded
                    whole = _row(work, AFTER if i + 1 == points else BACK + i + 1)
                    if of_readouts.size:
                        two, state = of_readouts[readouts_r, t + i, b], reads[reads_r, t + i, b]
                        _add_slopes(whole, two, begin, state, begin, quarters, width)
                    copy(to_reads[r, t + i, b], begin, whole, 0, width)
                copy(work, AFTER * LANES, work, BACK * LANES, width)
            for k in range(weights.shape[1]):
                h, d = k // (inputs + 3), k % (inputs + 3)
                if h < hidden and d < inputs:
                    copy(to_weights[r, b, k], begin, of_x, (h * max(inputs, 2) + d) * LANES, width)
                else:
                    copy(to_weights[r, b, k], begin, sums, k * LANES, width)
            copy(to_begin[r, b], begin, work, AFTER * LANES, width)
            if not accumulate:
                work[HELD * LANES : (HELD + 1) * LANES] = 0
            copy(to_held[r, b], begin, work, HELD * LANES, width)
