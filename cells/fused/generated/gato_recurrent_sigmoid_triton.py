"""Generated from the step 'gato_recurrent_sigmoid'; do not edit: `python -m cells.fused` writes it anew."""

import triton
import triton.language as tl

from cells.fused.triton_math import cos, larger, log1p, sigmoid, sign, sin, smaller, softlog, tanh

FORWARD_LOADS = 2
BACKWARD_LOADS = 4


# not compiled anew for every size
@triton.jit(do_not_specialize=['projected_r', 'weights_r', 'initial0_r', 'steps', 'batch', 'units', 'lanes'])
def forward(projected, weights, initial0, out0, c0: tl.float64, projected_r, weights_r, initial0_r, steps, batch, units, lanes, BLOCK: tl.constexpr, DEPTH: tl.constexpr):
    """The states after every step, of BLOCK lanes per program."""
    dtype = projected.dtype.element_ty
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    row, j = lane // units, lane % units
    b = row % batch
    r = tl.cast(row // batch, tl.int64)
    row_size = batch * units
    wide = 2 * row_size
    c0 = tl.full((BLOCK,), c0, dtype)
    k0 = tl.full((BLOCK,), 1.0, dtype)
    w0 = tl.load(weights + r * weights_r + 0 * units + j, live, other=0.0)
    w1 = tl.load(weights + r * weights_r + 1 * units + j, live, other=0.0)
    s0 = tl.load(initial0 + r * initial0_r + b * units + j, live, other=0.0)
    at = r * projected_r + b * 2 * units + j
    to = r * steps * row_size + b * units + j
    time = 0
    queue_p0 = ()
    queue_p1 = ()
    for i in tl.static_range(DEPTH):
        there = live & (time + i < steps)
        queue_p0 += (tl.load(projected + at + ((time + i) * wide + 0 * units), there, other=0.0),)
        queue_p1 += (tl.load(projected + at + ((time + i) * wide + 1 * units), there, other=0.0),)
    for done in range(0, steps, DEPTH):
        time = done
        next_p0 = ()
        next_p1 = ()
        for i in tl.static_range(DEPTH):
            there = live & (time + (DEPTH + i) < steps)
            next_p0 += (tl.load(projected + at + ((time + (DEPTH + i)) * wide + 0 * units), there, other=0.0),)
            next_p1 += (tl.load(projected + at + ((time + (DEPTH + i)) * wide + 1 * units), there, other=0.0),)
        for i in tl.static_range(DEPTH):
            p0 = queue_p0[i]
            p1 = queue_p1[i]
            v0 = w0 * s0
            v1 = p0 + v0
            v2 = w1 * s0
            v3 = p1 + v2
            v4 = sigmoid(v1)
            v5 = c0 * v4
            v6 = v5 * s0
            v7 = tanh(v3)
            v8 = v6 + v7
            n0 = v8
            there = live & (time + i < steps)
            tl.store(out0 + to + (time + i) * row_size, n0, there)
            s0 = n0
        queue_p0 = next_p0
        queue_p1 = next_p1


@triton.jit(do_not_specialize=['projected_r', 'weights_r', 'initial0_r', 'states_r', 'gradients_r', 'steps', 'batch', 'units', 'lanes'])
def backward(projected, weights, initial0, out0, gradient0, final0, to_projected, to_weights, to_initial0, c0: tl.float64, projected_r, weights_r, initial0_r, states_r, gradients_r, steps, batch, units, lanes, GIVEN0: tl.constexpr, FINAL0: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr):
    """The gradients; those of results that are not GIVEN, or FINAL, are zero. The weights' are per lane."""
    dtype = projected.dtype.element_ty
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    row, j = lane // units, lane % units
    b = row % batch
    r = tl.cast(row // batch, tl.int64)
    row_size = batch * units
    wide = 2 * row_size
    c0 = tl.full((BLOCK,), c0, dtype)
    k0 = tl.full((BLOCK,), 1.0, dtype)
    w0 = tl.load(weights + r * weights_r + 0 * units + j, live, other=0.0)
    w1 = tl.load(weights + r * weights_r + 1 * units + j, live, other=0.0)
    first0 = tl.load(initial0 + r * initial0_r + b * units + j, live, other=0.0)
    zero = tl.full((BLOCK,), 0.0, dtype)
    carry0 = tl.load(final0 + lane, live, other=0.0) if FINAL0 else zero
    total0 = zero
    total1 = zero
    at = r * projected_r + b * 2 * units + j
    to = r * steps * wide + b * 2 * units + j
    before = r * states_r + b * units + j
    later = r * gradients_r + b * units + j
    time = steps - 1
    queue_p0 = ()
    queue_p1 = ()
    queue_s0 = ()
    queue_g0 = ()
    for i in tl.static_range(DEPTH):
        there = live & (time - i >= 0)
        follows = live & (time - i > 0)
        queue_p0 += (tl.load(projected + at + ((time - i) * wide + 0 * units), there, other=0.0),)
        queue_p1 += (tl.load(projected + at + ((time - i) * wide + 1 * units), there, other=0.0),)
        queue_s0 += (tl.load(out0 + before + (time - i - 1) * row_size, follows, other=first0),)
        queue_g0 += (tl.load(gradient0 + later + (time - i) * row_size, there, other=0.0) if GIVEN0 else zero,)
    for done in range(0, steps, DEPTH):
        time = steps - 1 - done
        next_p0 = ()
        next_p1 = ()
        next_s0 = ()
        next_g0 = ()
        for i in tl.static_range(DEPTH):
            there = live & (time - (DEPTH + i) >= 0)
            follows = live & (time - (DEPTH + i) > 0)
            next_p0 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 0 * units), there, other=0.0),)
            next_p1 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 1 * units), there, other=0.0),)
            next_s0 += (tl.load(out0 + before + (time - (DEPTH + i) - 1) * row_size, follows, other=first0),)
            next_g0 += (tl.load(gradient0 + later + (time - (DEPTH + i)) * row_size, there, other=0.0) if GIVEN0 else zero,)
        for i in tl.static_range(DEPTH):
            p0 = queue_p0[i]
            p1 = queue_p1[i]
            s0 = queue_s0[i]
            g0 = carry0 + queue_g0[i]
            v0 = w0 * s0
            v1 = p0 + v0
            v2 = w1 * s0
            v3 = p1 + v2
            v4 = sigmoid(v1)
            v5 = c0 * v4
            v6 = tanh(v3)
            v7 = v6 * v6
            v8 = k0 - v7
            v9 = g0 * v8
            v10 = g0 * v5
            v11 = g0 * s0
            v12 = v11 * c0
            v13 = k0 - v4
            v14 = v4 * v13
            v15 = v12 * v14
            v16 = v9 * w1
            v17 = v9 * s0
            v18 = v10 + v16
            v19 = v15 * w0
            v20 = v15 * s0
            v21 = v18 + v19
            valid = time - i >= 0
            there = live & valid
            tl.store(to_projected + to + ((time - i) * wide + 0 * units), v15, there)
            tl.store(to_projected + to + ((time - i) * wide + 1 * units), v9, there)
            carry0 = tl.where(valid, v21, carry0)
            total0 = tl.where(valid, total0 + v20, total0)
            total1 = tl.where(valid, total1 + v17, total1)
        queue_p0 = next_p0
        queue_p1 = next_p1
        queue_s0 = next_s0
        queue_g0 = next_g0
    tl.store(to_weights + row * (2 * units) + 0 * units + j, total0, live)
    tl.store(to_weights + row * (2 * units) + 1 * units + j, total1, live)
    tl.store(to_initial0 + lane, carry0, live)
