"""Programs as Numba source: one pass over time per group of rows, the state in a scratch of fixed tiles.

Why tiles: a row of the batch is worked on in tiles of LANES units, each with a scratch of its own in which
what it carries lies at constant distances (states, weights, gradients, sums). What lies elsewhere is read and
written by functions that are compiled for arrays which do not overlap: otherwise the compiler would have to
prove that at run time, and gives up beyond eight of them, where the four gates of an LSTM have more. What a
tile reads at the next step is asked for at this one: it lies a batch away, where the processor does not look
ahead by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cells.fused.fingerprint import fingerprint
from cells.fused.numba_input_lines import Inputs, Mapped, Projected
from cells.fused.numba_lines import LANES, SLOTS, into, out_of, soon, together
from cells.fused.numba_tile_printer import Tiles
from cells.fused.step import Step
from cells.fused.trace import Programs

_CALLED = ("numba_math", "numba_circular", "numba_apart", "numba_tiles")
_OF_MAPS = """
from cells.fused.numba_inputs import add_maps, add_to_inputs, give_maps, read_inputs, take_maps\
"""


def numba_source(step: Step, programs: Programs) -> str:
    """The module of ``step``: ``NUMBERS``, ``forward`` and ``backward`` over rows of replicates and batch."""
    return _source(step, programs, Projected)


def mapped_source(step: Step, programs: Programs) -> str:
    """The same of kernels that make what they read of x: see :mod:`cells.fused.numba_inputs`."""
    return _source(step, programs, Mapped)


def _source(step: Step, programs: Programs, form: type[Inputs]) -> str:
    tiles = Tiles(step, programs, mapped=form is Mapped)
    inputs = form(tiles.rows.input, step.inputs)
    called = [*_CALLED, *["numba_inputs"] * (form is Mapped)]
    return _MODULE.format(
        name=step.name,
        called=f"{', '.join(called[:-1])} and {called[-1]}",
        fingerprint=fingerprint(*called),
        imports=_OF_MAPS if form is Mapped else "",
        lanes=LANES,
        numbers=", ".join(_literal(value) for value in tiles.numbers) + ",",
        tiles=tiles.source(),
        kernels="\n\n\n".join((_forward(tiles, inputs), _backward(tiles, inputs))),
    )


def _literal(value: float) -> str:
    return repr(value) if math.isfinite(value) else repr(value).replace("inf", "math.inf")


def _forward(tiles: Tiles, inputs: Inputs) -> str:
    step, rows, states = tiles.step, tiles.rows, range(tiles.step.states)
    results = [*(f"out{k}" for k in states), *["readouts"] * bool(step.readouts)]
    given = [*inputs.names, "weights", *(f"initial{k}" for k in states)]
    reads = [*inputs.reads, *(f"out{k}[r, t, b]" for k in states)]
    taken, kept = [*given, "numbers", *results], ["scratch", *inputs.scratch[:-1]]
    begun = [
        *into(rows.weight, step.weights, "weights[weights_r, {k}]", "begin", 12),
        *into(rows.state, states, "initial{k}[initial{k}_r, b]", "begin", 12),
        *inputs.at_first,
    ]
    lines = [
        *inputs.at_each_step("min(t + 1, steps - 1)"),
        *inputs.before(range(step.inputs)),
        f"                forward_tile(tile, {', '.join(reads)}, {_REST})",
        *soon(states, "out{k}[r, min(t + 1, steps - 1), b]", "begin", 16),
    ]
    if step.readouts:
        following = "readouts[r, min(t + 1, steps - 1), b]"
        lines += [
            "                if readouts.size:",
            f"                    decode_tile(tile, readouts[r, t, b], {_REST})",
            *soon(step.readouts, following, "{k} * units + begin", 20),
        ]
    return "\n".join(
        [
            "@part",
            f"def forward_rows({', '.join([*taken, *kept])}, first, last):",
            '    """Rows ``first`` to ``last`` of replicates times batch, all steps."""',
            "    replicates, steps, batch, units = out0.shape",
            _TILES,
            *together(begun, lines, [], "for t in range(steps):", *given),
            *_kernel("forward", taken, kept, rows.forward, step),
        ]
    )


_REST = "units, begin, numbers, width"
_TILES = "    tiles = max(1, (units + LANES - 1) // LANES)"


def _backward(tiles: Tiles, inputs: Inputs) -> str:
    step, rows, before = tiles.step, tiles.rows, tiles.before
    states = range(step.states)
    used = [k for k in range(step.inputs) if f"p{k}" in tiles.programs.backward.reads]
    given = [
        *inputs.names,
        "weights",
        *(f"initial{k}" for k in states),
        *(f"out{k}" for k in states),
        *(f"gradient{k}" for k in states),
        *(f"final{k}" for k in states),
        *["gradient"] * bool(step.readouts),
    ]
    found = [
        *(f"to_{one}" for one in inputs.names),
        "to_weights",
        *(f"to_initial{k}" for k in states),
    ]
    taken, kept = [*given, "numbers", *found], ["scratch", *inputs.scratch]
    begun = [
        *into(rows.weight, step.weights, "weights[weights_r, {k}]", "begin", 12),
        *inputs.at_first,
        f"            tile[{rows.total * LANES} :] = 0",
        *inputs.at_last,
        *(
            line
            for k in states
            for line in (
                f"            if final{k}.size:",
                *into(rows.gradient, [k], "final{k}[final{k}_r, b]", "begin", 16),
            )
        ),
    ]
    lines = [
        "                t = steps - 1 - back",
        *inputs.at_each_step("max(t - 1, 0)"),
        *_decoded(tiles),
        *inputs.before(used),
        # not a choice of arrays, whose references would be counted
        *(["                if t > 0:"] if before else []),
        *into(rows.state, before, "out{k}[out{k}_r, t - 1, b]", "begin", 20),
        *soon(before, "out{k}[out{k}_r, max(t - 2, 0), b]", "begin", 20),
        *(["                else:"] if before else []),
        *into(rows.state, before, "initial{k}[initial{k}_r, b]", "begin", 20),
    ]
    for k in states:
        lines += [
            f"                if gradient{k}.size:",
            (
                f"                    add(tile, {(rows.gradient + k) * LANES}, "
                f"gradient{k}[gradient{k}_r, t, b], begin, width)"
            ),
            *soon([k], "gradient{k}[gradient{k}_r, max(t - 1, 0), b]", "begin", 20),
        ]
    lines += [
        f"                backward_tile({', '.join(['tile', *inputs.reads])}, {_REST})",
        *inputs.behind,
    ]
    ended = [
        *(["            if to_weights.size:"] if step.weights else []),
        *out_of(rows.total, step.weights, "to_weights[r, b, {k}]", "begin", 16),
        *inputs.given,
        *out_of(rows.gradient, states, "to_initial{k}[r, b]", "begin", 12),
    ]
    return "\n".join(
        [
            "@part",
            f"def backward_rows({', '.join([*taken, *kept])}, first, last):",
            '    """The gradients of those rows; one of size 0 stands for zeros, or is not wanted."""',
            "    _, steps, batch, units = out0.shape",
            _TILES,
            *together(begun, lines, ended, "for back in range(steps):", *given),
            *_kernel("backward", taken, kept, rows.backward, step),
        ]
    )


def _kernel(
    name: str, taken: Sequence[str], kept: Sequence[str], rows: int, step: Step
) -> list[str]:
    """The function that is called: it makes what is ``kept`` of every tile, ``rows`` and maps."""
    sizes = [f"{rows} * LANES", *[f"{step.inputs} * (x.shape[3] + 1) * LANES"] * (len(kept) - 1)]
    return [
        "",
        "",
        "@kernel",
        f"def {name}({', '.join(taken)}, first, last):",
        f'    """See {name}_rows."""',
        "    tiles = max(1, (out0.shape[3] + LANES - 1) // LANES)",
        f"    slots = tiles * max(1, min({SLOTS} // tiles, last - first))",
        *(
            f"    {one} = aligned({'tiles' if one == 'stored' else 'slots'}, {size}, out0)"
            for one, size in zip(kept, sizes, strict=True)
        ),
        f"    {name}_rows({', '.join([*taken, *kept])}, first, last)",
    ]


def _decoded(tiles: Tiles) -> list[str]:
    """Lines that add the readouts' gradients at this step, where there are any, to the states'."""
    step, program = tiles.step, tiles.programs.decode_backward
    if not step.readouts:
        return []
    states = range(step.states)
    # what the step that followed has read is near
    far = [k for k in states if f"a{k}" in program.reads and k not in tiles.before]
    read = [k for k in range(step.readouts) if f"q{k}" in program.reads]
    sources = ["gradient[gradient_r, t, b]", *(f"out{k}[out{k}_r, t, b]" for k in states)]
    return [
        "                if gradient.size:",
        f"                    decode_backward_tile(tile, {', '.join(sources)}, {_REST})",
        *soon(far, "out{k}[out{k}_r, max(t - 1, 0), b]", "begin", 20),
        *soon(read, "gradient[gradient_r, max(t - 1, 0), b]", "{k} * units + begin", 20),
    ]


_MODULE = '''"""Generated from the step {name!r}; do not edit: `python -m cells.fused` writes it anew."""

# with {called} as of {fingerprint}
import math

import numpy as np

from cells.fused.numba_apart import apart, kernel, part
from cells.fused.numba_circular import cos, sin{imports}
from cells.fused.numba_math import exp, sigmoid, sign, softlog, tanh
from cells.fused.numba_tiles import add, aligned, copy, soon

LANES = {lanes}
NUMBERS = ({numbers})


{tiles}


{kernels}
'''
