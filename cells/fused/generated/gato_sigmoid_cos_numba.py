"""Generated from the step 'gato_sigmoid_cos'; do not edit: `python -m cells.fused` writes it anew."""

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
def forward_tile(tile, given, out0, out1, units, begin, numbers, width):
    """One step."""
    c0 = numbers[0]
    k0 = numbers[1]
    at = np.uintp(begin)
    at0 = np.uintp(0 * units + begin)
    at1 = np.uintp(1 * units + begin)
    at2 = np.uintp(2 * units + begin)
    for j in range(np.uintp(width)):
        s0 = tile[j]
        s1 = tile[64 + j]
        p0 = given[at0 + j]
        p1 = given[at1 + j]
        p2 = given[at2 + j]
        w0 = tile[320 + j]
        w1 = tile[384 + j]
        w2 = tile[448 + j]
        v0 = w0 * s1
        v1 = p0 + v0
        v2 = v1 if v1 != v1 else max(v1, k0)
        v3 = abs(v1)
        v6 = softlog(v3)
        v7 = v2 + v6
        v8 = s0 + v7
        v9 = w1 * s1
        v10 = p1 + v9
        v11 = w2 * s1
        v12 = p2 + v11
        v13 = sigmoid(v10)
        v14 = c0 * v13
        v15 = v14 * s1
        v16 = tanh(v12)
        v17 = v15 + v16
        tile[j] = v8
        tile[64 + j] = v17
        out0[at + j] = v8
        out1[at + j] = v17


@apart
def backward_tile(tile, given, units, begin, numbers, width):
    """Gradients of one step; the weights' are added up."""
    c0 = numbers[0]
    k1 = numbers[2]
    at0 = np.uintp(0 * units + begin)
    at1 = np.uintp(1 * units + begin)
    at2 = np.uintp(2 * units + begin)
    for j in range(np.uintp(width)):
        s1 = tile[64 + j]
        p0 = given[at0 + j]
        p1 = given[at1 + j]
        p2 = given[at2 + j]
        w0 = tile[320 + j]
        w1 = tile[384 + j]
        w2 = tile[448 + j]
        g0 = tile[704 + j]
        g1 = tile[768 + j]
        v0 = w0 * s1
        v1 = p0 + v0
        v2 = w1 * s1
        v3 = p1 + v2
        v4 = w2 * s1
        v5 = p2 + v4
        v6 = sigmoid(v3)
        v7 = c0 * v6
        v8 = tanh(v5)
        v9 = v8 * v8
        v10 = k1 - v9
        v11 = g1 * v10
        v12 = g1 * v7
        v13 = g1 * s1
        v14 = v13 * c0
        v15 = k1 - v6
        v16 = v6 * v15
        v17 = v14 * v16
        v18 = v11 * w2
        v19 = v11 * s1
        v20 = v12 + v18
        v21 = v17 * w1
        v22 = v17 * s1
        v23 = v20 + v21
        v27s = sigmoid(v1)
        v27 = g0 * v27s
        v28 = v27 * w0
        v29 = v27 * s1
        v30 = v23 + v28
        tile[704 + j] = g0
        tile[768 + j] = v30
        tile[128 + j] = v27
        tile[192 + j] = v17
        tile[256 + j] = v11
        tile[512 + j] += v29
        tile[576 + j] += v22
        tile[640 + j] += v19


@apart
def decode_tile(tile, readouts, units, begin, numbers, width):
    """What is read of the states."""
    at0 = np.uintp(0 * units + begin)
    at1 = np.uintp(1 * units + begin)
    for j in range(np.uintp(width)):
        a0 = tile[j]
        a1 = tile[64 + j]
        v0 = cos(a1)
        v1 = cos(a0)
        readouts[at0 + j] = v0
        readouts[at1 + j] = v1


@apart
def decode_backward_tile(tile, gradient, out0, out1, units, begin, numbers, width):
    """The readouts' gradients, added to those of the states."""
    at = np.uintp(begin)
    at0 = np.uintp(0 * units + begin)
    at1 = np.uintp(1 * units + begin)
    for j in range(np.uintp(width)):
        a0 = out0[at + j]
        a1 = out1[at + j]
        q0 = gradient[at0 + j]
        q1 = gradient[at1 + j]
        v0 = sin(a0)
        v1 = -v0
        v2 = q1 * v1
        v3 = sin(a1)
        v4 = -v3
        v5 = q0 * v4
        tile[704 + j] += v2
        tile[768 + j] += v5


@part
def forward_rows(projected, weights, initial0, initial1, numbers, out0, out1, readouts, scratch, first, last):
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
        initial1_r = r if initial1.shape[0] > 1 else 0
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 320, weights[weights_r, 0], begin, width)
            copy(tile, 384, weights[weights_r, 1], begin, width)
            copy(tile, 448, weights[weights_r, 2], begin, width)
            copy(tile, 0, initial0[initial0_r, b], begin, width)
            copy(tile, 64, initial1[initial1_r, b], begin, width)
        for t in range(steps):
            for slot in range(tiles * rows):
                k, b = slot % tiles, begin_row + slot // tiles
                tile, begin = scratch[slot], k * LANES
                width = min(LANES, units - begin)
                given = projected[projected_r, t, b]
                following = projected[projected_r, min(t + 1, steps - 1), b]
                soon(following, 0 * units + begin, width)
                soon(following, 1 * units + begin, width)
                soon(following, 2 * units + begin, width)
                forward_tile(tile, given, out0[r, t, b], out1[r, t, b], units, begin, numbers, width)
                soon(out0[r, min(t + 1, steps - 1), b], begin, width)
                soon(out1[r, min(t + 1, steps - 1), b], begin, width)
                if readouts.size:
                    decode_tile(tile, readouts[r, t, b], units, begin, numbers, width)
                    soon(readouts[r, min(t + 1, steps - 1), b], 0 * units + begin, width)
                    soon(readouts[r, min(t + 1, steps - 1), b], 1 * units + begin, width)
        group += rows


@kernel
def forward(projected, weights, initial0, initial1, numbers, out0, out1, readouts, first, last):
    """See forward_rows."""
    tiles = max(1, (out0.shape[3] + LANES - 1) // LANES)
    slots = tiles * max(1, min(8 // tiles, last - first))
    scratch = aligned(slots, 8 * LANES, out0)
    forward_rows(projected, weights, initial0, initial1, numbers, out0, out1, readouts, scratch, first, last)


@part
def backward_rows(projected, weights, initial0, initial1, out0, out1, gradient0, gradient1, final0, final1, gradient, numbers, to_projected, to_weights, to_initial0, to_initial1, scratch, first, last):
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
        initial1_r = r if initial1.shape[0] > 1 else 0
        out0_r = r if out0.shape[0] > 1 else 0
        out1_r = r if out1.shape[0] > 1 else 0
        gradient0_r = r if gradient0.shape[0] > 1 else 0
        gradient1_r = r if gradient1.shape[0] > 1 else 0
        final0_r = r if final0.shape[0] > 1 else 0
        final1_r = r if final1.shape[0] > 1 else 0
        gradient_r = r if gradient.shape[0] > 1 else 0
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 320, weights[weights_r, 0], begin, width)
            copy(tile, 384, weights[weights_r, 1], begin, width)
            copy(tile, 448, weights[weights_r, 2], begin, width)
            tile[512 :] = 0
            if final0.size:
                copy(tile, 704, final0[final0_r, b], begin, width)
            if final1.size:
                copy(tile, 768, final1[final1_r, b], begin, width)
        for back in range(steps):
            for slot in range(tiles * rows):
                k, b = slot % tiles, begin_row + slot // tiles
                tile, begin = scratch[slot], k * LANES
                width = min(LANES, units - begin)
                t = steps - 1 - back
                given = projected[projected_r, t, b]
                following = projected[projected_r, max(t - 1, 0), b]
                if gradient.size:
                    decode_backward_tile(tile, gradient[gradient_r, t, b], out0[out0_r, t, b], out1[out1_r, t, b], units, begin, numbers, width)
                    soon(out0[out0_r, max(t - 1, 0), b], begin, width)
                    soon(gradient[gradient_r, max(t - 1, 0), b], 0 * units + begin, width)
                    soon(gradient[gradient_r, max(t - 1, 0), b], 1 * units + begin, width)
                soon(following, 0 * units + begin, width)
                soon(following, 1 * units + begin, width)
                soon(following, 2 * units + begin, width)
                if t > 0:
                    copy(tile, 64, out1[out1_r, t - 1, b], begin, width)
                    soon(out1[out1_r, max(t - 2, 0), b], begin, width)
                else:
                    copy(tile, 64, initial1[initial1_r, b], begin, width)
                if gradient0.size:
                    add(tile, 704, gradient0[gradient0_r, t, b], begin, width)
                    soon(gradient0[gradient0_r, max(t - 1, 0), b], begin, width)
                if gradient1.size:
                    add(tile, 768, gradient1[gradient1_r, t, b], begin, width)
                    soon(gradient1[gradient1_r, max(t - 1, 0), b], begin, width)
                backward_tile(tile, given, units, begin, numbers, width)
                if to_projected.size:
                    copy(to_projected[r, t, b], 0 * units + begin, tile, 128, width)
                    copy(to_projected[r, t, b], 1 * units + begin, tile, 192, width)
                    copy(to_projected[r, t, b], 2 * units + begin, tile, 256, width)
                    soon(to_projected[r, max(t - 1, 0), b], 0 * units + begin, width)
                    soon(to_projected[r, max(t - 1, 0), b], 1 * units + begin, width)
                    soon(to_projected[r, max(t - 1, 0), b], 2 * units + begin, width)
        for slot in range(tiles * rows):
            k, b = slot % tiles, begin_row + slot // tiles
            tile, begin = scratch[slot], k * LANES
            width = min(LANES, units - begin)
            if to_weights.size:
                copy(to_weights[r, b, 0], begin, tile, 512, width)
                copy(to_weights[r, b, 1], begin, tile, 576, width)
                copy(to_weights[r, b, 2], begin, tile, 640, width)
            copy(to_initial0[r, b], begin, tile, 704, width)
            copy(to_initial1[r, b], begin, tile, 768, width)
        group += rows


@kernel
def backward(projected, weights, initial0, initial1, out0, out1, gradient0, gradient1, final0, final1, gradient, numbers, to_projected, to_weights, to_initial0, to_initial1, first, last):
    """See backward_rows."""
    tiles = max(1, (out0.shape[3] + LANES - 1) // LANES)
    slots = tiles * max(1, min(8 // tiles, last - first))
    scratch = aligned(slots, 13 * LANES, out0)
    backward_rows(projected, weights, initial0, initial1, out0, out1, gradient0, gradient1, final0, final1, gradient, numbers, to_projected, to_weights, to_initial0, to_initial1, scratch, first, last)
