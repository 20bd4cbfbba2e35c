"""What weights and inputs of the networks get back, from one bit of each hidden number.

See :mod:`cells.fused.triton_unit_networks`.
"""

import triton
import triton.language as tl

from cells.fused.triton_unit_networks import LANES, several


@triton.jit(do_not_specialize="x_r reads_r points units inputs hidden length slices".split())
def sums(
    x,
    reads,
    slopes,
    passed,
    found,
    x_r,
    reads_r,
    points,
    units,
    inputs,
    hidden,
    length,
    slices,
    UNITS: tl.constexpr,
    EXAMPLES: tl.constexpr,
    POINTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    WIDTH: tl.constexpr,
    KEPT: tl.constexpr,
):
    """Sums over a slice of the points: of bit times slope times (x, r, 1) per hidden number; of slopes."""
    if KEPT:
        inputs = WIDTH
    tiles = (units + UNITS - 1) // UNITS
    lane = tl.arange(0, LANES)
    rest = tl.program_id(0)
    # the programs that read the same slopes come one after another
    c = rest % (hidden // HIDDEN) * HIDDEN
    rest = rest // (hidden // HIDDEN)
    begin = 0
    if not KEPT:
        begin = rest % (inputs // WIDTH) * WIDTH
        rest = rest // (inputs // WIDTH)
    part = rest % slices
    rest = rest // slices
    j = rest % tiles * UNITS + lane % UNITS
    r = tl.cast(rest // tiles, tl.int64)
    live = j < units
    words = (hidden + 31) // 32
    passed += (r * words + c // 32) * points * units + j
    slopes += r * points * units + j
    reads += r * reads_r + j
    x += r * x_r + begin
    zero = tl.full((LANES,), 0.0, slopes.dtype.element_ty)
    total = zero
    one = several(zero, HIDDEN * (WIDTH + 2))
    for first in range(
        part * length, tl.minimum(part * length + length, points), POINTS * EXAMPLES
    ):
        gs = ()
        bits = ()
        given = ()
        for i in tl.static_range(POINTS):
            n = tl.cast(first + i * EXAMPLES + lane // UNITS, tl.int64)
            there = live & (n < points)
            gs += (tl.load(slopes + n * units, there, other=0.0),)
            bits += (tl.load(passed + n * units, there, other=0) >> (c % 32),)
            for d in tl.static_range(WIDTH):
                given += (tl.load(x + n * inputs + d, there, other=0.0),)
            given += (tl.load(reads + n * units, there, other=0.0),)
        for i in tl.static_range(POINTS):
            total += gs[i]
            more = ()
            for h in tl.static_range(HIDDEN):
                g = tl.where((bits[i] & (1 << h)) != 0, gs[i], 0.0)
                for d in tl.static_range(WIDTH + 1):
                    more += (one[h * (WIDTH + 2) + d] + g * given[i * (WIDTH + 1) + d],)
                more += (one[h * (WIDTH + 2) + WIDTH + 1] + g,)
            one = more
    rows = hidden * (inputs + 2) + 1
    found += (
        (r * slices + part) * EXAMPLES * rows * units
        + tl.cast(lane // UNITS, tl.int64) * rows * units
        + j
    )
    for h in tl.static_range(HIDDEN):
        row = (c + h) * (inputs + 2)
        for d in tl.static_range(WIDTH):
            place = tl.cast(row + begin + d, tl.int64) * units
            tl.store(found + place, one[h * (WIDTH + 2) + d], live)
        for d in tl.static_range(2):
            place = tl.cast(row + inputs + d, tl.int64) * units
            tl.store(found + place, one[h * (WIDTH + 2) + WIDTH + d], live & (begin == 0))
    only = live & (begin == 0) & (c == 0)
    tl.store(found + tl.cast(rows - 1, tl.int64) * units, total, only)


@triton.jit
def _added(sum_of, bits, gs, each, POINTS: tl.constexpr, WIDTH: tl.constexpr):
    """The sums with ``each`` times slope added where the first bit is set, and the bits behind it."""
    more = ()
    left = ()
    for i in tl.static_range(POINTS):
        g = tl.where((bits[i] & 1) != 0, gs[i], 0.0)
        for d in tl.static_range(WIDTH):
            more += (sum_of[i * WIDTH + d] + g * each[d],)
        left += (bits[i] >> 1,)
    return more, left


@triton.jit(do_not_specialize="weights_r points units inputs hidden width".split())
def inputs_gradient(
    weights,
    slopes,
    passed,
    to_x,
    weights_r,
    points,
    units,
    inputs,
    hidden,
    width,
    UNITS: tl.constexpr,
    EXAMPLES: tl.constexpr,
    POINTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    WIDTH: tl.constexpr,
    KEPT: tl.constexpr,
):
    """The gradient of x, ``width`` wide, summed over hidden numbers and units by one program."""
    if KEPT:
        inputs = WIDTH
    tiles = (units + UNITS - 1) // UNITS
    lane = tl.arange(0, LANES)
    blocks = (points + POINTS * EXAMPLES - 1) // (POINTS * EXAMPLES)
    rest = tl.program_id(0)
    begin = 0
    if not KEPT:
        begin = rest % (inputs // WIDTH) * WIDTH
        rest = rest // (inputs // WIDTH)
    first = rest % blocks * POINTS * EXAMPLES
    r = tl.cast(rest // blocks, tl.int64)
    rows = hidden * (inputs + 3) + 1
    words = (hidden + 31) // 32
    own = weights + r * weights_r + lane % UNITS
    ns = ()
    for i in tl.static_range(POINTS):
        ns += (tl.cast(first + i * EXAMPLES + lane // UNITS, tl.int64),)
    sum_of = several(tl.full((LANES,), 0.0, slopes.dtype.element_ty), POINTS * WIDTH)
    for tile in range(tiles):
        j = tile * UNITS + lane % UNITS
        gs = ()
        for i in tl.static_range(POINTS):
            there = (j < units) & (ns[i] < points)
            gs += (tl.load(slopes + (r * points + ns[i]) * units + j, there, other=0.0),)
        for word in range(words):
            bits = ()
            for i in tl.static_range(POINTS):
                place = ((r * words + word) * points + ns[i]) * units + j
                there = (j < units) & (ns[i] < points)
                bits += (tl.load(passed + place, there, other=0),)
            for c in range(word * 32, tl.minimum(word * 32 + 32, hidden), HIDDEN):
                row = own + c * (inputs + 3) * UNITS
                begun = row + begin * UNITS
                for h in tl.static_range(HIDDEN):
                    out = tl.load(row + (h * (inputs + 3) + inputs + 2) * UNITS)
                    each = ()
                    for d in tl.static_range(WIDTH):
                        each += (out * tl.load(begun + h * (inputs + 3) * UNITS + d * UNITS),)
                    sum_of, bits = _added(sum_of, bits, gs, each, POINTS, WIDTH)
        own += tl.cast(rows, tl.int64) * UNITS
    for i in tl.static_range(POINTS):
        n = tl.cast(first + i * EXAMPLES + tl.arange(0, EXAMPLES), tl.int64)
        for d in tl.static_range(WIDTH):
            total = tl.sum(tl.reshape(sum_of[i * WIDTH + d], (EXAMPLES, UNITS)), 1)
            place = to_x + (r * points + n) * width + begin + d
            tl.store(place, total, (n < points) & (begin + d < width))
