"""Generated from the step 'gato_sigmoid_cos'; do not edit: `python -m cells.fused` writes it anew."""

# with numba_math, numba_circular and numba_tiles as of a44698617c00
import math

from numba import njit

from cells.fused.numba_circular import cos, sin
from cells.fused.numba_math import FAST, exp, sigmoid, sign, softlog, tanh
from cells.fused.numba_tiles import add, aligned, copy, soon

LANES = 64
NUMBERS = (0.0, 1.0,)


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
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
        v18 = cos(v17)
        v19 = cos(v8)
        tile[j] = v8
        tile[64 + j] = v17
        tile[512 + j] = v18
        tile[576 + j] = v19


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
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
        g0 = tile[960 + j]
        g1 = tile[1024 + j]
        q0 = tile[512 + j]
        q1 = tile[576 + j]
        a0 = tile[640 + j]
        a1 = tile[704 + j]
        v0 = sin(a0)
        v1 = -v0
        v2 = q1 * v1
        v3 = sin(a1)
        v4 = -v3
        v5 = q0 * v4
        v6 = g0 + v2
        v7 = g1 + v5
        v8 = w0 * s1
        v9 = p0 + v8
        v10 = w1 * s1
        v11 = p1 + v10
        v12 = w2 * s1
        v13 = p2 + v12
        v14 = sigmoid(v11)
        v15 = c0 * v14
        v16 = tanh(v13)
        v17 = v16 * v16
        v18 = k1 - v17
        v19 = v7 * v18
        v20 = v7 * v15
        v21 = v7 * s1
        v22 = v21 * c0
        v23 = k1 - v14
        v24 = v14 * v23
        v25 = v22 * v24
        v26 = v19 * w2
        v27 = v19 * s1
        v28 = v20 + v26
        v29 = v25 * w1
        v30 = v25 * s1
        v31 = v28 + v29
        v35s = sigmoid(v9)
        v35 = v6 * v35s
        v36 = v35 * w0
        v37 = v35 * s1
        v38 = v31 + v36
        tile[640 + j] = tile[j]
        tile[704 + j] = tile[64 + j]
        tile[960 + j] = v6
        tile[1024 + j] = v38
        tile[128 + j] = v35
        tile[192 + j] = v25
        tile[256 + j] = v19
        tile[768 + j] += v37
        tile[832 + j] += v30
        tile[896 + j] += v27


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def forward(projected, weights, numbers, initial0, initial1, out0, out1, readouts, first, last):
    """Rows ``first`` to ``last`` of replicates times batch, all steps."""
    replicates, steps, batch, units = out0.shape
    tiles = (units + LANES - 1) // LANES
    scratch = aligned(tiles, 10 * LANES, projected)
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
            following = projected[projected_r, min(t + 1, steps - 1), b]
            for k in range(tiles):
                tile, begin = scratch[k], k * LANES
                width = min(LANES, units - begin)
                copy(tile, 128, given, 0 * units + begin, width)
                copy(tile, 192, given, 1 * units + begin, width)
                copy(tile, 256, given, 2 * units + begin, width)
                soon(following, 0 * units + begin, width)
                soon(following, 1 * units + begin, width)
                soon(following, 2 * units + begin, width)
                forward_tile(tile, numbers, width)
                copy(out0[r, t, b], begin, tile, 0, width)
                copy(out1[r, t, b], begin, tile, 64, width)
                soon(out0[r, min(t + 1, steps - 1), b], begin, width)
                soon(out1[r, min(t + 1, steps - 1), b], begin, width)
                copy(readouts[r, t, b], 0 * units + begin, tile, 512, width)
                copy(readouts[r, t, b], 1 * units + begin, tile, 576, width)
                soon(readouts[r, min(t + 1, steps - 1), b], 0 * units + begin, width)
                soon(readouts[r, min(t + 1, steps - 1), b], 1 * units + begin, width)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def backward(projected, weights, numbers, initial0, initial1, out0, out1, gradient0, gradient1, gradient, to_projected, to_weights, to_initial0, to_initial1, first, last):
    """The gradients of those rows; one of size 0 stands for zeros, or is not wanted."""
    _, steps, batch, units = out0.shape
    tiles = (units + LANES - 1) // LANES
    scratch = aligned(tiles, 17 * LANES, projected)
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
        gradient_r = r if gradient.shape[0] > 1 else 0
        for k in range(tiles):
            tile, begin = scratch[k], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 320, weights[weights_r, 0], begin, width)
            copy(tile, 384, weights[weights_r, 1], begin, width)
            copy(tile, 448, weights[weights_r, 2], begin, width)
            tile[768 :] = 0
            if steps:
                copy(tile, 640, out0[out0_r, steps - 1, b], begin, width)
                copy(tile, 704, out1[out1_r, steps - 1, b], begin, width)
        for back in range(steps):
            t = steps - 1 - back
            given = projected[projected_r, t, b]
            following = projected[projected_r, max(t - 1, 0), b]
            for k in range(tiles):
                tile, begin = scratch[k], k * LANES
                width = min(LANES, units - begin)
                copy(tile, 128, given, 0 * units + begin, width)
                copy(tile, 192, given, 1 * units + begin, width)
                copy(tile, 256, given, 2 * units + begin, width)
                soon(following, 0 * units + begin, width)
                soon(following, 1 * units + begin, width)
                soon(following, 2 * units + begin, width)
                if t > 0:
                    copy(tile, 0, out0[out0_r, t - 1, b], begin, width)
                    copy(tile, 64, out1[out1_r, t - 1, b], begin, width)
                    soon(out0[out0_r, max(t - 2, 0), b], begin, width)
                    soon(out1[out1_r, max(t - 2, 0), b], begin, width)
                else:
                    copy(tile, 0, initial0[initial0_r, b], begin, width)
                    copy(tile, 64, initial1[initial1_r, b], begin, width)
                if gradient0.size:
                    add(tile, 960, gradient0[gradient0_r, t, b], begin, width)
                    soon(gradient0[gradient0_r, max(t - 1, 0), b], begin, width)
                if gradient1.size:
                    add(tile, 1024, gradient1[gradient1_r, t, b], begin, width)
                    soon(gradient1[gradient1_r, max(t - 1, 0), b], begin, width)
                if gradient.size:
                    copy(tile, 512, gradient[gradient_r, t, b], 0 * units + begin, width)
                    copy(tile, 576, gradient[gradient_r, t, b], 1 * units + begin, width)
                    soon(gradient[gradient_r, max(t - 1, 0), b], 0 * units + begin, width)
                    soon(gradient[gradient_r, max(t - 1, 0), b], 1 * units + begin, width)
                backward_tile(tile, numbers, width)
                if to_projected.size:
                    copy(to_projected[r, t, b], 0 * units + begin, tile, 128, width)
                    copy(to_projected[r, t, b], 1 * units + begin, tile, 192, width)
                    copy(to_projected[r, t, b], 2 * units + begin, tile, 256, width)
                    soon(to_projected[r, max(t - 1, 0), b], 0 * units + begin, width)
                    soon(to_projected[r, max(t - 1, 0), b], 1 * units + begin, width)
                    soon(to_projected[r, max(t - 1, 0), b], 2 * units + begin, width)
        for k in range(tiles):
            tile, begin = scratch[k], k * LANES
            width = min(LANES, units - begin)
            if to_weights.size:
                copy(to_weights[r, b, 0], begin, tile, 768, width)
                copy(to_weights[r, b, 1], begin, tile, 832, width)
                copy(to_weights[r, b, 2], begin, tile, 896, width)
            copy(to_initial0[r, b], begin, tile, 960, width)
            copy(to_initial1[r, b], begin, tile, 1024, width)
