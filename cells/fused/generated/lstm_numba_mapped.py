"""Generated from the step 'lstm'; do not edit: `python -m cells.fused` writes it anew."""

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
def forward_tile(tile, out0, out1, units, begin, numbers, width):
    """One step."""
    c0 = numbers[0]
    at = np.uintp(begin)
    for j in range(np.uintp(width)):
        s0 = tile[j]
        s1 = tile[64 + j]
        p0 = tile[128 + j]
        p1 = tile[192 + j]
        p2 = tile[256 + j]
        p3 = tile[320 + j]
        w0 = tile[384 + j]
        w1 = tile[448 + j]
        w2 = tile[512 + j]
        w3 = tile[576 + j]
        v0 = w0 * s0
        v1 = p0 + v0
        v2 = w1 * s0
        v3 = p1 + v2
        v4 = w2 * s0
        v5 = p2 + v4
        v6 = w3 * s0
        v7 = p3 + v6
        v8 = v3 + c0
        v9 = sigmoid(v8)
        v10 = v9 * s1
        v11 = sigmoid(v1)
        v12 = tanh(v5)
        v13 = v11 * v12
        v14 = v10 + v13
        v15 = sigmoid(v7)
        v16 = tanh(v14)
        v17 = v15 * v16
        tile[j] = v17
        tile[64 + j] = v14
        out0[at + j] = v17
        out1[at + j] = v14


@apart
def backward_tile(tile, units, begin, numbers, width):
    """Gradients of one step; the weights' are added up."""
    c0 = numbers[0]
    k1 = numbers[2]
    for j in range(np.uintp(width)):
        s0 = tile[j]
        s1 = tile[64 + j]
        p0 = tile[128 + j]
        p1 = tile[192 + j]
        p2 = tile[256 + j]
        p3 = tile[320 + j]
        w0 = tile[384 + j]
        w1 = tile[448 + j]
        w2 = tile[512 + j]
        w3 = tile[576 + j]
        g0 = tile[896 + j]
        g1 = tile[960 + j]
        v0 = w0 * s0
        v1 = p0 + v0
        v2 = w1 * s0
        v3 = p1 + v2
        v4 = w2 * s0
        v5 = p2 + v4
        v6 = w3 * s0
        v7 = p3 + v6
        v8 = v3 + c0
        v9 = sigmoid(v8)
        v10 = v9 * s1
        v11 = sigmoid(v1)
        v12 = tanh(v5)
        v13 = v11 * v12
        v14 = v10 + v13
        v15 = sigmoid(v7)
        v16 = tanh(v14)
        v17 = g0 * v15
        v18 = g0 * v16
        v19 = v16 * v16
        v20 = k1 - v19
        v21 = v17 * v20
        v22 = g1 + v21
        v23 = k1 - v15
        v24 = v15 * v23
        v25 = v18 * v24
        v26 = v22 * v11
        v27 = v22 * v12
        v28 = v12 * v12
        v29 = k1 - v28
        v30 = v26 * v29
        v31 = k1 - v11
        v32 = v11 * v31
        v33 = v27 * v32
        v34 = v22 * v9
        v35 = v22 * s1
        v36 = k1 - v9
        v37 = v9 * v36
        v38 = v35 * v37
        v39 = v25 * w3
        v40 = v25 * s0
        v41 = v30 * w2
        v42 = v30 * s0
        v43 = v39 + v41
        v44 = v38 * w1
        v45 = v38 * s0
        v46 = v43 + v44
        v47 = v33 * w0
        v48 = v33 * s0
        v49 = v46 + v47
        tile[896 + j] = v49
        tile[960 + j] = v34
        tile[128 + j] = v33
        tile[192 + j] = v38
        tile[256 + j] = v30
        tile[320 + j] = v25
        tile[640 + j] += v48
        tile[704 + j] += v45
        tile[768 + j] += v42
        tile[832 + j] += v40


@part
def forward_rows(x, weight_ih, bias_ih, weights, initial0, initial1, numbers, out0, out1, scratch, stored, first, last):
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
        initial1_r = r if initial1.shape[0] > 1 else 0
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 384, weights[weights_r, 0], begin, width)
            copy(tile, 448, weights[weights_r, 1], begin, width)
            copy(tile, 512, weights[weights_r, 2], begin, width)
            copy(tile, 576, weights[weights_r, 3], begin, width)
            copy(tile, 0, initial0[initial0_r, b], begin, width)
            copy(tile, 64, initial1[initial1_r, b], begin, width)
            if slot < tiles:
                take_maps(stored[k], weight_ih[weight_ih_r], bias_ih[bias_ih_r], 4, units, begin, width)
        for t in range(steps):
            for slot in range(tiles * rows):
                k, b = slot % tiles, begin_row + slot // tiles
                tile, begin = scratch[slot], k * LANES
                width = min(LANES, units - begin)
                read_inputs(tile, 128, stored[k], x[x_r, t, b], 4, width)
                forward_tile(tile, out0[r, t, b], out1[r, t, b], units, begin, numbers, width)
                soon(out0[r, min(t + 1, steps - 1), b], begin, width)
                soon(out1[r, min(t + 1, steps - 1), b], begin, width)
        group += rows


@kernel
def forward(x, weight_ih, bias_ih, weights, initial0, initial1, numbers, out0, out1, first, last):
    """See forward_rows."""
    tiles = max(1, (out0.shape[3] + LANES - 1) // LANES)
    slots = tiles * max(1, min(8 // tiles, last - first))
    scratch = aligned(slots, 10 * LANES, out0)
    stored = aligned(tiles, 4 * (x.shape[3] + 1) * LANES, out0)
    forward_rows(x, weight_ih, bias_ih, weights, initial0, initial1, numbers, out0, out1, scratch, stored, first, last)


@part
def backward_rows(x, weight_ih, bias_ih, weights, initial0, initial1, out0, out1, gradient0, gradient1, final0, final1, numbers, to_x, to_weight_ih, to_bias_ih, to_weights, to_initial0, to_initial1, scratch, stored, sums, first, last):
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
        initial1_r = r if initial1.shape[0] > 1 else 0
        out0_r = r if out0.shape[0] > 1 else 0
        out1_r = r if out1.shape[0] > 1 else 0
        gradient0_r = r if gradient0.shape[0] > 1 else 0
        gradient1_r = r if gradient1.shape[0] > 1 else 0
        final0_r = r if final0.shape[0] > 1 else 0
        final1_r = r if final1.shape[0] > 1 else 0
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 384, weights[weights_r, 0], begin, width)
            copy(tile, 448, weights[weights_r, 1], begin, width)
            copy(tile, 512, weights[weights_r, 2], begin, width)
            copy(tile, 576, weights[weights_r, 3], begin, width)
            if slot < tiles:
                take_maps(stored[k], weight_ih[weight_ih_r], bias_ih[bias_ih_r], 4, units, begin, width)
            tile[640 :] = 0
            sums[slot, :] = 0
            if final0.size:
                copy(tile, 896, final0[final0_r, b], begin, width)
            if final1.size:
                copy(tile, 960, final1[final1_r, b], begin, width)
        for back in range(steps):
            for slot in range(tiles * rows):
                k, b = slot % tiles, begin_row + slot // tiles
                tile, begin = scratch[slot], k * LANES
                width = min(LANES, units - begin)
                t = steps - 1 - back
                read_inputs(tile, 128, stored[k], x[x_r, t, b], 4, width)
                if t > 0:
                    copy(tile, 0, out0[out0_r, t - 1, b], begin, width)
                    copy(tile, 64, out1[out1_r, t - 1, b], begin, width)
                    soon(out0[out0_r, max(t - 2, 0), b], begin, width)
                    soon(out1[out1_r, max(t - 2, 0), b], begin, width)
                else:
                    copy(tile, 0, initial0[initial0_r, b], begin, width)
                    copy(tile, 64, initial1[initial1_r, b], begin, width)
                if gradient0.size:
                    add(tile, 896, gradient0[gradient0_r, t, b], begin, width)
                    soon(gradient0[gradient0_r, max(t - 1, 0), b], begin, width)
                if gradient1.size:
                    add(tile, 960, gradient1[gradient1_r, t, b], begin, width)
                    soon(gradient1[gradient1_r, max(t - 1, 0), b], begin, width)
                backward_tile(tile, units, begin, numbers, width)
                add_maps(sums[slot], tile, 128, x[x_r, t, b], 4, width)
                if to_x.size:
                    add_to_inputs(to_x[r, t, b], stored[k], tile, 128, 4, width)
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            if to_weights.size:
                copy(to_weights[r, b, 0], begin, tile, 640, width)
                copy(to_weights[r, b, 1], begin, tile, 704, width)
                copy(to_weights[r, b, 2], begin, tile, 768, width)
                copy(to_weights[r, b, 3], begin, tile, 832, width)
            give_maps(sums[slot], to_weight_ih[r, b], to_bias_ih[r, b], 4, units, begin, width)
            copy(to_initial0[r, b], begin, tile, 896, width)
            copy(to_initial1[r, b], begin, tile, 960, width)
        group += rows


@kernel
def backward(x, weight_ih, bias_ih, weights, initial0, initial1, out0, out1, gradient0, gradient1, final0, final1, numbers, to_x, to_weight_ih, to_bias_ih, to_weights, to_initial0, to_initial1, first, last):
    """See backward_rows."""
    tiles = max(1, (out0.shape[3] + LANES - 1) // LANES)
    slots = tiles * max(1, min(8 // tiles, last - first))
    scratch = aligned(slots, 16 * LANES, out0)
    stored = aligned(tiles, 4 * (x.shape[3] + 1) * LANES, out0)
    sums = aligned(slots, 4 * (x.shape[3] + 1) * LANES, out0)
    backward_rows(x, weight_ih, bias_ih, weights, initial0, initial1, out0, out1, gradient0, gradient1, final0, final1, numbers, to_x, to_weight_ih, to_bias_ih, to_weights, to_initial0, to_initial1, scratch, stored, sums, first, last)
