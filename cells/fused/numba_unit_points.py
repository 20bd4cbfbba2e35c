"""One tile of small ReLU networks at POINTS steps together: a weight is loaded once for all of them.

What takes the time is loads and stores, not products: one or two inputs are taken in the same pass as the
state, more of them four at a time, and only with those is the hidden layer kept for the backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cells.fused.numba_apart import apart, part, sums_apart, sums_part

LANES = 64
"""Units per tile."""
POINTS = 4
"""Steps at once; where fewer are left the last one stands for the others, with gradients of 0."""

GROUP = 4
"""Rows of the batch whose weights' gradients are added up in one place; few, so that threads find some."""

# rows of a tile's work: states that are read, outputs (then their gradients) and gradients of states, of
# every point; the memory, or its gradient; the gradient of the state after the last point
READS, OUTPUTS, BACK, HELD, AFTER, ROWS = 0, 4, 8, 12, 13, 14


@apart  # type: ignore[untyped-decorator]
def outputs(
    weights: Any,
    work: Any,
    rows: Any,
    xs: Any,
    t: int,
    hidden: int,
    width: int,
    few: bool,
    keep: bool,
) -> None:
    """From the states that are read to the outputs.

    ``rows`` hold the hidden layers before their ReLU where those are to be kept. Behind the ``weights`` lies
    a row of zeros. Flags are as in :func:`gradients`.
    """
    most, inputs = xs.shape[0] - 1, xs.shape[1]
    t1, t2, t3 = min(t + 1, most), min(t + 2, most), min(t + 3, most)
    zero = xs.dtype.type(0)
    # unsigned: a signed index might count from the end, which costs a selection per element
    step, tile = np.uintp((inputs + 3) * LANES), np.uintp(LANES)
    of_state = np.uintp(inputs * LANES)
    w, a = np.uintp(0), np.uintp(0)
    last = np.uintp(hidden * (inputs + 3) * LANES)
    lanes, out0 = np.uintp(width), np.uintp(OUTPUTS * LANES)
    a1, a2, a3 = tile, tile + tile, tile + tile + tile
    for j in range(lanes):
        bias = weights[last + j]
        work[out0 + j] = bias
        work[out0 + a1 + j] = bias
        work[out0 + a2 + j] = bias
        work[out0 + a3 + j] = bias
    # a second input where there is one, else zeros times the first
    second = 1 if inputs > 1 else 0
    x0, x1, x2, x3 = xs[t, 0], xs[t1, 0], xs[t2, 0], xs[t3, 0]
    y0, y1, y2, y3 = xs[t, second], xs[t1, second], xs[t2, second], xs[t3, second]
    q_at = tile if inputs > 1 else last + tile
    for _ in range(hidden):
        for j in range(lanes):
            p, q = weights[w + j], weights[q_at + j]
            u, bias = weights[w + of_state + j], weights[w + of_state + a1 + j]
            h0 = bias + u * work[j] + p * x0 + q * y0
            h1 = bias + u * work[a1 + j] + p * x1 + q * y1
            h2 = bias + u * work[a2 + j] + p * x2 + q * y2
            h3 = bias + u * work[a3 + j] + p * x3 + q * y3
            if few:
                v = weights[w + of_state + a2 + j]
                work[out0 + j] += v * (zero if h0 < zero else h0)
                work[out0 + a1 + j] += v * (zero if h1 < zero else h1)
                work[out0 + a2 + j] += v * (zero if h2 < zero else h2)
                work[out0 + a3 + j] += v * (zero if h3 < zero else h3)
            if not few:
                rows[a + j] = h0
                rows[a + a1 + j] = h1
                rows[a + a2 + j] = h2
                rows[a + a3 + j] = h3
        if not few:
            _more_inputs(weights, rows, xs, w, a, t, width)
            for j in range(lanes):
                v = weights[w + of_state + a2 + j]
                h0, h1 = rows[a + j], rows[a + a1 + j]
                h2, h3 = rows[a + a2 + j], rows[a + a3 + j]
                work[out0 + j] += v * (zero if h0 < zero else h0)
                work[out0 + a1 + j] += v * (zero if h1 < zero else h1)
                work[out0 + a2 + j] += v * (zero if h2 < zero else h2)
                work[out0 + a3 + j] += v * (zero if h3 < zero else h3)
        w += step
        if inputs > 1:
            q_at += step
        if keep:
            a += tile + a3


@part  # type: ignore[untyped-decorator]
def _more_inputs(weights: Any, rows: Any, xs: Any, w: Any, a: Any, t: int, width: int) -> None:
    """Add what the third input and those behind it give to one hidden number."""
    most, inputs = xs.shape[0] - 1, xs.shape[1]
    t1, t2, t3 = min(t + 1, most), min(t + 2, most), min(t + 3, most)
    lanes, tile = np.uintp(width), np.uintp(LANES)
    a1, a2, a3 = tile, tile + tile, tile + tile + tile
    d, at = 2, w + a2
    while d + 3 < inputs:
        x0, x1, x2, x3 = xs[t, d], xs[t1, d], xs[t2, d], xs[t3, d]
        y0, y1, y2, y3 = xs[t, d + 1], xs[t1, d + 1], xs[t2, d + 1], xs[t3, d + 1]
        z0, z1, z2, z3 = xs[t, d + 2], xs[t1, d + 2], xs[t2, d + 2], xs[t3, d + 2]
        q0, q1, q2, q3 = xs[t, d + 3], xs[t1, d + 3], xs[t2, d + 3], xs[t3, d + 3]
        for j in range(lanes):
            p, q = weights[at + j], weights[at + a1 + j]
            r, s = weights[at + a2 + j], weights[at + a3 + j]
            rows[a + j] += (p * x0 + q * y0) + (r * z0 + s * q0)
            rows[a + a1 + j] += (p * x1 + q * y1) + (r * z1 + s * q1)
            rows[a + a2 + j] += (p * x2 + q * y2) + (r * z2 + s * q2)
            rows[a + a3 + j] += (p * x3 + q * y3) + (r * z3 + s * q3)
        d += 4
        at += tile + a3
    while d < inputs:
        x0, x1, x2, x3 = xs[t, d], xs[t1, d], xs[t2, d], xs[t3, d]
        for j in range(lanes):
            p = weights[at + j]
            rows[a + j] += p * x0
            rows[a + a1 + j] += p * x1
            rows[a + a2 + j] += p * x2
            rows[a + a3 + j] += p * x3
        d += 1
        at += tile


@sums_apart  # type: ignore[untyped-decorator]
def gradients(  # noqa: PLR0915 - unrolled by hand
    weights: Any,
    work: Any,
    rows: Any,
    sums: Any,
    of_x: Any,
    xs: Any,
    t: int,
    hidden: int,
    width: int,
    few: bool,
    keep: bool,
) -> None:
    """From the outputs' gradients to those of the states, and to sums for :func:`finish`.

    Of what a ReLU lets through: ``of_x`` adds up its products with the inputs, two or more for every hidden
    number; ``sums``, where the weights lie, those with the states, and itself. ``rows`` hold it afterwards
    where it is to ``keep``; where inputs are more than two they do, and held what :func:`outputs` kept.
    Both flags are written out by the caller, ``few`` where there are one or two inputs: a choice that is only
    known later may stay inside the loops over units, which are then not vectorized.
    """
    most, inputs = xs.shape[0] - 1, xs.shape[1]
    t1, t2, t3 = min(t + 1, most), min(t + 2, most), min(t + 3, most)
    zero = xs.dtype.type(0)
    step, tile = np.uintp((inputs + 3) * LANES), np.uintp(LANES)
    w, a = np.uintp(0), np.uintp(0)
    last = np.uintp(hidden * (inputs + 3) * LANES)
    lanes, given, back = np.uintp(width), np.uintp(OUTPUTS * LANES), np.uintp(BACK * LANES)
    a1, a2, a3 = tile, tile + tile, tile + tile + tile
    for j in range(lanes):
        sums[last + j] += (work[given + j] + work[given + a1 + j]) + (
            work[given + a2 + j] + work[given + a3 + j]
        )
        work[back + j] = zero
        work[back + a1 + j] = zero
        work[back + a2 + j] = zero
        work[back + a3 + j] = zero
    second = 1 if inputs > 1 else 0
    q_at = tile if inputs > 1 else last + tile
    x0, x1, x2, x3 = xs[t, 0], xs[t1, 0], xs[t2, 0], xs[t3, 0]
    y0, y1, y2, y3 = xs[t, second], xs[t1, second], xs[t2, second], xs[t3, second]
    e, of_state = np.uintp(0), np.uintp(inputs * LANES)
    for _ in range(hidden):
        for j in range(lanes):
            u = weights[w + of_state + j]
            uv = u * weights[w + of_state + a2 + j]
            if few:
                p, q, bias = weights[w + j], weights[q_at + j], weights[w + of_state + a1 + j]
                h0 = bias + u * work[j] + p * x0 + q * y0
                h1 = bias + u * work[a1 + j] + p * x1 + q * y1
                h2 = bias + u * work[a2 + j] + p * x2 + q * y2
                h3 = bias + u * work[a3 + j] + p * x3 + q * y3
            else:
                h0, h1, h2, h3 = rows[a + j], rows[a + a1 + j], rows[a + a2 + j], rows[a + a3 + j]
            # what a ReLU lets through, as torch has it: all that is not at or below 0, so NaN as well
            s0 = zero if h0 <= zero else work[given + j]
            s1 = zero if h1 <= zero else work[given + a1 + j]
            s2 = zero if h2 <= zero else work[given + a2 + j]
            s3 = zero if h3 <= zero else work[given + a3 + j]
            sums[w + of_state + j] += (s0 * work[j] + s1 * work[a1 + j]) + (
                s2 * work[a2 + j] + s3 * work[a3 + j]
            )
            sums[w + of_state + a1 + j] += (s0 + s1) + (s2 + s3)
            work[back + j] += s0 * uv
            work[back + a1 + j] += s1 * uv
            work[back + a2 + j] += s2 * uv
            work[back + a3 + j] += s3 * uv
            if few:
                of_x[e + j] += (s0 * x0 + s1 * x1) + (s2 * x2 + s3 * x3)
                of_x[e + tile + j] += (s0 * y0 + s1 * y1) + (s2 * y2 + s3 * y3)
            if keep or not few:
                rows[a + j] = s0
                rows[a + a1 + j] = s1
                rows[a + a2 + j] = s2
                rows[a + a3 + j] = s3
        if not few:
            _of_inputs(rows, of_x, xs, e, a, t, width)
        e += np.uintp(max(inputs, 2) * LANES)
        w += step
        if inputs > 1:
            q_at += step
        a += tile + a3


@apart  # type: ignore[untyped-decorator]
def finish(weights: Any, sums: Any, of_x: Any, inputs: int, hidden: int, width: int) -> None:
    """From what :func:`gradients` added up to the gradients of the weights, where the weights lie.

    With m = 1 where the hidden number h = p·x + u·z + b is above 0, and g the output's gradient, that of its
    output weight v is Σ g m h = p·Σ g m x + u Σ g m z + b Σ g m: nothing else has to be added up for it.
    """
    tile, lanes = np.uintp(LANES), np.uintp(width)
    w, e = np.uintp(0), np.uintp(0)
    for _ in range(hidden):
        of_state = w + np.uintp(inputs * LANES)
        bias = of_state + tile
        out = bias + tile
        for j in range(lanes):
            sums[out + j] = (
                weights[bias + j] * sums[bias + j] + weights[of_state + j] * sums[of_state + j]
            )
        at = np.uintp(0)
        for _ in range(inputs):
            for j in range(lanes):
                found = of_x[e + at + j]
                sums[out + j] += weights[w + at + j] * found
                sums[w + at + j] = weights[out + j] * found
            at += tile
        for j in range(lanes):
            sums[bias + j] *= weights[out + j]
            sums[of_state + j] *= weights[out + j]
        e += np.uintp(max(inputs, 2) * LANES)
        w += np.uintp((inputs + 3) * LANES)


@sums_part  # type: ignore[untyped-decorator]
def _of_inputs(rows: Any, of_x: Any, xs: Any, e: Any, a: Any, t: int, width: int) -> None:
    """Add the gradients of the inputs' weights of one hidden number."""
    most, inputs = xs.shape[0] - 1, xs.shape[1]
    t1, t2, t3 = min(t + 1, most), min(t + 2, most), min(t + 3, most)
    lanes, tile = np.uintp(width), np.uintp(LANES)
    a1, a2, a3 = tile, tile + tile, tile + tile + tile
    d, at = 0, e
    while d + 1 < inputs:
        x0, x1, x2, x3 = xs[t, d], xs[t1, d], xs[t2, d], xs[t3, d]
        y0, y1, y2, y3 = xs[t, d + 1], xs[t1, d + 1], xs[t2, d + 1], xs[t3, d + 1]
        for j in range(lanes):
            s0, s1 = rows[a + j], rows[a + a1 + j]
            s2, s3 = rows[a + a2 + j], rows[a + a3 + j]
            of_x[at + j] += (s0 * x0 + s1 * x1) + (s2 * x2 + s3 * x3)
            of_x[at + tile + j] += (s0 * y0 + s1 * y1) + (s2 * y2 + s3 * y3)
        d += 2
        at += a2
    if d < inputs:
        x0, x1, x2, x3 = xs[t, d], xs[t1, d], xs[t2, d], xs[t3, d]
        for j in range(lanes):
            of_x[at + j] += (rows[a + j] * x0 + rows[a + a1 + j] * x1) + (
                rows[a + a2 + j] * x2 + rows[a + a3 + j] * x3
            )


@sums_part  # type: ignore[untyped-decorator]
def of_inputs(
    weights: Any, rows: Any, to_x: Any, t: int, points: int, hidden: int, width: int
) -> None:
    """Add the gradient of x at every point, from the slopes in ``rows``."""
    inputs = to_x.shape[1]
    zero = to_x.dtype.type(0)
    tile, lanes = np.uintp(LANES), np.uintp(width)
    w, a = np.uintp(0), np.uintp(0)
    for _ in range(hidden):
        at, out = w, w + np.uintp((inputs + 2) * LANES)
        for d in range(inputs):
            for i in range(points):
                of_point = a + np.uintp(i * LANES)
                total = zero
                for j in range(lanes):
                    total += rows[of_point + j] * (weights[at + j] * weights[out + j])
                to_x[t + i, d] += total
            at += tile
        w += np.uintp((inputs + 3) * LANES)
        a += np.uintp(POINTS * LANES)
