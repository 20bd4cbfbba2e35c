"""Kernels for one small ReLU network per unit, summed up over time: two-layer GATO's memory on the CPU.

A hidden layer of k numbers per unit, step and example is never written out: a tile of units keeps that of
POINTS steps in its scratch, and the backward computes it again. The networks read states that are known
beforehand, so steps are worked on together: a weight is loaded once for all of them. What is decoded is
decoded where it is at hand.
"""

from __future__ import annotations

from typing import Any

from cells.fused.numba_apart import kernel, part
from cells.fused.numba_tiles import aligned, copy, soon
from cells.fused.numba_unit_io import (
    add_slopes,
    ask,
    carry,
    clear,
    decode,
    load,
    remember,
    seed,
)
from cells.fused.numba_unit_points import (
    AFTER,
    BACK,
    GROUP,
    HELD,
    LANES,
    OUTPUTS,
    POINTS,
    ROWS,
    finish,
    gradients,
    of_inputs,
    outputs,
)

# numba_apart, numba_circular, numba_math, numba_tiles, numba_unit_points and numba_unit_io as of bc0047f0bf58


@part  # type: ignore[untyped-decorator]
def _outputs(stored: Any, work: Any, rows: Any, xs: Any, t: int, hidden: int, width: int) -> None:
    """:func:`outputs` as compiled for as many inputs."""
    if xs.shape[1] > 2:
        outputs(stored, work, rows, xs, t, hidden, width, few=False, keep=False)
    else:
        outputs(stored, work, rows, xs, t, hidden, width, few=True, keep=False)


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
    slopes: Any,
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
    of size 0 where no more is wanted; ``slopes``: of each softplus, or of size 0. ``quarters``: by how many a
    number is turned before its sine is taken for ``readouts``; negative where nothing is decoded.
    """
    _, steps, batch, units = reads.shape
    hidden = (weights.shape[1] - 1) // (x.shape[3] + 3)
    there = -1  # whose weights are in the scratch
    for row in range(first, last):
        r, b = row // batch, row % batch
        xs = x[r if x.shape[0] > 1 else 0, :, b]
        reads_r = r if reads.shape[0] > 1 else 0
        before = begin_reads[r if begin_reads.shape[0] > 1 else 0, b]
        weights_r = r if weights.shape[0] > 1 else 0
        held_r = r if held.shape[0] > 1 else 0
        for begin in range(0, units, LANES):
            width = min(LANES, units - begin)
            if units > LANES or weights_r != there:
                for k in range(weights.shape[1]):
                    copy(stored, k * LANES, weights[weights_r, k], begin, width)
                there = weights_r
            copy(work, HELD * LANES, held[held_r, b], begin, width)
            for t in range(0, steps, POINTS):
                load(work, reads, reads_r, b, before, begin, t, width)
                for i in range(POINTS):
                    following = min(t + POINTS + i, steps - 1)
                    soon(reads[reads_r, following, b], begin, width)
                    ask(out[r, following, b], begin, width)
                    ask(slopes[r, following, b], begin, width)
                    soon(xs[following], 0, xs.shape[1])
                    if quarters >= 0:
                        soon(readouts[r, following, b], begin, width)
                        soon(readouts[r, following, b], units + begin, width)
                _outputs(stored, work, rows, xs, t, hidden, width)
                for i in range(min(POINTS, steps - t)):
                    if slopes.size:
                        remember(work, (OUTPUTS + i) * LANES, accumulate, keep=True, width=width)
                        copy(slopes[r, t + i, b], begin, work, (OUTPUTS + i) * LANES, width)
                    else:
                        remember(work, (OUTPUTS + i) * LANES, accumulate, keep=False, width=width)
                    if out.size:
                        copy(out[r, t + i, b], begin, work, HELD * LANES, width)
                    if quarters >= 0:
                        read, target = reads[reads_r, t + i, b], readouts[r, t + i, b]
                        decode(target, begin, read, begin, quarters, width)
                        decode(target, units + begin, work, HELD * LANES, quarters, width)
            copy(final[r, b], begin, work, HELD * LANES, width)


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
    slopes: Any,
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
    the latter. ``slopes`` are what the forward kept.
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
                slopes_r = r if slopes.shape[0] > 1 else 0
                final_r = r if of_final.shape[0] > 1 else 0
                work[:] = 0
                carry(work, of_final[final_r, b], begin, width)
                for block in range((steps + POINTS - 1) // POINTS):
                    t = (steps - 1) // POINTS * POINTS - block * POINTS
                    points = min(POINTS, steps - t)
                    load(work, reads, reads_r, b, before, begin, t, width)
                    for i in range(POINTS):
                        following = max(t - 1 - i, 0)
                        soon(reads[reads_r, max(following - 1, 0), b], begin, width)
                        soon(to_reads[r, following, b], begin, width)
                        soon(xs[following], 0, inputs)
                        ask(gradient[gradient_r, following, b], begin, width)
                        ask(of_readouts[readouts_r, following, b], begin, width)
                        ask(of_readouts[readouts_r, following, b], units + begin, width)
                        ask(values[values_r, following, b], begin, width)
                        soon(slopes[slopes_r, following, b], begin, width)
                    if inputs > 2:
                        outputs(stored, work, rows, xs, t, hidden, width, few=False, keep=True)
                    for back in range(POINTS):
                        i = POINTS - 1 - back
                        if i < points:
                            one = gradient[gradient_r, t + i, b]
                            two = of_readouts[readouts_r, t + i, b]
                            value, slope = values[values_r, t + i, b], slopes[slopes_r, t + i, b]
                            afresh = not accumulate and t + i + 1 < steps
                            seed(work, i, one, two, value, slope, begin, afresh, quarters, width)
                        else:
                            clear(work, OUTPUTS + i)
                    _add_gradients(stored, work, rows, sums, of_x, xs, t, hidden, width, wanted)
                    if wanted:
                        of_inputs(stored, rows, to_x[r, :, b], t, points, hidden, width)
                    for i in range(points):
                        # of the state after a point: what the next one read, and what was decoded
                        whole = AFTER if i + 1 == points else BACK + i + 1
                        if of_readouts.size:
                            two, state = of_readouts[readouts_r, t + i, b], reads[reads_r, t + i, b]
                            add_slopes(work, whole, two, begin, state, begin, quarters, width)
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
    slopes: Any,
    accumulate: bool,
    quarters: int,
    first: int,
    last: int,
) -> None:
    """See :func:`_forward_rows`."""
    given = (
        x,
        reads,
        begin_reads,
        weights,
        held,
        final,
        out,
        readouts,
        slopes,
        accumulate,
        quarters,
    )
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
    slopes: Any,
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
    given = (x, reads, begin_reads, weights, values, slopes, of_final, gradient, of_readouts)
    found = (to_x, to_reads, to_begin, to_weights, to_held, accumulate, quarters, wanted)
    inputs = x.shape[3]
    hidden = (weights.shape[1] - 1) // (inputs + 3)
    stored = aligned(1, (weights.shape[1] + 1) * LANES, weights)[0]
    sums = aligned(1, weights.shape[1] * LANES, weights)[0]
    of_x = aligned(1, hidden * max(inputs, 2) * LANES, weights)[0]
    work = aligned(1, ROWS * LANES, weights)[0]
    rows = aligned(1, POINTS * hidden * LANES, weights)[0]
    _backward_rows(*given, *found, stored, sums, of_x, work, rows, first, last)
