"""What the units of a tile read of a few inputs, W x + b, and the gradients of that, where they are at hand.

A tile's maps lie in a scratch of their own: for each of a unit's affine functions the rows of its weights,
input by input, and its bias. With few inputs that is less to read than what a product over all steps writes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cells.fused.numba_apart import apart, part, sums_apart, sums_part

LANES = 64
"""Units per tile, as :mod:`cells.fused.numba_lines` has it."""


@part  # type: ignore[untyped-decorator]
def take_maps(
    stored: Any, weight: Any, bias: Any, functions: int, units: int, begin: int, width: int
) -> None:
    """A tile's part of ``weight`` (functions · units, D) and ``bias`` (functions · units,)."""
    inputs = weight.shape[1]
    for k in range(functions):
        first, row = k * units + begin, k * (inputs + 1) * LANES
        for j in range(width):
            for d in range(inputs):
                stored[row + d * LANES + j] = weight[first + j, d]
            stored[row + inputs * LANES + j] = bias[first + j]


@part  # type: ignore[untyped-decorator]
def give_maps(
    sums: Any, to_weight: Any, to_bias: Any, functions: int, units: int, begin: int, width: int
) -> None:
    """The gradients of both, from their sums over time."""
    inputs = to_weight.shape[1]
    for k in range(functions):
        first, row = k * units + begin, k * (inputs + 1) * LANES
        for j in range(width):
            for d in range(inputs):
                to_weight[first + j, d] = sums[row + d * LANES + j]
            to_bias[first + j] = sums[row + inputs * LANES + j]


@apart  # type: ignore[untyped-decorator]
def read_inputs(tile: Any, place: int, stored: Any, x: Any, functions: int, width: int) -> None:
    """W x + b of every function, to the rows of ``tile`` from ``place``; two inputs in a pass."""
    inputs, lanes, one = x.shape[0], np.uintp(width), np.uintp(LANES)
    zero = x.dtype.type(0)
    at, to = np.uintp(0), np.uintp(place)
    for _ in range(functions):
        bias = at + np.uintp(inputs * LANES)
        x0, x1 = x[0], x[1] if inputs > 1 else zero
        second = at + one if inputs > 1 else at
        for j in range(lanes):
            tile[to + j] = stored[bias + j] + (stored[at + j] * x0 + stored[second + j] * x1)
        for d in range(2, inputs, 2):
            x0, x1 = x[d], x[d + 1] if d + 1 < inputs else zero
            first = at + np.uintp(d * LANES)
            second = first + one if d + 1 < inputs else first
            for j in range(lanes):
                tile[to + j] += stored[first + j] * x0 + stored[second + j] * x1
        at = bias + one
        to += one


@sums_apart  # type: ignore[untyped-decorator]
def add_maps(sums: Any, tile: Any, place: int, x: Any, functions: int, width: int) -> None:
    """Add to ``sums`` the gradients of the maps, from those of their values in ``tile`` from ``place``."""
    inputs, lanes, one = x.shape[0], np.uintp(width), np.uintp(LANES)
    at, of = np.uintp(0), np.uintp(place)
    for _ in range(functions):
        bias = at + np.uintp(inputs * LANES)
        x0 = x[0]
        for j in range(lanes):
            given = tile[of + j]
            sums[at + j] += given * x0
            sums[bias + j] += given
        for d in range(1, inputs - 1, 2):
            x0, x1 = x[d], x[d + 1]
            first = at + np.uintp(d * LANES)
            second = first + one
            for j in range(lanes):
                given = tile[of + j]
                sums[first + j] += given * x0
                sums[second + j] += given * x1
        if inputs % 2 == 0:
            x0, last = x[inputs - 1], bias - one
            for j in range(lanes):
                sums[last + j] += tile[of + j] * x0
        at = bias + one
        of += one


@sums_part  # type: ignore[untyped-decorator]
def add_to_inputs(
    to_x: Any, stored: Any, tile: Any, place: int, functions: int, width: int
) -> None:
    """Add the gradient of x, from those of the values in ``tile`` from ``place``."""
    inputs, lanes, one = to_x.shape[0], np.uintp(width), np.uintp(LANES)
    zero = to_x.dtype.type(0)
    at, of = np.uintp(0), np.uintp(place)
    for _ in range(functions):
        for d in range(inputs):
            total = zero
            for j in range(lanes):
                total += stored[at + j] * tile[of + j]
            to_x[d] += total
            at += one
        at += one
        of += one
