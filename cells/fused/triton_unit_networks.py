"""Kernels for one small ReLU network per unit, summed up over time: two-layer GATO's memory on a GPU.

Lanes are units, and a thread works on POINTS steps of one example at once. A weight is then one coalesced
load of a warp that serves POINTS networks, as one that all lanes share would be, while what is read and
written per unit stays coalesced and what is summed over steps and examples stays within a thread. Where
there are fewer units than lanes, a warp holds several examples.

A hidden layer is never written out. Its backward needs one bit of each hidden number, whether its ReLU
lets it through; with g the gradient of a network's output and z what a hidden number is the product of with
its weights (x, r and 1), everything else follows from the sums of bit times g times z.
"""

import triton
import triton.language as tl

from cells.fused.triton_math import sigmoid, softlog

LANES = tl.constexpr(32)
"""One warp a program: nothing waits for another warp, and sums over points need no exchange."""


@triton.jit
def several(value, COUNT: tl.constexpr):
    """A tuple of COUNT times ``value``."""
    every = ()
    for _ in tl.static_range(COUNT):
        every += (value,)
    return every


@triton.jit
def _before(
    row,
    x,
    at,
    kept,
    reads,
    inputs,
    UNITS: tl.constexpr,
    POINTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    WIDTH: tl.constexpr,
    KEPT: tl.constexpr,
):
    """HIDDEN numbers of every point before their ReLU, whose weights begin at ``row``."""
    before = ()
    for h in tl.static_range(HIDDEN):
        end = row + (h * (inputs + 3) + inputs) * UNITS
        of_state = tl.load(end)
        bias = tl.load(end + UNITS)
        for i in tl.static_range(POINTS):
            before += (bias + of_state * reads[i],)
    if KEPT:
        for d in tl.static_range(WIDTH):
            after = ()
            for h in tl.static_range(HIDDEN):
                weight = tl.load(row + (h * (inputs + 3) + d) * UNITS)
                for i in tl.static_range(POINTS):
                    after += (before[h * POINTS + i] + weight * kept[d * POINTS + i],)
            before = after
    else:
        for begin in range(0, inputs, WIDTH):
            for d in tl.static_range(WIDTH):
                given = ()
                for i in tl.static_range(POINTS):
                    given += (tl.load(x + at[i] + begin + d),)
                after = ()
                for h in tl.static_range(HIDDEN):
                    # constant distances where that can be
                    weight = tl.load(row + begin * UNITS + h * (inputs + 3) * UNITS + d * UNITS)
                    for i in tl.static_range(POINTS):
                        after += (before[h * POINTS + i] + weight * given[i],)
                before = after
    return before


@triton.jit
def _hidden(
    tile,
    x,
    at,
    kept,
    reads,
    outputs,
    paths,
    first,
    last,
    inputs,
    UNITS: tl.constexpr,
    POINTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    WIDTH: tl.constexpr,
    KEPT: tl.constexpr,
    BACK: tl.constexpr,
):
    """Hidden numbers ``first`` to ``last``: what they add to the outputs.

    With BACK also the weights of r that pass their ReLU, times those of the output, added to ``paths``, and
    bit by bit which ones pass.
    """
    none = several(tl.full((LANES,), 0, tl.int32), POINTS)
    bits = none
    for c in range(first, last, HIDDEN):
        # constant distances from one pointer, which no load has to compute
        row = tile + c * (inputs + 3) * UNITS
        before = _before(row, x, at, kept, reads, inputs, UNITS, POINTS, HIDDEN, WIDTH, KEPT)
        found = none
        for h in tl.static_range(HIDDEN):
            end = row + (h * (inputs + 3) + inputs) * UNITS
            out = tl.load(end + 2 * UNITS)
            path = out
            if BACK:
                path = out * tl.load(end)
            more_outputs = ()
            more_paths = ()
            more_found = ()
            for i in tl.static_range(POINTS):
                one = before[h * POINTS + i]
                shut = one <= 0.0  # not where it is NaN
                more_outputs += (outputs[i] + out * tl.where(shut, 0.0, one),)
                if BACK:
                    more_paths += (paths[i] + tl.where(shut, 0.0, path),)
                    more_found += (found[i] | tl.where(shut, 0, 1 << h),)
            outputs = more_outputs
            if BACK:
                paths = more_paths
                found = more_found
        if BACK:
            more_bits = ()
            for i in tl.static_range(POINTS):
                more_bits += (bits[i] | (found[i] << (c - first)),)
            bits = more_bits
    return outputs, paths, bits


@triton.jit
def _place(units, batch, chunks, UNITS: tl.constexpr, EXAMPLES: tl.constexpr):
    """Of this program: chunk, lanes' examples and units, tile of units, replicate. Chunks come first."""
    tiles = (units + UNITS - 1) // UNITS
    groups = (batch + EXAMPLES - 1) // EXAMPLES
    program = tl.program_id(0)
    lane = tl.arange(0, LANES)
    rest = program // chunks
    b = rest % groups * EXAMPLES + lane // UNITS
    rest = rest // groups
    tile = rest % tiles
    j = tile * UNITS + lane % UNITS
    return program % chunks, b, j, tile, tl.cast(rest // tiles, tl.int64)


@triton.jit
def _points(
    x,
    reads,
    time,
    b,
    j,
    live,
    steps,
    batch,
    units,
    inputs,
    POINTS: tl.constexpr,
    WIDTH: tl.constexpr,
    KEPT: tl.constexpr,
):
    """The steps from ``time``: where x is, x itself where it is KEPT, and r.

    Past the end stands the last step again: what comes of it is not written.
    """
    nearest = tl.where(b < batch, b, batch - 1)
    at = ()
    state = ()
    for i in tl.static_range(POINTS):
        t = tl.cast(tl.minimum(time + i, steps - 1), tl.int64)
        at += ((t * batch + nearest) * inputs,)
        state += (tl.load(reads + (t * batch + nearest) * units + j, live, other=0.0),)
    kept = ()
    if KEPT:
        for d in tl.static_range(WIDTH):
            for i in tl.static_range(POINTS):
                kept += (tl.load(x + at[i] + d),)
    return at, kept, state


# not compiled anew for every size
@triton.jit(
    do_not_specialize="x_r reads_r weights_r held_r steps batch units inputs hidden length chunks".split()
)
def forward(
    x,
    reads,
    weights,
    held,
    out,
    totals,
    x_r,
    reads_r,
    weights_r,
    held_r,
    steps,
    batch,
    units,
    inputs,
    hidden,
    length,
    chunks,
    ACCUMULATE: tl.constexpr,
    UNITS: tl.constexpr,
    EXAMPLES: tl.constexpr,
    POINTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    WIDTH: tl.constexpr,
    KEPT: tl.constexpr,
):
    """Softplus of the networks; summed up from the beginning of each chunk, whose last is its total."""
    if KEPT:
        inputs = WIDTH
    chunk, b, j, tile, r = _place(units, batch, chunks, UNITS, EXAMPLES)
    live = (b < batch) & (j < units)
    rows = hidden * (inputs + 3) + 1
    own = weights + r * weights_r + tl.cast(tile, tl.int64) * rows * UNITS + j % UNITS
    bias = tl.load(own + hidden * (inputs + 3) * UNITS)
    s = tl.load(held + r * held_r + b * units + j, live & (chunk == 0), other=0.0)
    to = out + r * steps * batch * units + b * units + j
    first = chunk * length
    for time in range(first, tl.minimum(first + length, steps), POINTS):
        at, kept, state = _points(
            x + r * x_r,
            reads + r * reads_r,
            time,
            b,
            j,
            live,
            steps,
            batch,
            units,
            inputs,
            POINTS,
            WIDTH,
            KEPT,
        )
        outputs, _, _ = _hidden(
            own,
            x + r * x_r,
            at,
            kept,
            state,
            several(bias, POINTS),
            state,
            0,
            hidden,
            inputs,
            UNITS,
            POINTS,
            HIDDEN,
            WIDTH,
            KEPT,
            BACK=False,
        )
        for i in tl.static_range(POINTS):
            f = outputs[i]
            entry = tl.where(f < 0.0, 0.0, f) + softlog(tl.abs(f))
            if ACCUMULATE:
                s += entry
            else:
                s = entry
            tl.store(to + tl.cast(time + i, tl.int64) * batch * units, s, live & (time + i < steps))
    tl.store(totals + ((r * chunks + chunk) * batch + b) * units + j, s, live & (chunks > 1))


@triton.jit(
    do_not_specialize=(
        "x_r reads_r weights_r gradient_r totals_r steps batch units inputs hidden length chunks"
    ).split()
)
def backward(
    x,
    reads,
    weights,
    gradient,
    totals,
    slopes,
    passed,
    to_reads,
    to_held,
    x_r,
    reads_r,
    weights_r,
    gradient_r,
    totals_r,
    steps,
    batch,
    units,
    inputs,
    hidden,
    length,
    chunks,
    ACCUMULATE: tl.constexpr,
    UNITS: tl.constexpr,
    EXAMPLES: tl.constexpr,
    POINTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    WIDTH: tl.constexpr,
    KEPT: tl.constexpr,
):
    """The gradients of the networks' outputs, ``slopes``, of r and of what was held; which bits passed."""
    if KEPT:
        inputs = WIDTH
    chunk, b, j, tile, r = _place(units, batch, chunks, UNITS, EXAMPLES)
    live = (b < batch) & (j < units)
    rows = hidden * (inputs + 3) + 1
    own = weights + r * weights_r + tl.cast(tile, tl.int64) * rows * UNITS + j % UNITS
    bias = tl.load(own + hidden * (inputs + 3) * UNITS)
    row = tl.cast(batch, tl.int64) * units
    lane = b * units + j
    zero = tl.full((LANES,), 0.0, bias.dtype)
    carry = zero
    if ACCUMULATE:
        for one in range(chunk + 1, chunks):
            carry += tl.load(totals + r * totals_r + one * row + lane, live, other=0.0)
    first = chunk * length
    last = tl.minimum(first + length, steps)
    words = (hidden + 31) // 32
    passes = (last - first + POINTS - 1) // POINTS
    for done in range(passes):
        time = first + (passes - 1 - done) * POINTS
        at, kept, state = _points(
            x + r * x_r,
            reads + r * reads_r,
            time,
            b,
            j,
            live,
            steps,
            batch,
            units,
            inputs,
            POINTS,
            WIDTH,
            KEPT,
        )
        outputs = several(bias, POINTS)
        paths = several(zero, POINTS)
        given = ()  # loaded at once, before any store
        for i in tl.static_range(POINTS):
            at_step = gradient + r * gradient_r + (time + i) * row + lane
            given += (tl.load(at_step, live & (time + i < steps), other=0.0),)
        for word in range(words):
            outputs, paths, bits = _hidden(
                own,
                x + r * x_r,
                at,
                kept,
                state,
                outputs,
                paths,
                word * 32,
                tl.minimum(word * 32 + 32, hidden),
                inputs,
                UNITS,
                POINTS,
                HIDDEN,
                WIDTH,
                KEPT,
                BACK=True,
            )
            for i in tl.static_range(POINTS):
                place = ((r * words + word) * steps + time + i) * row + lane
                tl.store(passed + place, bits[i], live & (time + i < steps))
        for back in tl.static_range(POINTS):
            t = time + (POINTS - 1 - back)
            there = live & (t < steps)
            if ACCUMULATE:
                carry += given[POINTS - 1 - back]
            else:
                carry = given[POINTS - 1 - back]
            slope = carry * sigmoid(outputs[POINTS - 1 - back])
            place = (r * steps + t) * row + lane
            tl.store(slopes + place, slope, there)
            tl.store(to_reads + place, slope * paths[POINTS - 1 - back], there)
    if ACCUMULATE:
        tl.store(to_held + r * row + lane, carry, live & (chunk == 0))
