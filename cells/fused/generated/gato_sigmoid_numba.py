"""Generated from the step 'gato_sigmoid'; do not edit: `python -m cells.fused` writes it anew."""

# with numba_math and numba_tiles as of 134380159b39
import math

import numpy as np
from numba import njit

from cells.fused.numba_math import FAST, exp, sigmoid, sign, softlog, tanh
from cells.fused.numba_tiles import add, copy

LANES = 64
NUMBERS = (0.0, 1.0,)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def forward_tile(tile, numbers, width):
    """One step of ``width`` units, in place."""
    c0 = numbers[0]
    k0 = numbers[1]
    k1 = numbers[2]
    for j in range(width):
        s0 = tile[j]
        s1 = tile[64 + j]
        p0 = tile[128 + j]
        p1 = tile[192 + j]
        p2 = tile[256 + j]
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


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def backward_tile(tile, numbers, width):
    """Gradients of one step, in place of inputs and of the state's gradients; the weights' are added up."""
    c0 = numbers[0]
    k0 = numbers[1]
    k1 = numbers[2]
    for j in range(width):
        s1 = tile[64 + j]
        p0 = tile[128 + j]
        p1 = tile[192 + j]
        p2 = tile[256 + j]
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


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def forward(projected, weights, numbers, initial0, initial1, out0, out1, first, last):
    """Rows ``first`` to ``last`` of replicates times batch, all steps."""
    replicates, steps, batch, units = out0.shape
    tiles = (units + LANES - 1) // LANES
    scratch = np.zeros((tiles, 8 * LANES), projected.dtype)
    for row in range(first, last):
        r, b = row // batch, row % batch
        projected_r = r if projected.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        initial0_r = r if initial0.shape[0] > 1 else 0
        initial1_r = r if initial1.shape[0] > 1 else 0
        for k in range(tiles):
            tile, begin = scratch[k], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 320, weights[weights_r, 0], begin, width)
            copy(tile, 384, weights[weights_r, 1], begin, width)
            copy(tile, 448, weights[weights_r, 2], begin, width)
            copy(tile, 0, initial0[initial0_r, b], begin, width)
            copy(tile, 64, initial1[initial1_r, b], begin, width)
        for t in range(steps):
            given = projected[projected_r, t, b]
            for k in range(tiles):
                tile, begin = scratch[k], k * LANES
                width = min(LANES, units - begin)
                copy(tile, 128, given, 0 * units + begin, width)
                copy(tile, 192, given, 1 * units + begin, width)
                copy(tile, 256, given, 2 * units + begin, width)
                forward_tile(tile, numbers, width)
                copy(out0[r, t, b], begin, tile, 0, width)
                copy(out1[r, t, b], begin, tile, 64, width)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def backward(projected, weights, numbers, initial0, initial1, out0, out1, gradient0, gradient1, to_projected, to_weights, to_initial0, to_initial1, first, last):
    """The gradients of those rows; a gradient of size 0 stands for zeros."""
    replicates, steps, batch, inputs = to_projected.shape
    units = inputs // 3
    tiles = (units + LANES - 1) // LANES
    scratch = np.zeros((tiles, 13 * LANES), projected.dtype)
    for row in range(first, last):
        r, b = row // batch, row % batch
        projected_r = r if projected.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        initial0_r = r if initial0.shape[0] > 1 else 0
        initial1_r = r if initial1.shape[0] > 1 else 0
        out0_r = r if out0.shape[0] > 1 else 0
        out1_r = r if out1.shape[0] > 1 else 0
        gradient0_r = r if gradient0.shape[0] > 1 else 0
        gradient1_r = r if gradient1.shape[0] > 1 else 0
        for k in range(tiles):
            tile, begin = scratch[k], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 320, weights[weights_r, 0], begin, width)
            copy(tile, 384, weights[weights_r, 1], begin, width)
            copy(tile, 448, weights[weights_r, 2], begin, width)
            tile[512 :] = 0
        for back in range(steps):
            t = steps - 1 - back
            given = projected[projected_r, t, b]
            for k in range(tiles):
                tile, begin = scratch[k], k * LANES
                width = min(LANES, units - begin)
                copy(tile, 128, given, 0 * units + begin, width)
                copy(tile, 192, given, 1 * units + begin, width)
                copy(tile, 256, given, 2 * units + begin, width)
                if t > 0:
                    copy(tile, 64, out1[out1_r, t - 1, b], begin, width)
                else:
                    copy(tile, 64, initial1[initial1_r, b], begin, width)
                if gradient0.size:
                    add(tile, 704, gradient0[gradient0_r, t, b], begin, width)
                if gradient1.size:
                    add(tile, 768, gradient1[gradient1_r, t, b], begin, width)
                backward_tile(tile, numbers, width)
                copy(to_projected[r, t, b], 0 * units + begin, tile, 128, width)
                copy(to_projected[r, t, b], 1 * units + begin, tile, 192, width)
                copy(to_projected[r, t, b], 2 * units + begin, tile, 256, width)
        for k in range(tiles):
            tile, begin = scratch[k], k * LANES
            width = min(LANES, units - begin)
            copy(to_weights[r, b, 0], begin, tile, 512, width)
            copy(to_weights[r, b, 1], begin, tile, 576, width)
            copy(to_weights[r, b, 2], begin, tile, 640, width)
            copy(to_initial0[r, b], begin, tile, 704, width)
            copy(to_initial1[r, b], begin, tile, 768, width)
