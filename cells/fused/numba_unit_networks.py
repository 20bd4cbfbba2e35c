"""Kernels for one small ReLU network per unit, summed up over time: two-layer GATO's memory on the CPU.

A hidden layer of k numbers per unit, step and example is never written out: a tile of units keeps it in its
scratch, and the backward computes it again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

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


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def forward(
    x: Any, reads: Any, weights: Any, held: Any, out: Any, accumulate: bool, first: int, last: int
) -> None:
    """Rows ``first`` to ``last`` of replicates times batch: softplus of the networks, or its sum in time."""
    _, steps, batch, units = out.shape
    inputs = x.shape[3]
    hidden = (weights.shape[1] - 1) // (inputs + 3)
    zero = out.dtype.type(0)
    stored = aligned(1, weights.shape[1] * LANES, out)[0]
    work, rows = aligned(1, 4 * LANES, out)[0], aligned(1, hidden * LANES, out)[0]
    for row in range(first, last):
        r, b = row // batch, row % batch
        x_r = r if x.shape[0] > 1 else 0
        reads_r = r if reads.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        held_r = r if held.shape[0] > 1 else 0
        for begin in range(0, units, LANES):
            width = min(LANES, units - begin)
            for k in range(weights.shape[1]):
                copy(stored, k * LANES, weights[weights_r, k], begin, width)
            copy(work, 2 * LANES, held[held_r, b], begin, width)
            for t in range(steps):
                following = min(t + 1, steps - 1)
                soon(reads[reads_r, following, b], begin, width)
                soon(out[r, following, b], begin, width)
                soon(x[x_r, following, b], 0, inputs)
                copy(work, 0, reads[reads_r, t, b], begin, width)
                _hidden(stored, work, rows, x[x_r, t, b], hidden, width)
                for j in range(width):
                    f = work[LANES + j]
                    entry = (zero if f < zero else f) + softlog(abs(f))
                    work[2 * LANES + j] = work[2 * LANES + j] + entry if accumulate else entry
                copy(out[r, t, b], begin, work, 2 * LANES, width)


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
    weights: Any,
    gradient: Any,
    to_x: Any,
    to_reads: Any,
    to_weights: Any,
    to_held: Any,
    accumulate: bool,
    wanted: bool,
    first: int,
    last: int,
) -> None:
    """The gradients of those rows; that of x is added to what is there, and only where it is ``wanted``."""
    _, steps, batch, units = to_reads.shape
    inputs = x.shape[3]
    hidden = (weights.shape[1] - 1) // (inputs + 3)
    stored = aligned(1, weights.shape[1] * LANES, weights)[0]
    sums = aligned(1, weights.shape[1] * LANES, weights)[0]
    work, rows = aligned(1, 4 * LANES, weights)[0], aligned(1, hidden * LANES, weights)[0]
    for row in range(first, last):
        r, b = row // batch, row % batch
        x_r = r if x.shape[0] > 1 else 0
        reads_r = r if reads.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        gradient_r = r if gradient.shape[0] > 1 else 0
        for begin in range(0, units, LANES):
            width = min(LANES, units - begin)
            for k in range(weights.shape[1]):
                copy(stored, k * LANES, weights[weights_r, k], begin, width)
            sums[:] = 0
            work[2 * LANES : 3 * LANES] = 0
            for back in range(steps):
                t = steps - 1 - back
                following = max(t - 1, 0)
                soon(reads[reads_r, following, b], begin, width)
                soon(gradient[gradient_r, following, b], begin, width)
                soon(to_reads[r, following, b], begin, width)
                soon(x[x_r, following, b], 0, inputs)
                copy(work, 0, reads[reads_r, t, b], begin, width)
                _hidden(stored, work, rows, x[x_r, t, b], hidden, width)
                if not accumulate:
                    work[2 * LANES : 3 * LANES] = 0
                add(work, 2 * LANES, gradient[gradient_r, t, b], begin, width)
                for j in range(width):
                    work[3 * LANES + j] = work[2 * LANES + j] * sigmoid(work[LANES + j])
                _back(stored, work, rows, sums, x[x_r, t, b], to_x[r, t, b], hidden, width, wanted)
                copy(to_reads[r, t, b], begin, work, LANES, width)
            for k in range(weights.shape[1]):
                copy(to_weights[r, b, k], begin, sums, k * LANES, width)
            if not accumulate:
                work[2 * LANES : 3 * LANES] = 0
            copy(to_held[r, b], begin, work, 2 * LANES, width)
