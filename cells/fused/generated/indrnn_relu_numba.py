"""Generated from the step 'indrnn_relu'; do not edit: `python -m cells.fused` writes it anew."""

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
    k0 = numbers[0]
    k1 = numbers[1]
    for j in range(width):
        s0 = tile[j]
        p0 = tile[64 + j]
        w0 = tile[128 + j]
        v0 = w0 * s0
        v1 = p0 + v0
        v2 = v1 if v1 != v1 else max(v1, k0)
        tile[j] = v2


@njit(forceinline=True, fastmath=FAST, error_model="numpy")
def backward_tile(tile, numbers, width):
    """Gradients of one step, in place of inputs and of the state's gradients; the weights' are added up."""
    k0 = numbers[0]
    k1 = numbers[1]
    for j in range(width):
        s0 = tile[j]
        p0 = tile[64 + j]
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


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def forward(projected, weights, numbers, initial0, out0, first, last):
    """Rows ``first`` to ``last`` of replicates times batch, all steps."""
    replicates, steps, batch, units = out0.shape
    tiles = (units + LANES - 1) // LANES
    scratch = aligned(tiles, 3 * LANES, projected)
    for row in range(first, last):
        r, b = row // batch, row % batch
        projected_r = r if projected.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        initial0_r = r if initial0.shape[0] > 1 else 0
        for k in range(tiles):
            tile, begin = scratch[k], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 128, weights[weights_r, 0], begin, width)
            copy(tile, 0, initial0[initial0_r, b], begin, width)
        for t in range(steps):
            given = projected[projected_r, t, b]
            following = projected[projected_r, min(t + 1, steps - 1), b]
            for k in range(tiles):
                tile, begin = scratch[k], k * LANES
                width = min(LANES, units - begin)
                copy(tile, 64, given, 0 * units + begin, width)
                soon(following, 0 * units + begin, width)
                forward_tile(tile, numbers, width)
                copy(out0[r, t, b], begin, tile, 0, width)
                soon(out0[r, min(t + 1, steps - 1), b], begin, width)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def backward(projected, weights, numbers, initial0, out0, gradient0, to_projected, to_weights, to_initial0, first, last):
    """The gradients of those rows; one of size 0 stands for zeros, or is not wanted."""
    _, steps, batch, units = out0.shape
    tiles = (units + LANES - 1) // LANES
    scratch = aligned(tiles, 5 * LANES, projected)
    for row in range(first, last):
        r, b = row // batch, row % batch
        projected_r = r if projected.shape[0] > 1 else 0
        weights_r = r if weights.shape[0] > 1 else 0
        initial0_r = r if initial0.shape[0] > 1 else 0
        out0_r = r if out0.shape[0] > 1 else 0
        gradient0_r = r if gradient0.shape[0] > 1 else 0
        for k in range(tiles):
            tile, begin = scratch[k], k * LANES
            width = min(LANES, units - begin)
            copy(tile, 128, weights[weights_r, 0], begin, width)
            tile[192 :] = 0
        for back in range(steps):
            t = steps - 1 - back
            given = projected[projected_r, t, b]
            following = projected[projected_r, max(t - 1, 0), b]
            for k in range(tiles):
                tile, begin = scratch[k], k * LANES
                width = min(LANES, units - begin)
                copy(tile, 64, given, 0 * units + begin, width)
                soon(following, 0 * units + begin, width)
                if t > 0:
                    copy(tile, 0, out0[out0_r, t - 1, b], begin, width)
                    soon(out0[out0_r, max(t - 2, 0), b], begin, width)
                else:
                    copy(tile, 0, initial0[initial0_r, b], begin, width)
                if gradient0.size:
                    add(tile, 256, gradient0[gradient0_r, t, b], begin, width)
                    soon(gradient0[gradient0_r, max(t - 1, 0), b], begin, width)
                backward_tile(tile, numbers, width)
                if to_projected.size:
                    copy(to_projected[r, t, b], 0 * units + begin, tile, 64, width)
                    soon(to_projected[r, max(t - 1, 0), b], 0 * units + begin, width)
        for k in range(tiles):
            tile, begin = scratch[k], k * LANES
            width = min(LANES, units - begin)
            if to_weights.size:
                copy(to_weights[r, b, 0], begin, tile, 192, width)
            copy(to_initial0[r, b], begin, tile, 256, width)
