"""Programs as Numba source: one pass over time per row of the batch, the state in a scratch of fixed tiles.

Why tiles: a row of the batch is worked on in tiles of LANES units, each with a scratch of its own in which
everything lies at constant distances (states, inputs, weights, gradients, sums). The compiler then sees one
base pointer and vectorizes; with one pointer per array it must first prove at run time that no two of
them overlap, gives up beyond eight, and the four gates of an LSTM have more. What a tile reads at the next
step is asked for at this one: it lies a batch away, where the processor does not look ahead by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import indent

from cells.fused.fingerprint import fingerprint
from cells.fused.program import Operand, Program, Statement, literals
from cells.fused.step import Step
from cells.fused.trace import Programs

LANES = 64
"""Units per tile: 256 bytes of float32."""

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "gt": ">", "ge": ">=", "lt": "<", "le": "<=",
    "eq": "==", "ne": "!=", "logical_and": "&", "logical_or": "|",
}  # fmt: skip
_CALLS = {
    "neg": "-{0}",
    "abs": "abs({0})",
    "exp": "exp({0})",
    "softlog": "softlog({0})",
    "log": "math.log({0})",
    "log1p": "math.log1p({0})",
    "tanh": "tanh({0})",
    "sigmoid": "sigmoid({0})",
    "sqrt": "math.sqrt({0})",
    "rsqrt": "{one} / math.sqrt({0})",
    "reciprocal": "{one} / {0}",
    "floor": "math.floor({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "sign": "sign({0})",
    # NaN goes through, as in torch
    "relu": "{0} if {0} != {0} else max({0}, {zero})",
    "maximum": "{0} if {0} != {0} else ({1} if {1} != {1} else max({0}, {1}))",
    "minimum": "{0} if {0} != {0} else ({1} if {1} != {1} else min({0}, {1}))",
    "where": "{1} if {0} else {2}",
    "logical_not": "not {0}",
}
_JIT = '@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")'
# not compiled by itself: there would be two of it, in its own object and in its caller's, and which one runs
# would depend on whether the process compiled them or found them compiled
_TILE = '@njit(forceinline=True, fastmath=FAST, error_model="numpy")'


class _Rows:
    """Where things lie in a tile's scratch, in units of LANES."""

    def __init__(self, step: Step) -> None:
        self.state = 0
        self.input = step.states
        self.weight = self.input + step.inputs
        self.readout = self.weight + step.weights
        self.forward = self.readout + step.readouts
        # the backward has their gradients there, and besides the states after the step, the sums of the
        # weights' gradients and the gradients of the states
        self.after = self.forward
        self.total = self.after + (step.states if step.readouts else 0)
        self.gradient = self.total + step.weights
        self.backward = self.gradient + step.states


def numbers(programs: Programs) -> tuple[float, ...]:
    """The literals of both programs, in the order in which the kernels expect them behind the constants."""
    return tuple(sorted({*literals(*programs), 0.0, 1.0}))


def numba_source(step: Step, programs: Programs) -> str:
    """The module of ``step``: ``NUMBERS``, ``forward`` and ``backward`` over rows of replicates and batch."""
    rows = _Rows(step)
    values = numbers(programs)
    names = {value: f"k{place}" for place, value in enumerate(values)}
    given = [f"c{k} = numbers[{k}]" for k in range(step.constants)]
    given += [f"{name} = numbers[{step.constants + k}]" for k, name in enumerate(names.values())]
    states = [f"s{k}" for k in range(step.states)]
    inputs = [f"p{k}" for k in range(step.inputs)]
    weights = [f"w{k}" for k in range(step.weights)]
    forward = [
        *_load(states, rows.state, programs.forward),
        *_load(inputs, rows.input, programs.forward),
        *_load(weights, rows.weight, programs.forward),
        *_body(programs.forward, names),
        *(
            f"tile[{_at(row)}] = {_name(one, names)}"
            for row, one in zip(
                [
                    *range(rows.state, rows.state + step.states),
                    *range(rows.readout, rows.readout + step.readouts),
                ],
                programs.forward.outputs,
                strict=True,
            )
        ),
    ]
    after = [k for k in range(step.states) if f"a{k}" in programs.backward.reads]
    out = [_name(one, names) for one in programs.backward.outputs]
    backward = [
        *_load(states, rows.state, programs.backward),
        *_load(inputs, rows.input, programs.backward),
        *_load(weights, rows.weight, programs.backward),
        *_load([f"g{k}" for k in range(step.states)], rows.gradient, programs.backward),
        *_load([f"q{k}" for k in range(step.readouts)], rows.readout, programs.backward),
        *_load([f"a{k}" for k in range(step.states)], rows.after, programs.backward),
        *_body(programs.backward, names),
        # going back, what is before this step is after the next
        *(f"tile[{_at(rows.after + k)}] = tile[{_at(rows.state + k)}]" for k in after),
        *(f"tile[{_at(rows.gradient + k)}] = {out[k]}" for k in range(step.states)),
        *(f"tile[{_at(rows.input + k)}] = {out[step.states + k]}" for k in range(step.inputs)),
        *(
            f"tile[{_at(rows.total + k)}] += {out[step.states + step.inputs + k]}"
            for k in range(step.weights)
        ),
    ]
    return _MODULE.format(
        name=step.name,
        fingerprint=fingerprint("numba_math", "numba_circular", "numba_tiles"),
        lanes=LANES,
        numbers=", ".join(_literal(value) for value in values) + ",",
        jit=_TILE,
        given=indent("\n".join(given), "    "),
        forward_tile=indent("\n".join(forward), "        "),
        backward_tile=indent("\n".join(backward), "        "),
        forward=_forward(step, rows),
        backward=_backward(step, rows, programs.backward),
    )


def _literal(value: float) -> str:
    return repr(value) if math.isfinite(value) else repr(value).replace("inf", "math.inf")


def _at(row: int) -> str:
    return f"{row * LANES} + j" if row else "j"


def _load(names: Sequence[str], row: int, program: Program) -> list[str]:
    return [
        f"{name} = tile[{_at(row + k)}]" for k, name in enumerate(names) if name in program.reads
    ]


def _body(program: Program, names: dict[float, str]) -> list[str]:
    return [f"{one.target} = {_expression(one, names)}" for one in program.statements]


def _expression(one: Statement, names: dict[float, str]) -> str:
    operands = [_name(operand, names) for operand in one.operands]
    if one.operation in ("maximum", "minimum") and isinstance(one.operands[1], float):
        bound = one.operation.removesuffix("imum")  # a number is not NaN
        return (
            f"{operands[0]} if {operands[0]} != {operands[0]} else {bound}({', '.join(operands)})"
        )
    if one.operation in _INFIX:
        return f"{operands[0]} {_INFIX[one.operation]} {operands[1]}"
    return _CALLS[one.operation].format(*operands, zero=names[0.0], one=names[1.0])


def _name(operand: Operand, names: dict[float, str]) -> str:
    return operand if isinstance(operand, str) else names[operand]


def _forward(step: Step, rows: _Rows) -> str:
    states = range(step.states)
    results = [*(f"out{k}" for k in states), *["readouts"] * bool(step.readouts)]
    names = ["projected", "weights", "numbers", *(f"initial{k}" for k in states), *results]
    lines = [
        _JIT,
        f"def forward({', '.join(names)}, first, last):",
        '    """Rows ``first`` to ``last`` of replicates times batch, all steps."""',
        "    replicates, steps, batch, units = out0.shape",
        *_scratch(rows.forward),
        *_row("projected", "weights", *(f"initial{k}" for k in states)),
        *_each_tile(8),
        *_into(rows.weight, step.weights, "weights[weights_r, {k}]", "begin", 12),
        *_into(rows.state, states, "initial{k}[initial{k}_r, b]", "begin", 12),
        "        for t in range(steps):",
        "            given = projected[projected_r, t, b]",
        "            following = projected[projected_r, min(t + 1, steps - 1), b]",
        *_each_tile(12),
        *_into(rows.input, step.inputs, "given", "{k} * units + begin", 16),
        *_soon(step.inputs, "following", "{k} * units + begin", 16),
        "                forward_tile(tile, numbers, width)",
        *_out_of(rows.state, states, "out{k}[r, t, b]", "begin", 16),
        *_soon(states, "out{k}[r, min(t + 1, steps - 1), b]", "begin", 16),
        *_out_of(rows.readout, step.readouts, "readouts[r, t, b]", "{k} * units + begin", 16),
        *_soon(step.readouts, "readouts[r, min(t + 1, steps - 1), b]", "{k} * units + begin", 16),
    ]
    return "\n".join(lines)


def _backward(step: Step, rows: _Rows, program: Program) -> str:
    states = range(step.states)
    after = [k for k in states if f"a{k}" in program.reads]
    before = [k for k in states if f"s{k}" in program.reads or k in after]
    inputs = [k for k in range(step.inputs) if f"p{k}" in program.reads]
    names = [
        "projected",
        "weights",
        "numbers",
        *(f"initial{k}" for k in states),
        *(f"out{k}" for k in states),
        *(f"gradient{k}" for k in states),
        *["gradient"] * bool(step.readouts),
        "to_projected",
        "to_weights",
        *(f"to_initial{k}" for k in states),
    ]
    shared = [name for name in names if name != "numbers" and not name.startswith("to_")]
    lines = [
        _JIT,
        f"def backward({', '.join(names)}, first, last):",
        '    """The gradients of those rows; one of size 0 stands for zeros, or is not wanted."""',
        "    _, steps, batch, units = out0.shape",
        *_scratch(rows.backward),
        *_row(*shared),
        *_each_tile(8),
        *_into(rows.weight, step.weights, "weights[weights_r, {k}]", "begin", 12),
        f"            tile[{rows.total * LANES} :] = 0",
        *(["            if steps:"] if after else []),
        *_into(rows.after, after, "out{k}[out{k}_r, steps - 1, b]", "begin", 16),
        "        for back in range(steps):",
        "            t = steps - 1 - back",
        "            given = projected[projected_r, t, b]",
        "            following = projected[projected_r, max(t - 1, 0), b]",
        *_each_tile(12),
        *_into(rows.input, inputs, "given", "{k} * units + begin", 16),
        *_soon(inputs, "following", "{k} * units + begin", 16),
        *(["                if t > 0:"] if before else []),
        *_into(rows.state, before, "out{k}[out{k}_r, t - 1, b]", "begin", 20),
        *_soon(before, "out{k}[out{k}_r, max(t - 2, 0), b]", "begin", 20),
        *(["                else:"] if before else []),
        *_into(rows.state, before, "initial{k}[initial{k}_r, b]", "begin", 20),
    ]
    for k in states:
        lines += [
            f"                if gradient{k}.size:",
            (
                f"                    add(tile, {(rows.gradient + k) * LANES}, "
                f"gradient{k}[gradient{k}_r, t, b], begin, width)"
            ),
            *_soon([k], "gradient{k}[gradient{k}_r, max(t - 1, 0), b]", "begin", 20),
        ]
    if step.readouts:
        at = "{k} * units + begin"
        lines += [
            "                if gradient.size:",
            *_into(rows.readout, step.readouts, "gradient[gradient_r, t, b]", at, 20),
            *_soon(step.readouts, "gradient[gradient_r, max(t - 1, 0), b]", at, 20),
        ]
    lines += [
        "                backward_tile(tile, numbers, width)",
        "                if to_projected.size:",
        *_out_of(rows.input, step.inputs, "to_projected[r, t, b]", "{k} * units + begin", 20),
        *_soon(step.inputs, "to_projected[r, max(t - 1, 0), b]", "{k} * units + begin", 20),
        *_each_tile(8),
        *(["            if to_weights.size:"] if step.weights else []),
        *_out_of(rows.total, step.weights, "to_weights[r, b, {k}]", "begin", 16),
        *_out_of(rows.gradient, states, "to_initial{k}[r, b]", "begin", 12),
    ]
    return "\n".join(lines)


def _scratch(rows: int) -> list[str]:
    return [
        "    tiles = (units + LANES - 1) // LANES",
        f"    scratch = aligned(tiles, {rows} * LANES, projected)",
    ]


def _row(*shared: str) -> list[str]:
    """The loop over rows; what may be ``shared`` by all replicates is read at a place of its own."""
    return [
        "    for row in range(first, last):",
        "        r, b = row // batch, row % batch",
        *(f"        {name}_r = r if {name}.shape[0] > 1 else 0" for name in shared),
    ]


def _each_tile(indented: int) -> list[str]:
    lines = [
        "for k in range(tiles):",
        "    tile, begin = scratch[k], k * LANES",
        "    width = min(LANES, units - begin)",
    ]
    return [" " * indented + line for line in lines]


def _into(
    row: int, which: int | Sequence[int], source: str, begin: str, indented: int
) -> list[str]:
    """Lines that copy ``source`` into the tile, from ``row`` on; {k} in both texts counts."""
    every = range(which) if isinstance(which, int) else which
    return [
        " " * indented
        + f"copy(tile, {(row + k) * LANES}, {source.format(k=k)}, {begin.format(k=k)}, width)"
        for k in every
    ]


def _soon(which: int | Sequence[int], source: str, begin: str, indented: int) -> list[str]:
    """Lines that ask for what :func:`_into` will copy at the next step."""
    every = range(which) if isinstance(which, int) else which
    return [
        " " * indented + f"soon({source.format(k=k)}, {begin.format(k=k)}, width)" for k in every
    ]


def _out_of(
    row: int, which: int | Sequence[int], target: str, begin: str, indented: int
) -> list[str]:
    """Lines that copy the tile, from ``row`` on, to ``target``."""
    every = range(which) if isinstance(which, int) else which
    return [
        " " * indented
        + f"copy({target.format(k=k)}, {begin.format(k=k)}, tile, {(row + k) * LANES}, width)"
        for k in every
    ]


_MODULE = '''"""Generated from the step {name!r}; do not edit: `python -m cells.fused` writes it anew."""

# with numba_math, numba_circular and numba_tiles as of {fingerprint}
import math

from numba import njit

from cells.fused.numba_circular import cos, sin
from cells.fused.numba_math import FAST, exp, sigmoid, sign, softlog, tanh
from cells.fused.numba_tiles import add, aligned, copy, soon

LANES = {lanes}
NUMBERS = ({numbers})


{jit}
def forward_tile(tile, numbers, width):
    """One step of ``width`` units, in place."""
{given}
    for j in range(width):
{forward_tile}


{jit}
def backward_tile(tile, numbers, width):
    """Gradients of one step, in place of inputs and of the state's gradients; the weights' are added up."""
{given}
    for j in range(width):
{backward_tile}


{forward}


{backward}
'''
