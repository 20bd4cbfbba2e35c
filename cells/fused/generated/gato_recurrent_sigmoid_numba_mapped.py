"""Generated from the step 'gato_recurrent_sigmoid'; do not edit: `python -m cells.fused` writes it anew."""

# with numba_math, numba_circular, numba_apart, numba_tiles and numba_inputs as of 63b78c53afb9
import math

import numpy as np

from cells.fused.numba_apart import apart, kernel, part
from cells.fused.numba_circular import cos, sin
from cells.fused.numba_inputs import add_maps, add_to_inputs, give_maps, read_inputs, take_maps
from cells.fused.numba_math import exp, sigmoid, sign, softlog, tanh
from cells.fused.numba_tiles import add, aligned, copy, soon

LANES = 64
NUMBERS = (0.0, 1.0,)


@apart
def forward_tile(tile, out0, units, begin, numbers, width):
    """One step."""
    c0 = numbers[0]
    at = np.uintp(begin)
    for j in range(np.uintp(width)):
        s0 = tile[j]
        p0 = tile[64 + j]
        p1 = tile[128 + j]
        w0 = tile[192 + j]
        w1 = tile[256 + j]
        v0 = w0 * s0
        v1 = p0 + v0
        v2 = w1 * s0
        v3 = p1 + v2
        v4 = sigmoid(v1)
        v5 = c0 * v4
        v6 = v5 * s0
        v7 = tanh(v3)
        v8 = v6 + v7
        tile[j] = v8
        out0[at + j] = v8


@apart
def backward_tile(tile, units, begin, numbers, width):
    """Gradients of one step; the weights' are added up."""
    c0 = numbers[0]
    k1 = numbers[2]
    for j in range(np.uintp(width)):
        s0 = tile[j]
        p0 = tile[64 + j]
        p1 = tile[128 + j]
        w0 = tile[192 + j]
        w1 = tile[256 + j]
        g0 = tile[448 + j]
        v0 = w0 * s0
        v1 = p0 + v0
        v2 = w1 * s0
        v3 = p1 + v2
        v4 = sigmoid(v1)
        v5 = c0 * v4
        v6 = tanh(v3)
        v7 = v6 * v6
        v8 = k1 - v7
        v9 = g0 * v8
        v10 = g0 * v5
        v11 = g0 * s0
        v12 = v11 * c0
        v13 = k1 - v4
        v14 = v4 * v13
        v15 = v12 * v14
        v16 = v9 * w1
        v17 = v9 * s0
        v18 = v10 + v16
        v19 = v15 * w0
        v20 = v15 * s0
        v21 = v18 + v19
        tile[448 + j] = v21
        tile[64 + j] = v15
        tile[128 + j] = v9
        tile[320 + j] += v20
        tile[384 + j] += v17


@part
def forward_rows(x, weight_ih, bias_ih, weights, initial0, numbers, out0, scratch, stored, first, last):
    """Rows ``first`` to ``last`` of replicates times batch, all steps."""
    replicates, steps, batch, units = out0.shape
    tiles = max(1, (units + LANES - 1) // LANES)
    group = first
    while group < last:
        r, begin_row = group // batch, group % batch
        rows = min(scratch.shape[0] // tiles, last - group, batch - begin_row)
        x_r = r if x.shape[0] > 1 else 0
        weight_ih_r = r if weight_ih.shape[0] > 1 else 0
        bias_ih_r = r if bias_ih.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        initial0_r = r if initial0.shape[0] > 1 else 0
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 192, weights[weights_r, 0], begin, width)
            copy(tile, 256, weights[weights_r, 1], begin, width)
            copy(tile, 0, initial0[initial0_r, b], begin, width)
            if slot < tiles:
                take_maps(stored[k], weight_ih[weight_ih_r], bias_ih[bias_ih_r], 2, units, begin, width)
        for t in range(steps):
            for slot in range(tiles * rows):
                k, b = slot % tiles, begin_row + slot // tiles
                tile, begin = scratch[slot], k * LANES
                width = min(LANES, units - begin)
                read_inputs(tile, 64, stored[k], x[x_r, t, b], 2, width)
                forward_tile(tile, out0[r, t, b], units, begin, numbers, width)
                soon(out0[r, min(t + 1, steps - 1), b], begin, width)
        group += rows


@kernel
def forward(x, weight_ih, bias_ih, weights, initial0, numbers, out0, first, last):
    """See forward_rows."""
    tiles = max(1, (out0.shape[3] + LANES - 1) // LANES)
    slots = tiles * max(1, min(8 // tiles, last - first))
    scratch = aligned(slots, 5 * LANES, out0)
    stored = aligned(tiles, 2 * (x.shape[3] + 1) * LANES, out0)
    forward_rows(x, weight_ih, bias_ih, weights, initial0, numbers, out0, scratch, stored, first, last)


@part
def backward_rows(x, weight_ih, bias_ih, weights, initial0, out0, gradient0, final0, numbers, to_x, to_weight_ih, to_bias_ih, to_weights, to_initial0, scratch, stored, sums, first, last):
    """The gradients of those rows; one of size 0 stands for zeros, or is not wanted."""
    _, steps, batch, units = out0.shape
    tiles = max(1, (units + LANES - 1) // LANES)
    group = first
    while group < last:
        r, begin_row = group // batch, group % batch
        rows = min(scratch.shape[0] // tiles, last - group, batch - begin_row)
        x_r = r if x.shape[0] > 1 else 0
        weight_ih_r = r if weight_ih.shape[0] > 1 else 0
        bias_ih_r = r if bias_ih.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        initial0_r = r if initial0.shape[0] > 1 else 0
        out0_r = r if out0.shape[0] > 1 else 0
        gradient0_r = r if gradient0.shape[0] > 1 else 0
        final0_r = r if final0.shape[0] > 1 else 0
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 192, weights[weights_r, 0], begin, width)
            copy(tile, 256, weights[weights_r, 1], begin, width)
            if slot < tiles:
                take_maps(stored[k], weight_ih[weight_ih_r], bias_ih[bias_ih_r], 2, units, begin, width)
            tile[320 :] = 0
            sums[slot, :] = 0
            if final0.size:
                copy(tile, 448, final0[final0_r, b], begin, width)
        for back in range(steps):
            for slot in range(tiles * rows):
                k, b = slot % tiles, begin_row + slot // tiles
                tile, begin = scratch[slot], k * LANES
                width = min(LANES, units - begin)
                t = steps - 1 - back
                read_inputs(tile, 64, stored[k], x[x_r, t, b], 2, width)
                if t > 0:
                    copy(tile, 0, out0[out0_r, t - 1, b], begin, width)
                    soon(out0[out0_r, max(t - 2, 0), b], begin, width)
                else:
                    copy(tile, 0, initial0[initial0_r, b], begin, width)
                if gradient0.size:
                    add(tile, 448, gradient0[gradient0_r, t, b], begin, width)
                    soon(gradient0[gradient0_r, max(t - 1, 0), b], begin, width)
                backward_tile(tile, units, begin, numbers, width)
                add_maps(sums[slot], tile, 64, x[x_r, t, b], 2, width)
                if to_x.size:
                    add_to_inputs(to_x[r, t, b], stored[k], tile, 64, 2, width)
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            if to_weights.size:
                copy(to_weights[r, b, 0], begin, tile, 320, width)
                copy(to_weights[r, b, 1], begin, tile, 384, width)
            give_maps(sums[slot], to_weight_ih[r, b], to_bias_ih[r, b], 2, units, begin, width)
            copy(to_initial0[r, b], begin, tile, 448, width)
        group += rows


@kernel
def backward(x, weight_ih, bias_ih, weights, initial0, out0, gradient0, final0, numbers, to_x, to_weight_ih, to_bias_ih, to_weights, to_initial0, first, last):
    """See backward_rows."""
    tiles = max(1, (out0.shape[3] + LANES - 1) // LANES)
    slots = tiles * max(1, min(8 // tiles, last - first))
    scratch = aligned(slots, 8 * LANES, out0)
    stored = aligned(tiles, 2 * (x.shape[3] + 1) * LANES, out0)
    sums = aligned(slots, 2 * (x.shape[3] + 1) * LANES, out0)
    backward_rows(x, weight_ih, bias_ih, weights, initial0, out0, gradient0, final0, numbers, to_x, to_weight_ih, to_bias_ih, to_weights, to_initial0, scratch, stored, sums, first, last)
