"""Sums over chunks of time on a GPU, where one program per chunk runs and each begins at zero."""

import triton
import triton.language as tl


@triton.jit(do_not_specialize="lanes steps length chunks".split())
def add_before(
    out, totals, lanes, steps, length, chunks, BLOCK: tl.constexpr, POINTS: tl.constexpr
):
    """Adds to every chunk but the first the totals of those before it."""
    blocks = (lanes + BLOCK - 1) // BLOCK
    program = tl.program_id(0)
    lane = program % blocks * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    chunk = program // blocks % (chunks - 1) + 1
    r = tl.cast(program // blocks // (chunks - 1), tl.int64)
    carry = tl.load(totals + r * chunks * lanes + lane, live, other=0.0)
    for one in range(1, chunk):
        carry += tl.load(totals + (r * chunks + one) * lanes + lane, live, other=0.0)
    last = tl.minimum((chunk + 1) * length, steps)
    for time in range(chunk * length, last, POINTS):
        # all loads before any store, which might be to the same place for all the compiler knows
        sums = ()
        for i in tl.static_range(POINTS):
            place = out + (r * steps + time + i) * lanes + lane
            sums += (tl.load(place, live & (time + i < last), other=0.0) + carry,)
        for i in tl.static_range(POINTS):
            place = out + (r * steps + time + i) * lanes + lane
            tl.store(place, sums[i], live & (time + i < last))


@triton.jit(do_not_specialize="lanes steps length chunks".split())
def totals_of(
    gradient, totals, lanes, steps, length, chunks, BLOCK: tl.constexpr, POINTS: tl.constexpr
):
    """The sum of every chunk of a gradient."""
    blocks = (lanes + BLOCK - 1) // BLOCK
    program = tl.program_id(0)
    lane = program % blocks * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    chunk = program // blocks % chunks
    r = tl.cast(program // blocks // chunks, tl.int64)
    total = tl.full((BLOCK,), 0.0, gradient.dtype.element_ty)
    last = tl.minimum((chunk + 1) * length, steps)
    for time in range(chunk * length, last, POINTS):
        for i in tl.static_range(POINTS):
            place = gradient + (r * steps + time + i) * lanes + lane
            total += tl.load(place, live & (time + i < last), other=0.0)
    tl.store(totals + (r * chunks + chunk) * lanes + lane, total, live)
