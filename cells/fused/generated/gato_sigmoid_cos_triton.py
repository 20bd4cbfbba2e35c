"""Generated from the step 'gato_sigmoid_cos'; do not edit: `python -m cells.fused` writes it anew."""

import triton
import triton.language as tl

from cells.fused.triton_math import cos, larger, log1p, sigmoid, sign, sin, smaller, softlog, tanh

FORWARD_LOADS = 3
BACKWARD_LOADS = 9


# not compiled anew for every size
@triton.jit(do_not_specialize=['projected_r', 'weights_r', 'initial0_r', 'initial1_r', 'steps', 'batch', 'units', 'lanes'])
def forward(projected, weights, initial0, initial1, out0, out1, readouts, c0: tl.float64, projected_r, weights_r, initial0_r, initial1_r, steps, batch, units, lanes, READ: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr):
    """The states after every step, of BLOCK lanes per program."""
    dtype = projected.dtype.element_ty
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    row, j = lane // units, lane % units
    b = row % batch
    r = tl.cast(row // batch, tl.int64)
    row_size = batch * units
    wide = 3 * row_size
    c0 = tl.full((BLOCK,), c0, dtype)
    k0 = tl.full((BLOCK,), 0.0, dtype)
    k1 = tl.full((BLOCK,), 1.0, dtype)
    w0 = tl.load(weights + r * weights_r + 0 * units + j, live, other=0.0)
    w1 = tl.load(weights + r * weights_r + 1 * units + j, live, other=0.0)
    w2 = tl.load(weights + r * weights_r + 2 * units + j, live, other=0.0)
    s0 = tl.load(initial0 + r * initial0_r + b * units + j, live, other=0.0)
    s1 = tl.load(initial1 + r * initial1_r + b * units + j, live, other=0.0)
    at = r * projected_r + b * 3 * units + j
    to = r * steps * row_size + b * units + j
    read = r * steps * 2 * row_size + b * 2 * units + j
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
            v0 = w0 * s1
            v1 = p0 + v0
            v2 = larger(v1, k0)
            v3 = tl.abs(v1)
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
            n0 = v8
            n1 = v17
            there = live & (time + i < steps)
            tl.store(out0 + to + (time + i) * row_size, n0, there)
            tl.store(out1 + to + (time + i) * row_size, n1, there)
            if READ:
                a0 = n0
                a1 = n1
                v0 = cos(a1)
                v1 = cos(a0)
                tl.store(readouts + read + ((time + i) * 2 * row_size + 0 * units), v0, there)
                tl.store(readouts + read + ((time + i) * 2 * row_size + 1 * units), v1, there)
            s0 = n0
            s1 = n1
        queue_p0 = next_p0
        queue_p1 = next_p1
        queue_p2 = next_p2


@triton.jit(do_not_specialize=['projected_r', 'weights_r', 'initial0_r', 'initial1_r', 'states_r', 'gradients_r', 'gradient_r', 'steps', 'batch', 'units', 'lanes'])
def backward(projected, weights, initial0, initial1, out0, out1, gradient0, gradient1, final0, final1, gradient, to_projected, to_weights, to_initial0, to_initial1, c0: tl.float64, projected_r, weights_r, initial0_r, initial1_r, states_r, gradients_r, gradient_r, steps, batch, units, lanes, GIVEN0: tl.constexpr, GIVEN1: tl.constexpr, FINAL0: tl.constexpr, FINAL1: tl.constexpr, GIVEN: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr):
    """The gradients; those of results that are not GIVEN, or FINAL, are zero. The weights' are per lane."""
    dtype = projected.dtype.element_ty
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    row, j = lane // units, lane % units
    b = row % batch
    r = tl.cast(row // batch, tl.int64)
    row_size = batch * units
    wide = 3 * row_size
    c0 = tl.full((BLOCK,), c0, dtype)
    k0 = tl.full((BLOCK,), 0.0, dtype)
    k1 = tl.full((BLOCK,), 1.0, dtype)
    w0 = tl.load(weights + r * weights_r + 0 * units + j, live, other=0.0)
    w1 = tl.load(weights + r * weights_r + 1 * units + j, live, other=0.0)
    w2 = tl.load(weights + r * weights_r + 2 * units + j, live, other=0.0)
    first0 = tl.load(initial0 + r * initial0_r + b * units + j, live, other=0.0)
    first1 = tl.load(initial1 + r * initial1_r + b * units + j, live, other=0.0)
    zero = tl.full((BLOCK,), 0.0, dtype)
    carry0 = tl.load(final0 + lane, live, other=0.0) if FINAL0 else zero
    carry1 = tl.load(final1 + lane, live, other=0.0) if FINAL1 else zero
    total0 = zero
    total1 = zero
    total2 = zero
    at = r * projected_r + b * 3 * units + j
    to = r * steps * wide + b * 3 * units + j
    before = r * states_r + b * units + j
    later = r * gradients_r + b * units + j
    decoded = r * gradient_r + b * 2 * units + j
    a0 = tl.load(out0 + before + (steps - 1) * row_size, live & (steps > 0), other=0.0) if GIVEN else zero
    a1 = tl.load(out1 + before + (steps - 1) * row_size, live & (steps > 0), other=0.0) if GIVEN else zero
    time = steps - 1
    queue_p0 = ()
    queue_p1 = ()
    queue_p2 = ()
    queue_s0 = ()
    queue_s1 = ()
    queue_g0 = ()
    queue_g1 = ()
    queue_q0 = ()
    queue_q1 = ()
    for i in tl.static_range(DEPTH):
        there = live & (time - i >= 0)
        follows = live & (time - i > 0)
        queue_p0 += (tl.load(projected + at + ((time - i) * wide + 0 * units), there, other=0.0),)
        queue_p1 += (tl.load(projected + at + ((time - i) * wide + 1 * units), there, other=0.0),)
        queue_p2 += (tl.load(projected + at + ((time - i) * wide + 2 * units), there, other=0.0),)
        queue_s0 += (tl.load(out0 + before + (time - i - 1) * row_size, follows, other=first0) if GIVEN else zero,)
        queue_s1 += (tl.load(out1 + before + (time - i - 1) * row_size, follows, other=first1),)
        queue_g0 += (tl.load(gradient0 + later + (time - i) * row_size, there, other=0.0) if GIVEN0 else zero,)
        queue_g1 += (tl.load(gradient1 + later + (time - i) * row_size, there, other=0.0) if GIVEN1 else zero,)
        queue_q0 += (tl.load(gradient + decoded + ((time - i) * 2 * row_size + 0 * units), there, other=0.0) if GIVEN else zero,)
        queue_q1 += (tl.load(gradient + decoded + ((time - i) * 2 * row_size + 1 * units), there, other=0.0) if GIVEN else zero,)
    for done in range(0, steps, DEPTH):
        time = steps - 1 - done
        next_p0 = ()
        next_p1 = ()
        next_p2 = ()
        next_s0 = ()
        next_s1 = ()
        next_g0 = ()
        next_g1 = ()
        next_q0 = ()
        next_q1 = ()
        for i in tl.static_range(DEPTH):
            there = live & (time - (DEPTH + i) >= 0)
            follows = live & (time - (DEPTH + i) > 0)
            next_p0 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 0 * units), there, other=0.0),)
            next_p1 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 1 * units), there, other=0.0),)
            next_p2 += (tl.load(projected + at + ((time - (DEPTH + i)) * wide + 2 * units), there, other=0.0),)
            next_s0 += (tl.load(out0 + before + (time - (DEPTH + i) - 1) * row_size, follows, other=first0) if GIVEN else zero,)
            next_s1 += (tl.load(out1 + before + (time - (DEPTH + i) - 1) * row_size, follows, other=first1),)
            next_g0 += (tl.load(gradient0 + later + (time - (DEPTH + i)) * row_size, there, other=0.0) if GIVEN0 else zero,)
            next_g1 += (tl.load(gradient1 + later + (time - (DEPTH + i)) * row_size, there, other=0.0) if GIVEN1 else zero,)
            next_q0 += (tl.load(gradient + decoded + ((time - (DEPTH + i)) * 2 * row_size + 0 * units), there, other=0.0) if GIVEN else zero,)
            next_q1 += (tl.load(gradient + decoded + ((time - (DEPTH + i)) * 2 * row_size + 1 * units), there, other=0.0) if GIVEN else zero,)
        for i in tl.static_range(DEPTH):
            p0 = queue_p0[i]
            p1 = queue_p1[i]
            p2 = queue_p2[i]
            s0 = queue_s0[i]
            s1 = queue_s1[i]
            q0 = queue_q0[i]
            q1 = queue_q1[i]
            g0 = carry0 + queue_g0[i]
            g1 = carry1 + queue_g1[i]
            if GIVEN:
                v0 = sin(a0)
                v1 = -v0
                v2 = q1 * v1
                v3 = sin(a1)
                v4 = -v3
                v5 = q0 * v4
                g0 = g0 + v2
                g1 = g1 + v5
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
            valid = time - i >= 0
            there = live & valid
            tl.store(to_projected + to + ((time - i) * wide + 0 * units), v27, there)
            tl.store(to_projected + to + ((time - i) * wide + 1 * units), v17, there)
            tl.store(to_projected + to + ((time - i) * wide + 2 * units), v11, there)
            carry0 = tl.where(valid, g0, carry0)
            carry1 = tl.where(valid, v30, carry1)
            a0 = s0
            a1 = s1
            total0 = tl.where(valid, total0 + v29, total0)
            total1 = tl.where(valid, total1 + v22, total1)
            total2 = tl.where(valid, total2 + v19, total2)
        queue_p0 = next_p0
        queue_p1 = next_p1
        queue_p2 = next_p2
        queue_s0 = next_s0
        queue_s1 = next_s1
        queue_g0 = next_g0
        queue_g1 = next_g1
        queue_q0 = next_q0
        queue_q1 = next_q1
    tl.store(to_weights + row * (3 * units) + 0 * units + j, total0, live)
    tl.store(to_weights + row * (3 * units) + 1 * units + j, total1, live)
    tl.store(to_weights + row * (3 * units) + 2 * units + j, total2, live)
    tl.store(to_initial0 + lane, carry0, live)
    tl.store(to_initial1 + lane, carry1, live)
