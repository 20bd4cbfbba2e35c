"""Kernels for one small ReLU network per unit, summed up over time: two-layer GATO's memory on the CPU.

A hidden layer of k numbers per unit, step and example is never written out: a tile of units keeps that of
POINTS steps in its scratch, and the backward computes it again. The networks read states that are known
beforehand, so steps are worked on together: a weight is loaded once for all of them. What is decoded is
decoded where it is at hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cells.fused.numba_apart import apart, kernel, part
from cells.fused.numba_circular import turned
from cells.fused.numba_math import sigmoid, softlog
from cells.fused.numba_tiles import add, aligned, copy, soon
from cells.fused.numba_unit_points import (
    AFTER,
    BACK,
    GROUP,
    HELD,
    LANES,
    OUTPUTS,
    POINTS,
    READS,
    ROWS,
    finish,
    gradients,
    of_inputs,
    outputs,
)

# numba_apart, numba_circular, numba_math, numba_tiles and numba_unit_points as of b7eb1438f8d8


@part  # type: ignore[untyped-decorator]
def _load(
    work: Any, reads: Any, r: int, b: int, before: Any, begin: int, t: int, width: int
) -> None:
    """The state before each point, of those that there are."""
    for i in range(POINTS):
        at = min(t + i, reads.shape[1] - 1) - 1
        copy(work, (READS + i) * LANES, before if at < 0 else reads[r, at, b], begin, width)


@apart  # type: ignore[untyped-decorator]
def _decode(target: Any, at: int, values: Any, begin: int, quarters: int, width: int) -> None:
    """To ``target`` from ``at``: sines of ``values`` turned by so many quarters."""
    to, of = np.uintp(at), np.uintp(begin)
    for j in range(np.uintp(width)):
        target[to + j] = turned(values[of + j], quarters)


@apart  # type: ignore[untyped-decorator]
def _add_slopes(
    work: Any, row: int, gradient: Any, at: int, values: Any, begin: int, quarters: int, width: int
) -> None:
    """To a row of work: the gradient of what was decoded, from ``at``, times the slope at ``values``."""
    to, given, of = np.uintp(row * LANES), np.uintp(at), np.uintp(begin)
    for j in range(np.uintp(width)):
        work[to + j] += gradient[given + j] * turned(values[of + j], quarters + 1)


@apart  # type: ignore[untyped-decorator]
def _remember(work: Any, output: int, accumulate: bool, width: int) -> None:
    """The memory after the point whose output lies there."""
    zero, of, held = work.dtype.type(0), np.uintp(output), np.uintp(HELD * LANES)
    for j in range(np.uintp(width)):
        f = work[of + j]
        entry = (zero if f < zero else f) + softlog(abs(f))
        work[held + j] = work[held + j] + entry if accumulate else entry


@apart  # type: ignore[untyped-decorator]
def _times_slope(work: Any, row: int, width: int) -> None:
    """The gradient of an output, in its row, from that of the memory after it."""
    at, held = np.uintp(row * LANES), np.uintp(HELD * LANES)
    for j in range(np.uintp(width)):
        work[at + j] = work[held + j] * sigmoid(work[at + j])


@part  # type: ignore[untyped-decorator]
def _clear(work: Any, row: int) -> None:
    """Zeros."""
    work[row * LANES : (row + 1) * LANES] = 0


@part  # type: ignore[untyped-decorator]
def _seed(
    work: Any,
    point: int,
    gradient: Any,
    of_readouts: Any,
    values: Any,
    begin: int,
    afresh: bool,
    quarters: int,
    width: int,
) -> None:
    """The output's gradient at one point, from those of the memory and of what was decoded of it.

    ``afresh``: the memory after this point is no part of what comes later.
    """
    if afresh:
        _clear(work, HELD)
    if of_readouts.size:
        _add_slopes(work, HELD, of_readouts, values.size + begin, values, begin, quarters, width)
    if gradient.size:
        add(work, HELD * LANES, gradient, begin, width)
    _times_slope(work, OUTPUTS + point, width)


@part  # type: ignore[untyped-decorator]
def _outputs(
    stored: Any, work: Any, rows: Any, xs: Any, t: int, hidden: int, width: int, keep: bool
) -> None:
    """:func:`outputs` as compiled for as many inputs."""
    if xs.shape[1] > 2:
        outputs(stored, work, rows, xs, t, hidden, width, few=False, keep=keep)
    else:
        outputs(stored, work, rows, xs, t, hidden, width, few=True, keep=keep)


@part  # type: ignore[untyped-decorator]
def _forward_rows(
    x: Any,
    reads: Any,
    begin_reads: Any,
    weights: Any,
    held: Any,
    final: Any,
    out: Any,
    readouts: Any,
    accumulate: bool,
    quarters: int,
    stored: Any,
    work: Any,
    rows: Any,
    first: int,
    last: int,
) -> None:
    """Rows ``first`` to ``last`` of replicates times batch: softplus of the networks, or its sum in time.

    ``begin_reads``: the state before ``reads``; ``final``: what is written of the last step alone; ``out``:
    of size 0 where no more is wanted. ``quarters``: by how many a number is turned before its sine is taken
    for ``readouts``; negative where nothing is decoded.
    """
    _, steps, batch, units = reads.shape
    hidden = (weights.shape[1] - 1) // (x.shape[3] + 3)
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
                    if out.size:
                        soon(out[r, following, b], begin, width)
                    soon(xs[following], 0, xs.shape[1])
                    if quarters >= 0:
                        soon(readouts[r, following, b], begin, width)
                        soon(readouts[r, following, b], units + begin, width)
                _outputs(stored, work, rows, xs, t, hidden, width, keep=False)
                for i in range(min(POINTS, steps - t)):
                    _remember(work, (OUTPUTS + i) * LANES, accumulate, width)
                    if out.size:
                        copy(out[r, t + i, b], begin, work, HELD * LANES, width)
                    if quarters >= 0:
                        read, target = reads[reads_r, t + i, b], readouts[r, t + i, b]
                        _decode(target, begin, read, begin, quarters, width)
                        _decode(target, units + begin, work, HELD * LANES, quarters, width)
            copy(final[r, b], begin, work, HELD * LANES, width)


@part  # type: ignore[untyped-decorator]
def _ask(source: Any, begin: int, width: int) -> None:
    """Have it brought, if there is such a gradient."""
    if source.size:
        soon(source, begin, width)


@part  # type: ignore[untyped-decorator]
def _begin(work: Any, of_final: Any, begin: int, width: int) -> None:
    """The gradient of the memory after the last step, if there is one, to where it is carried."""
    if of_final.size:
        copy(work, HELD * LANES, of_final, begin, width)


@part  # type: ignore[untyped-decorator]
def _add_gradients(
    stored: Any,
    work: Any,
    rows: Any,
    sums: Any,
    of_x: Any,
    xs: Any,
    t: int,
    hidden: int,
    width: int,
    wanted: bool,
) -> None:
    """:func:`gradients` as compiled for as many inputs, slopes kept where x wants a gradient."""
    if xs.shape[1] > 2:
        gradients(stored, work, rows, sums, of_x, xs, t, hidden, width, few=False, keep=True)
    elif wanted:
        gradients(stored, work, rows, sums, of_x, xs, t, hidden, width, few=True, keep=True)
    else:
        gradients(stored, work, rows, sums, of_x, xs, t, hidden, width, few=True, keep=False)


@part  # type: ignore[untyped-decorator]
def _backward_rows(  # noqa: PLR0915 - one loop nest
    x: Any,
    reads: Any,
    begin_reads: Any,
    weights: Any,
    values: Any,
    of_final: Any,
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
    stored: Any,
    sums: Any,
    of_x: Any,
    work: Any,
    rows: Any,
    first: int,
    last: int,
) -> None:
    """The gradients of groups ``first`` to ``last`` of replicates times groups of rows of the batch.

    That of x is added to what is there, and only where it is ``wanted``; weights' are of a group.

    Of ``of_final``, ``gradient`` and ``of_readouts`` one of size 0 stands for zeros; ``values`` are read with
    the latter.
    """
    _, steps, batch, units = to_reads.shape
    inputs = x.shape[3]
    hidden = (weights.shape[1] - 1) // (inputs + 3)
    groups = to_weights.shape[1]
    for group in range(first, last):
        r, g = group // groups, group % groups
        weights_r = r if weights.shape[0] > 1 else 0
        for begin in range(0, units, LANES):
            width = min(LANES, units - begin)
            for k in range(weights.shape[1]):
                copy(stored, k * LANES, weights[weights_r, k], begin, width)
            sums[:] = 0
            of_x[:] = 0
            for b in range(g * GROUP, min((g + 1) * GROUP, batch)):
                xs = x[r if x.shape[0] > 1 else 0, :, b]
                reads_r = r if reads.shape[0] > 1 else 0
                before = begin_reads[r if begin_reads.shape[0] > 1 else 0, b]
                gradient_r = r if gradient.shape[0] > 1 else 0
                readouts_r = r if of_readouts.shape[0] > 1 else 0
                values_r = r if values.shape[0] > 1 else 0
                final_r = r if of_final.shape[0] > 1 else 0
                work[:] = 0
                _begin(work, of_final[final_r, b], begin, width)
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
                    _outputs(stored, work, rows, xs, t, hidden, width, keep=True)
                    for back in range(POINTS):
                        i = POINTS - 1 - back
                        if i < points:
                            one = gradient[gradient_r, t + i, b]
                            two = of_readouts[readouts_r, t + i, b]
                            value = values[values_r, t + i, b]
                            afresh = not accumulate and t + i + 1 < steps
                            _seed(work, i, one, two, value, begin, afresh, quarters, width)
                        else:
                            _clear(work, OUTPUTS + i)
                    _add_gradients(stored, work, rows, sums, of_x, xs, t, hidden, width, wanted)
                    if wanted:
                        of_inputs(stored, rows, to_x[r, :, b], t, points, hidden, width)
                    for i in range(points):
                        # of the state after a point: what the next one read, and what was decoded
                        whole = AFTER if i + 1 == points else BACK + i + 1
                        if of_readouts.size:
                            two, state = of_readouts[readouts_r, t + i, b], reads[reads_r, t + i, b]
                            _add_slopes(work, whole, two, begin, state, begin, quarters, width)
                        copy(to_reads[r, t + i, b], begin, work, whole * LANES, width)
                    copy(work, AFTER * LANES, work, BACK * LANES, width)
                copy(to_begin[r, b], begin, work, AFTER * LANES, width)
                if not accumulate:
                    work[HELD * LANES : (HELD + 1) * LANES] = 0
                copy(to_held[r, b], begin, work, HELD * LANES, width)
            finish(stored, sums, of_x, inputs, hidden, width)
            for k in range(weights.shape[1]):
                copy(to_weights[r, g, k], begin, sums, k * LANES, width)


@kernel  # type: ignore[untyped-decorator]
def forward(
    x: Any,
    reads: Any,
    begin_reads: Any,
    weights: Any,
    held: Any,
    final: Any,
    out: Any,
    readouts: Any,
    accumulate: bool,
    quarters: int,
    first: int,
    last: int,
) -> None:
    """See :func:`_forward_rows`."""
    given = (x, reads, begin_reads, weights, held, final, out, readouts, accumulate, quarters)
    stored = aligned(1, (weights.shape[1] + 1) * LANES, final)[0]
    work, rows = aligned(1, ROWS * LANES, final)[0], aligned(1, POINTS * LANES, final)[0]
    _forward_rows(*given, stored, work, rows, first, last)


@kernel  # type: ignore[untyped-decorator]
def backward(
    x: Any,
    reads: Any,
    begin_reads: Any,
    weights: Any,
    values: Any,
    of_final: Any,
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
    """See :func:`_backward_rows`."""
    given = (x, reads, begin_reads, weights, values, of_final, gradient, of_readouts)
    found = (to_x, to_reads, to_begin, to_weights, to_held, accumulate, quarters, wanted)
    inputs = x.shape[3]
    hidden = (weights.shape[1] - 1) // (inputs + 3)
    stored = aligned(1, (weights.shape[1] + 1) * LANES, weights)[0]
    sums = aligned(1, weights.shape[1] * LANES, weights)[0]
    of_x = aligned(1, hidden * max(inputs, 2) * LANES, weights)[0]
    work = aligned(1, ROWS * LANES, weights)[0]
    rows = aligned(1, POINTS * hidden * LANES, weights)[0]
    _backward_rows(*given, *found, stored, sums, of_x, work, rows, first, last)
