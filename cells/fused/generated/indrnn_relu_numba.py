"""Generated from the step 'indrnn_relu'; do not edit: `python -m cells.fused` writes it anew."""

# with numba_math, numba_circular, numba_apart and numba_tiles as of 4085c2658cc7
import math

import numpy as np

from cells.fused.numba_apart import apart, kernel, part
from cells.fused.numba_circular import cos, sin
from cells.fused.numba_math import exp, sigmoid, sign, softlog, tanh
from cells.fused.numba_tiles import add, aligned, copy, soon

LANES = 64
NUMBERS = (0.0, 1.0,)


@apart
def forward_tile(tile, given, out0, units, begin, numbers, width):
    """One step."""
    k0 = numbers[0]
    at = np.uintp(begin)
    at0 = np.uintp(0 * units + begin)
    for j in range(np.uintp(width)):
        s0 = tile[j]
        p0 = given[at0 + j]
        w0 = tile[128 + j]
        v0 = w0 * s0
        v1 = p0 + v0
        v2 = v1 if v1 != v1 else max(v1, k0)
        tile[j] = v2
        out0[at + j] = v2


@apart
def backward_tile(tile, given, units, begin, numbers, width):
    """Gradients of one step; the weights' are added up."""
    k0 = numbers[0]
    at0 = np.uintp(0 * units + begin)
    for j in range(np.uintp(width)):
        s0 = tile[j]
        p0 = given[at0 + j]
        w0 = tile[128 + j]
        g0 = tile[256 + j]
        v0 = w0 * s0
        v1 = p0 + v0
        v2 = v1 if v1 != v1 else max(v1, k0)
        v3 = v2 <= k0
        v4 = k0 if v3 else g0
        v5 = v4 * w0
        v6 = v4 * s0
        tile[256 + j] = v5
        tile[64 + j] = v4
        tile[192 + j] += v6


@part
def forward_rows(projected, weights, initial0, numbers, out0, scratch, first, last):
    """Rows ``first`` to ``last`` of replicates times batch, all steps."""
    replicates, steps, batch, units = out0.shape
    tiles = max(1, (units + LANES - 1) // LANES)
    group = first
    while group < last:
        r, begin_row = group // batch, group % batch
        rows = min(scratch.shape[0] // tiles, last - group, batch - begin_row)
        projected_r = r if projected.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        initial0_r = r if initial0.shape[0] > 1 else 0
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 128, weights[weights_r, 0], begin, width)
            copy(tile, 0, initial0[initial0_r, b], begin, width)
        for t in range(steps):
            for slot in range(tiles * rows):
                k, b = slot % tiles, begin_row + slot // tiles
                tile, begin = scratch[slot], k * LANES
                width = min(LANES, units - begin)
                given = projected[projected_r, t, b]
                following = projected[projected_r, min(t + 1, steps - 1), b]
                soon(following, 0 * units + begin, width)
                forward_tile(tile, given, out0[r, t, b], units, begin, numbers, width)
                soon(out0[r, min(t + 1, steps - 1), b], begin, width)
        group += rows


@kernel
def forward(projected, weights, initial0, numbers, out0, first, last):
    """See forward_rows."""
    tiles = max(1, (out0.shape[3] + LANES - 1) // LANES)
    slots = tiles * max(1, min(8 // tiles, last - first))
    scratch = aligned(slots, 3 * LANES, out0)
    forward_rows(projected, weights, initial0, numbers, out0, scratch, first, last)


@part
def backward_rows(projected, weights, initial0, out0, gradient0, final0, numbers, to_projected, to_weights, to_initial0, scratch, first, last):
    """The gradients of those rows; one of size 0 stands for zeros, or is not wanted."""
    _, steps, batch, units = out0.shape
    tiles = max(1, (units + LANES - 1) // LANES)
    group = first
    while group < last:
        r, begin_row = group // batch, group % batch
        rows = min(scratch.shape[0] // tiles, last - group, batch - begin_row)
        projected_r = r if projected.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        initial0_r = r if initial0.shape[0] > 1 else 0
        out0_r = r if out0.shape[0] > 1 else 0
        gradient0_r = r if gradient0.shape[0] > 1 else 0
        final0_r = r if final0.shape[0] > 1 else 0
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 128, weights[weights_r, 0], begin, width)
            tile[192 :] = 0
            if final0.size:
                copy(tile, 256, final0[final0_r, b], begin, width)
        for back in range(steps):
            for slot in range(tiles * rows):
                k, b = slot % tiles, begin_row + slot // tiles
                tile, begin = scratch[slot], k * LANES
                width = min(LANES, units - begin)
                t = steps - 1 - back
                given = projected[projected_r, t, b]
                following = projected[projected_r, max(t - 1, 0), b]
                soon(following, 0 * units + begin, width)
                if t > 0:
                    copy(tile, 0, out0[out0_r, t - 1, b], begin, width)
                    soon(out0[out0_r, max(t - 2, 0), b], begin, width)
                else:
                    copy(tile, 0, initial0[initial0_r, b], begin, width)
                if gradient0.size:
                    add(tile, 256, gradient0[gradient0_r, t, b], begin, width)
                    soon(gradient0[gradient0_r, max(t - 1, 0), b], begin, width)
                backward_tile(tile, given, units, begin, numbers, width)
                if to_projected.size:
                    copy(to_projected[r, t, b], 0 * units + begin, tile, 64, width)
                    soon(to_projected[r, max(t - 1, 0), b], 0 * units + begin, width)
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            if to_weights.size:
                copy(to_weights[r, b, 0], begin, tile, 192, width)
            copy(to_initial0[r, b], begin, tile, 256, width)
        group += rows


@kernel
def backward(projected, weights, initial0, out0, gradient0, final0, numbers, to_projected, to_weights, to_initial0, first, last):
    """See backward_rows."""
    tiles = max(1, (out0.shape[3] + LANES - 1) // LANES)
    slots = tiles * max(1, min(8 // tiles, last - first))
    scratch = aligned(slots, 5 * LANES, out0)
    backward_rows(projected, weights, initial0, out0, gradient0, final0, numbers, to_projected, to_weights, to_initial0, scratch, first, last)
