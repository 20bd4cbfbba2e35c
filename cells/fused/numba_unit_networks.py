"""Kernels for one small ReLU network per unit, summed up over time: two-layer GATO's memory on the CPU.

A hidden layer of k numbers per unit, step and example is never written out: a tile of units keeps it in its
scratch, and the backward computes it again. What is decoded is decoded where it is at hand.

Rows of a tile's ``work``: 0 the state r that is read; 1 the network's output, in the backward then the
gradient of r; 2 the memory, in the backward its gradient; 3 the gradient of the output; 4 what is decoded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from cells.fused.numba_circular import cos, sin
from cells.fused.numba_math import FAST, sigmoid, softlog
from cells.fused.numba_tiles import add, aligned, copy, soon

LANES = 64
# sums over units may be taken in any fixed order
_SUMS = FAST | {"reassoc"}


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _hidden(weights: Any, work: Any, rows: Any, x: Any, hidden: int, width: int) -> None:
    """From r, row 0 of ``work``, to the hidden layer before its ReLU, ``rows``, and the output, row 1."""
    inputs = x.shape[0]
    zero = x.dtype.type(0)
    # unsigned: a signed index might count from the end, which costs a selection per element
    step, tile = np.uintp((inputs + 3) * LANES), np.uintp(LANES)
    w, a = np.uintp(0), np.uintp(0)
    last = np.uintp(hidden * (inputs + 3) * LANES)
    lanes = np.uintp(width)
    for j in range(lanes):
        work[tile + j] = weights[last + j]
    for _ in range(hidden):
        of_state = w + np.uintp(inputs * LANES)
        for j in range(lanes):
            rows[a + j] = weights[of_state + tile + j] + weights[of_state + j] * work[j]
        d, at = 0, w
        while d + 1 < inputs:
            x0, x1 = x[d], x[d + 1]
            for j in range(lanes):
                rows[a + j] += weights[at + j] * x0 + weights[at + tile + j] * x1
            d += 2
            at += tile + tile
        if d < inputs:
            x0 = x[d]
            for j in range(lanes):
                rows[a + j] += weights[at + j] * x0
        out = of_state + tile + tile
        for j in range(lanes):
            one = rows[a + j]
            work[tile + j] += weights[out + j] * (zero if one < zero else one)
        w += step
        a += tile


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _decoded(work: Any, row: int, decode: int, width: int) -> None:
    """Row 4: the cosine of ``row`` where ``decode`` is 1, the sine where it is 2."""
    if decode == 1:
        for j in range(width):
            work[4 * LANES + j] = cos(work[row * LANES + j])
    else:
        for j in range(width):
            work[4 * LANES + j] = sin(work[row * LANES + j])


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _add_slopes(work: Any, row: int, at: int, decode: int, width: int) -> None:
    """To ``row``: what is in row 3, the gradient of what was decoded, times the slope at row ``at``."""
    if decode == 1:
        for j in range(width):
            work[row * LANES + j] -= work[3 * LANES + j] * sin(work[at * LANES + j])
    else:
        for j in range(width):
            work[row * LANES + j] += work[3 * LANES + j] * cos(work[at * LANES + j])


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def _add_readouts(
    work: Any, gradient: Any, values: Any, begin: int, decode: int, width: int
) -> None:
    """The gradients of both halves of one step's readouts, to those of r and of the memory."""
    copy(work, 3 * LANES, gradient, begin, width)
    _add_slopes(work, 1, 0, decode, width)
    copy(work, 3 * LANES, gradient, values.size + begin, width)
    copy(work, 4 * LANES, values, begin, width)
    _add_slopes(work, 2, 4, decode, width)


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
    decode: int,
    first: int,
    last: int,
) -> None:
    """Rows ``first`` to ``last`` of replicates times batch: softplus of the networks, or its sum in time.

    ``begin_reads``: the state before ``reads``. ``decode``: whether ``readouts`` are written, and how.
    """
    _, steps, batch, units = out.shape
    inputs = x.shape[3]
    hidden = (weights.shape[1] - 1) // (inputs + 3)
    zero = out.dtype.type(0)
    stored = aligned(1, weights.shape[1] * LANES, out)[0]
    work, rows = aligned(1, 5 * LANES, out)[0], aligned(1, hidden * LANES, out)[0]
    for row in range(first, last):
        r, b = row // batch, row % batch
        x_r = r if x.shape[0] > 1 else 0
        reads_r = r if reads.shape[0] > 1 else 0
        begin_r = r if begin_reads.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        held_r = r if held.shape[0] > 1 else 0
        for begin in range(0, units, LANES):
            width = min(LANES, units - begin)
            for k in range(weights.shape[1]):
                copy(stored, k * LANES, weights[weights_r, k], begin, width)
            copy(work, 0, begin_reads[begin_r, b], begin, width)
            copy(work, 2 * LANES, held[held_r, b], begin, width)
            for t in range(steps):
                following = min(t + 1, steps - 1)
                soon(reads[reads_r, following, b], begin, width)
                soon(out[r, following, b], begin, width)
                soon(x[x_r, following, b], 0, inputs)
                _hidden(stored, work, rows, x[x_r, t, b], hidden, width)
                for j in range(width):
                    f = work[LANES + j]
                    entry = (zero if f < zero else f) + softlog(abs(f))
                    work[2 * LANES + j] = work[2 * LANES + j] + entry if accumulate else entry
                copy(out[r, t, b], begin, work, 2 * LANES, width)
                copy(work, 0, reads[reads_r, t, b], begin, width)
                if decode:
                    soon(readouts[r, following, b], begin, width)
                    soon(readouts[r, following, b], units + begin, width)
                    _decoded(work, 0, decode, width)
                    copy(readouts[r, t, b], begin, work, 4 * LANES, width)
                    _decoded(work, 2, decode, width)
                    copy(readouts[r, t, b], units + begin, work, 4 * LANES, width)


@njit(forceinline=True, fastmath=_SUMS, error_model="numpy")
def _back(
    weights: Any,
    work: Any,
    rows: Any,
    sums: Any,
    x: Any,
    to_x: Any,
    hidden: int,
    width: int,
    wanted: bool,
) -> None:
    """From the output's gradient, row 3, to those of r, row 1, of x, and of the weights, added up."""
    inputs = x.shape[0]
    zero = x.dtype.type(0)
    step, tile = np.uintp((inputs + 3) * LANES), np.uintp(LANES)
    w, a = np.uintp(0), np.uintp(0)
    last = np.uintp(hidden * (inputs + 3) * LANES)
    given = np.uintp(3 * LANES)
    lanes = np.uintp(width)
    for j in range(lanes):
        sums[last + j] += work[given + j]
        work[tile + j] = zero
    for _ in range(hidden):
        of_state = w + np.uintp(inputs * LANES)
        bias = of_state + tile
        out = bias + tile
        for j in range(lanes):
            one, g = rows[a + j], work[given + j]
            sums[out + j] += g * (zero if one < zero else one)
            # not 0 where it is NaN
            slope = g * weights[out + j] if one > zero else one * zero
            sums[of_state + j] += slope * work[j]
            sums[bias + j] += slope
            work[tile + j] += slope * weights[of_state + j]
            rows[a + j] = slope
        d, at = 0, w
        while d + 1 < inputs:
            x0, x1 = x[d], x[d + 1]
            for j in range(lanes):
                one = rows[a + j]
                sums[at + j] += one * x0
                sums[at + tile + j] += one * x1
            d += 2
            at += tile + tile
        if d < inputs:
            x0 = x[d]
            for j in range(lanes):
                sums[at + j] += rows[a + j] * x0
        if wanted:
            at = w
            for d in range(inputs):
                total = zero
                for j in range(lanes):
                    total += rows[a + j] * weights[at + j]
                to_x[d] += total
                at += tile
        w += step
        a += tile


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def backward(
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
    decode: int,
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
    work, rows = aligned(1, 5 * LANES, weights)[0], aligned(1, hidden * LANES, weights)[0]
    for row in range(first, last):
        r, b = row // batch, row % batch
        x_r = r if x.shape[0] > 1 else 0
        reads_r = r if reads.shape[0] > 1 else 0
        begin_r = r if begin_reads.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        values_r = r if values.shape[0] > 1 else 0
        gradient_r = r if gradient.shape[0] > 1 else 0
        readouts_r = r if of_readouts.shape[0] > 1 else 0
        for begin in range(0, units, LANES):
            width = min(LANES, units - begin)
            for k in range(weights.shape[1]):
                copy(stored, k * LANES, weights[weights_r, k], begin, width)
            sums[:] = 0
            work[LANES : 3 * LANES] = 0
            if steps:
                copy(work, 0, reads[reads_r, steps - 1, b], begin, width)
            for back in range(steps):
                t = steps - 1 - back
                following = max(t - 1, 0)
                soon(reads[reads_r, max(t - 2, 0), b], begin, width)
                soon(to_reads[r, following, b], begin, width)
                soon(x[x_r, following, b], 0, inputs)
                if not accumulate:
                    work[2 * LANES : 3 * LANES] = 0
                if of_readouts.size:
                    soon(of_readouts[readouts_r, following, b], begin, width)
                    soon(of_readouts[readouts_r, following, b], units + begin, width)
                    soon(values[values_r, following, b], begin, width)
                    _add_readouts(
                        work,
                        of_readouts[readouts_r, t, b],
                        values[values_r, t, b],
                        begin,
                        decode,
                        width,
                    )
                # of r after this step: what the next network read, and what was decoded
                copy(to_reads[r, t, b], begin, work, LANES, width)
                if t > 0:
                    copy(work, 0, reads[reads_r, t - 1, b], begin, width)
                else:
                    copy(work, 0, begin_reads[begin_r, b], begin, width)
                _hidden(stored, work, rows, x[x_r, t, b], hidden, width)
                if gradient.size:
                    soon(gradient[gradient_r, following, b], begin, width)
                    add(work, 2 * LANES, gradient[gradient_r, t, b], begin, width)
                for j in range(width):
                    work[3 * LANES + j] = work[2 * LANES + j] * sigmoid(work[LANES + j])
                _back(stored, work, rows, sums, x[x_r, t, b], to_x[r, t, b], hidden, width, wanted)
            for k in range(weights.shape[1]):
                copy(to_weights[r, b, k], begin, sums, k * LANES, width)
            copy(to_begin[r, b], begin, work, LANES, width)
            if not accumulate:
                work[2 * LANES : 3 * LANES] = 0
            copy(to_held[r, b], begin, work, 2 * LANES, width)
