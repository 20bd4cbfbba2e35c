"""Generated from the step 'gru_reset_after'; do not edit: `python -m cells.fused` writes it anew."""

import triton
import triton.language as tl

from cells.fused.triton_math import cos, larger, log1p, sigmoid, sign, sin, smaller, softlog, tanh

FORWARD_LOADS = 3
BACKWARD_LOADS = 5


# not compiled anew for every size
@triton.jit(do_not_specialize=['projected_r', 'weights_r', 'initial0_r', 'steps', 'batch', 'units', 'lanes'])
def forward(projected, weights, initial0, out0, projected_r, weights_r, initial0_r, steps, batch, units, lanes, BLOCK: tl.constexpr, DEPTH: tl.constexpr):
    """The states after every step, of BLOCK lanes per program."""
    dtype = projected.dtype.element_ty
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    row, j = lane // units, lane % units
    b = row % batch
    r = tl.cast(row // batch, tl.int64)
    row_size = batch * units
    wide = 3 * row_size
    k0 = tl.full((BLOCK,), 1.0, dtype)
    w0 = tl.load(weights + r * weights_r + 0 * units + j, live, other=0.0)
    w1 = tl.load(weights + r * weights_r + 1 * units + j, live, other=0.0)
    w2 = tl.load(weights + r * weights_r + 2 * units + j, live, other=0.0)
    w3 = tl.load(weights + r * weights_r + 3 * units + j, live, other=0.0)
    s0 = tl.load(initial0 + r * initial0_r + b * units + j, live, other=0.0)
    at = r * projected_r + b * 3 * units + j
    to = r * steps * row_size + b * units + j
    time = 0
    queue_p0 = ()
    queue_p1 = ()
    queue_p2 = ()
    for i in tl.static_range(DEPTH):
        there = live & (time + i < steps)
        queue_p0 += (tl.load(projected + at + ((time + i) * wide + 0 * units), there, other=0.0),)
        queue_p1 += (tl.load(projected + at + ((time + i) * wide + 1 * units), there, other=0.0),)
        queue_p2 += (tl.load(projected + at + ((time + i) * wide + 2 * units), there, other=0.0),)
    for done in range(0, steps, DEPTH):
        time = done
        next_p0 = ()
        next_p1 = ()
        next_p2 = ()
        for i in tl.static_range(DEPTH):
            there = live & (time + (DEPTH + i) < steps)
            next_p0 += (tl.load(projected + at + ((time + (DEPTH + i)) * wide + 0 * units), there, other=0.0),)
            next_p1 += (tl.load(projected + at + ((time + (DEPTH + i)) * wide + 1 * units), there, other=0.0),)
            next_p2 += (tl.load(projected + at + ((time + (DEPTH + i)) * wide + 2 * units), there, other=0.0),)
        for i in tl.static_range(DEPTH):
            p0 = queue_p0[i]
            p1 = queue_p1[i]
            p2 = queue_p2[i]
            v0 = w0 * s0
            v1 = p0 + v0
            v2 = sigmoid(v1)
            v3 = w1 * s0
            v4 = p1 + v3
            v5 = w2 * s0
            v6 = v5 + w3
            v7 = v2 * v6
            v8 = sigmoid(v4)
            v9 = -v4
            v10 = sigmoid(v9)
            v11 = v8 * s0
            v12 = p2 + v7
            v13 = tanh(v12)
            v14 = v10 * v13
            v15 = v11 + v14
            n0 = v15
            there = live & (time + i < steps)
            tl.store(out0 + to + (time + i) * row_size, n0, there)
            s0 = n0
        queue_p0 = next_p0
        queue_p1 = next_p1
        queue_p2 = next_p2


@triton.jit(do_not_specialize=['projected_r', 'weights_r', 'initial0_r', 'states_r', 'gradients_r', 'steps', 'batch', 'units', 'lanes'])
def backward(projected, weights, initial0, out0, gradient0, final0, to_projected, to_weights, to_initial0, projected_r, weights_r, initial0_r, states_r, gradients_r, steps, batch, units, lanes, GIVEN0: tl.constexpr, FINAL0: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr):
    """The gradients; those of results that are not GIVEN, or FINAL, are zero. The weights' are per lane."""
    dtype = projected.dtype.element_ty
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    row, j = lane // units, lane % units
    b = row % batch
    r = tl.cast(row // batch, tl.int64)
    row_size = batch * units
    wide = 3 * row_size
    k0 = tl.full((BLOCK,), 1.0, dtype)
    w0 = tl.load(weights + r * weights_r + 0 * units + j, live, other=0.0)
    w1 = tl.load(weights + r * weights_r + 1 * units + j, live, other=0.0)
    w2 = tl.load(weights + r * weights_r + 2 * units + j, live, other=0.0)
    w3 = tl.load(weights + r * weights_r + 3 * units + j, live, other=0.0)
    first0 = tl.load(initial0 + r * initial0_r + b * units + j, live, other=0.0)
    zero = tl.full((BLOCK,), 0.0, dtype)
    carry0 = tl.load(final0 + lane, live, other=0.0) if FINAL0 else zero
    total0 = zero
    total1 = zero
    total2 = zero
    total3 = zero
    at = r * projected_r + b * 3 * units + j
    to = r * steps * wide + b * 3 * units + j
    before = r * states_r + b * units + j
    later = r * gradients_r + b * units + j
    time = steps - 1
    queue_p0 = ()
    queue_p1 = ()
    queue_p2 = ()
    queue_s0 = ()
    queue_g0 = ()
    for i in tl.static_range(DEPTH):
        there = live & (time - i >= 0)
        follows = live & (time - i > 0)
        queue_p0 += (tl.load(projected + at + ((time - i) * wide + 0 * units), there, other=0.0),)
        queue_p1 += (tl.load(projected + at + ((time - i) * wide + 1 * units), there, other=0.0),)
        queue_p2 += (tl.load(projected + at + ((time - i) * wide + 2 * units), there, other=0.0),)
        queue_s0 += (tl.load(out0 + before + (time - i - 1) * row_size, follows, other=first0),)
        queue_g0 += (tl.load(gradient0 + later + (time - i) * row_size, there, other=0.0) if GIVEN0 else zero,)
    for done in range(0, steps, DEPTH):
        time = steps - 1 - done
        next_p0 = ()
        next_p1 = ()
        next_p2 = ()
        next_s0 = ()
        next_g0 = ()
        for i in tl.static_range(DEPTH):
            there = live & (time - (DEPTH + i) >= 0)
            follows = live & (time - (DEPTH + i) > 0)
            next_p0 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 0 * units), there, other=0.0),)
            next_p1 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 1 * units), there, other=0.0),)
            next_p2 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 2 * units), there, other=0.0),)
            next_s0 += (tl.load(out0 + before + (time - (DEPTH + i) - 1) * row_size, follows, other=first0),)
            next_g0 += (tl.load(gradient0 + later + (time - (DEPTH + i)) * row_size, there, other=0.0) if GIVEN0 else zero,)
        for i in tl.static_range(DEPTH):
            p0 = queue_p0[i]
            p1 = queue_p1[i]
            p2 = queue_p2[i]
            s0 = queue_s0[i]
            g0 = carry0 + queue_g0[i]
            v0 = w0 * s0
            v1 = p0 + v0
            v2 = sigmoid(v1)
            v3 = w1 * s0
            v4 = p1 + v3
            v5 = w2 * s0
            v6 = v5 + w3
            v7 = v2 * v6
            v8 = sigmoid(v4)
            v9 = -v4
            v10 = sigmoid(v9)
            v11 = p2 + v7
            v12 = tanh(v11)
            v13 = g0 * v10
            v14 = g0 * v12
            v15 = v12 * v12
            v16 = k0 - v15
            v17 = v13 * v16
            v18 = g0 * v8
            v19 = g0 * s0
            v20 = k0 - v10
            v21 = v10 * v20
            v22 = v14 * v21
            v23 = -v22
            v24 = k0 - v8
            v25 = v8 * v24
            v26 = v19 * v25
            v27 = v23 + v26
            v28 = v17 * v2
            v29 = v17 * v6
            v30 = v28 * w2
            v31 = v28 * s0
            v32 = v18 + v30
            v33 = v27 * w1
            v34 = v27 * s0
            v35 = v32 + v33
            v36 = k0 - v2
            v37 = v2 * v36
            v38 = v29 * v37
            v39 = v38 * w0
            v40 = v38 * s0
            v41 = v35 + v39
            valid = time - i >= 0
            there = live & valid
            tl.store(to_projected + to + ((time - i) * wide + 0 * units), v38, there)
            tl.store(to_projected + to + ((time - i) * wide + 1 * units), v27, there)
            tl.store(to_projected + to + ((time - i) * wide + 2 * units), v17, there)
            carry0 = tl.where(valid, v41, carry0)
            total0 = tl.where(valid, total0 + v40, total0)
            total1 = tl.where(valid, total1 + v34, total1)
            total2 = tl.where(valid, total2 + v31, total2)
            total3 = tl.where(valid, total3 + v28, total3)
        queue_p0 = next_p0
        queue_p1 = next_p1
        queue_p2 = next_p2
        queue_s0 = next_s0
        queue_g0 = next_g0
    tl.store(to_weights + row * (4 * units) + 0 * units + j, total0, live)
    tl.store(to_weights + row * (4 * units) + 1 * units + j, total1, live)
    tl.store(to_weights + row * (4 * units) + 2 * units + j, total2, live)
    tl.store(to_weights + row * (4 * units) + 3 * units + j, total3, live)
    tl.store(to_initial0 + lane, carry0, live)
