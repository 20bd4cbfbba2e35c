"""Generated from the step 'lstm'; do not edit: `python -m cells.fused` writes it anew."""

import triton
import triton.language as tl

from cells.fused.triton_math import cos, larger, log1p, sigmoid, sign, sin, smaller, softlog, tanh

FORWARD_LOADS = 4
BACKWARD_LOADS = 8


# not compiled anew for every size
@triton.jit(do_not_specialize=['projected_r', 'weights_r', 'initial0_r', 'initial1_r', 'steps', 'batch', 'units', 'lanes'])
def forward(projected, weights, initial0, initial1, out0, out1, c0: tl.float64, projected_r, weights_r, initial0_r, initial1_r, steps, batch, units, lanes, BLOCK: tl.constexpr, DEPTH: tl.constexpr):
    """The states after every step, of BLOCK lanes per program."""
    dtype = projected.dtype.element_ty
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    row, j = lane // units, lane % units
    b = row % batch
    r = tl.cast(row // batch, tl.int64)
    row_size = batch * units
    wide = 4 * row_size
    c0 = tl.full((BLOCK,), c0, dtype)
    k0 = tl.full((BLOCK,), 1.0, dtype)
    w0 = tl.load(weights + r * weights_r + 0 * units + j, live, other=0.0)
    w1 = tl.load(weights + r * weights_r + 1 * units + j, live, other=0.0)
    w2 = tl.load(weights + r * weights_r + 2 * units + j, live, other=0.0)
    w3 = tl.load(weights + r * weights_r + 3 * units + j, live, other=0.0)
    s0 = tl.load(initial0 + r * initial0_r + b * units + j, live, other=0.0)
    s1 = tl.load(initial1 + r * initial1_r + b * units + j, live, other=0.0)
    at = r * projected_r + b * 4 * units + j
    to = r * steps * row_size + b * units + j
    time = 0
    queue_p0 = ()
    queue_p1 = ()
    queue_p2 = ()
    queue_p3 = ()
    for i in tl.static_range(DEPTH):
        there = live & (time + i < steps)
        queue_p0 += (tl.load(projected + at + ((time + i) * wide + 0 * units), there, other=0.0),)
        queue_p1 += (tl.load(projected + at + ((time + i) * wide + 1 * units), there, other=0.0),)
        queue_p2 += (tl.load(projected + at + ((time + i) * wide + 2 * units), there, other=0.0),)
        queue_p3 += (tl.load(projected + at + ((time + i) * wide + 3 * units), there, other=0.0),)
    for done in range(0, steps, DEPTH):
        time = done
        next_p0 = ()
        next_p1 = ()
        next_p2 = ()
        next_p3 = ()
        for i in tl.static_range(DEPTH):
            there = live & (time + (DEPTH + i) < steps)
            next_p0 += (tl.load(projected + at + ((time + (DEPTH + i)) * wide + 0 * units), there, other=0.0),)
            next_p1 += (tl.load(projected + at + ((time + (DEPTH + i)) * wide + 1 * units), there, other=0.0),)
            next_p2 += (tl.load(projected + at + ((time + (DEPTH + i)) * wide + 2 * units), there, other=0.0),)
            next_p3 += (tl.load(projected + at + ((time + (DEPTH + i)) * wide + 3 * units), there, other=0.0),)
        for i in tl.static_range(DEPTH):
            p0 = queue_p0[i]
            p1 = queue_p1[i]
            p2 = queue_p2[i]
            p3 = queue_p3[i]
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
            n0 = v17
            n1 = v14
            there = live & (time + i < steps)
            tl.store(out0 + to + (time + i) * row_size, n0, there)
            tl.store(out1 + to + (time + i) * row_size, n1, there)
            s0 = n0
            s1 = n1
        queue_p0 = next_p0
        queue_p1 = next_p1
        queue_p2 = next_p2
        queue_p3 = next_p3


@triton.jit(do_not_specialize=['projected_r', 'weights_r', 'initial0_r', 'initial1_r', 'states_r', 'gradients_r', 'steps', 'batch', 'units', 'lanes'])
def backward(projected, weights, initial0, initial1, out0, out1, gradient0, gradient1, final0, final1, to_projected, to_weights, to_initial0, to_initial1, c0: tl.float64, projected_r, weights_r, initial0_r, initial1_r, states_r, gradients_r, steps, batch, units, lanes, GIVEN0: tl.constexpr, GIVEN1: tl.constexpr, FINAL0: tl.constexpr, FINAL1: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr):
    """The gradients; those of results that are not GIVEN, or FINAL, are zero. The weights' are per lane."""
    dtype = projected.dtype.element_ty
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    row, j = lane // units, lane % units
    b = row % batch
    r = tl.cast(row // batch, tl.int64)
    row_size = batch * units
    wide = 4 * row_size
    c0 = tl.full((BLOCK,), c0, dtype)
    k0 = tl.full((BLOCK,), 1.0, dtype)
    w0 = tl.load(weights + r * weights_r + 0 * units + j, live, other=0.0)
    w1 = tl.load(weights + r * weights_r + 1 * units + j, live, other=0.0)
    w2 = tl.load(weights + r * weights_r + 2 * units + j, live, other=0.0)
    w3 = tl.load(weights + r * weights_r + 3 * units + j, live, other=0.0)
    first0 = tl.load(initial0 + r * initial0_r + b * units + j, live, other=0.0)
    first1 = tl.load(initial1 + r * initial1_r + b * units + j, live, other=0.0)
    zero = tl.full((BLOCK,), 0.0, dtype)
    carry0 = tl.load(final0 + lane, live, other=0.0) if FINAL0 else zero
    carry1 = tl.load(final1 + lane, live, other=0.0) if FINAL1 else zero
    total0 = zero
    total1 = zero
    total2 = zero
    total3 = zero
    at = r * projected_r + b * 4 * units + j
    to = r * steps * wide + b * 4 * units + j
    before = r * states_r + b * units + j
    later = r * gradients_r + b * units + j
    time = steps - 1
    queue_p0 = ()
    queue_p1 = ()
    queue_p2 = ()
    queue_p3 = ()
    queue_s0 = ()
    queue_s1 = ()
    queue_g0 = ()
    queue_g1 = ()
    for i in tl.static_range(DEPTH):
        there = live & (time - i >= 0)
        follows = live & (time - i > 0)
        queue_p0 += (tl.load(projected + at + ((time - i) * wide + 0 * units), there, other=0.0),)
        queue_p1 += (tl.load(projected + at + ((time - i) * wide + 1 * units), there, other=0.0),)
        queue_p2 += (tl.load(projected + at + ((time - i) * wide + 2 * units), there, other=0.0),)
        queue_p3 += (tl.load(projected + at + ((time - i) * wide + 3 * units), there, other=0.0),)
        queue_s0 += (tl.load(out0 + before + (time - i - 1) * row_size, follows, other=first0),)
        queue_s1 += (tl.load(out1 + before + (time - i - 1) * row_size, follows, other=first1),)
        queue_g0 += (tl.load(gradient0 + later + (time - i) * row_size, there, other=0.0) if GIVEN0 else zero,)
        queue_g1 += (tl.load(gradient1 + later + (time - i) * row_size, there, other=0.0) if GIVEN1 else zero,)
    for done in range(0, steps, DEPTH):
        time = steps - 1 - done
        next_p0 = ()
        next_p1 = ()
        next_p2 = ()
        next_p3 = ()
        next_s0 = ()
        next_s1 = ()
        next_g0 = ()
        next_g1 = ()
        for i in tl.static_range(DEPTH):
            there = live & (time - (DEPTH + i) >= 0)
            follows = live & (time - (DEPTH + i) > 0)
            next_p0 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 0 * units), there, other=0.0),)
            next_p1 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 1 * units), there, other=0.0),)
            next_p2 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 2 * units), there, other=0.0),)
            next_p3 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 3 * units), there, other=0.0),)
            next_s0 += (tl.load(out0 + before + (time - (DEPTH + i) - 1) * row_size, follows, other=first0),)
            next_s1 += (tl.load(out1 + before + (time - (DEPTH + i) - 1) * row_size, follows, other=first1),)
            next_g0 += (tl.load(gradient0 + later + (time - (DEPTH + i)) * row_size, there, other=0.0) if GIVEN0 else zero,)
            next_g1 += (tl.load(gradient1 + later + (time - (DEPTH + i)) * row_size, there, other=0.0) if GIVEN1 else zero,)
        for i in tl.static_range(DEPTH):
            p0 = queue_p0[i]
            p1 = queue_p1[i]
            p2 = queue_p2[i]
            p3 = queue_p3[i]
            s0 = queue_s0[i]
            s1 = queue_s1[i]
            g0 = carry0 + queue_g0[i]
            g1 = carry1 + queue_g1[i]
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
            v20 = k0 - v19
            v21 = v17 * v20
            v22 = g1 + v21
            v23 = k0 - v15
            v24 = v15 * v23
            v25 = v18 * v24
            v26 = v22 * v11
            v27 = v22 * v12
            v28 = v12 * v12
            v29 = k0 - v28
            v30 = v26 * v29
            v31 = k0 - v11
            v32 = v11 * v31
            v33 = v27 * v32
            v34 = v22 * v9
            v35 = v22 * s1
            v36 = k0 - v9
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
            valid = time - i >= 0
            there = live & valid
            tl.store(to_projected + to + ((time - i) * wide + 0 * units), v33, there)
            tl.store(to_projected + to + ((time - i) * wide + 1 * units), v38, there)
            tl.store(to_projected + to + ((time - i) * wide + 2 * units), v30, there)
            tl.store(to_projected + to + ((time - i) * wide + 3 * units), v25, there)
            carry0 = tl.where(valid, v49, carry0)
            carry1 = tl.where(valid, v34, carry1)
            total0 = tl.where(valid, total0 + v48, total0)
            total1 = tl.where(valid, total1 + v45, total1)
            total2 = tl.where(valid, total2 + v42, total2)
            total3 = tl.where(valid, total3 + v40, total3)
        queue_p0 = next_p0
        queue_p1 = next_p1
        queue_p2 = next_p2
        queue_p3 = next_p3
        queue_s0 = next_s0
        queue_s1 = next_s1
        queue_g0 = next_g0
        queue_g1 = next_g1
    tl.store(to_weights + row * (4 * units) + 0 * units + j, total0, live)
    tl.store(to_weights + row * (4 * units) + 1 * units + j, total1, live)
    tl.store(to_weights + row * (4 * units) + 2 * units + j, total2, live)
    tl.store(to_weights + row * (4 * units) + 3 * units + j, total3, live)
    tl.store(to_initial0 + lane, carry0, live)
    tl.store(to_initial1 + lane, carry1, live)
