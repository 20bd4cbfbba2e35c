"""Programs as Numba source: one pass over time per row of the batch, the state in a scratch of fixed tiles.

Why tiles: a row of the batch is worked on in tiles of LANES units, each with a scratch of its own in which
everything lies at constant distances (states, inputs, weights, gradients, sums). The compiler then sees one
base pointer and vectorizes; with one pointer per array it must first prove at run time that no two of
them overlap, gives up beyond eight, and the four gates of an LSTM have more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

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
    "sin": "math.sin({0})",
    "cos": "math.cos({0})",
    "sign": "sign({0})",
    # NaN goes through, as in torch
    "relu": "{0} if {0} != {0} else max({0}, {zero})",
    "maximum": "{0} if {0} != {0} else ({1} if {1} != {1} else max({0}, {1}))",
    "minimum": "{0} if {0} != {0} else ({1} if {1} != {1} else min({0}, {1}))",
    "where": "{1} if {0} else {2}",
    "logical_not": "not {0}",
}
_JIT = '@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")'


class _Rows:
    """Where things lie in a tile's scratch, in units of LANES."""

    def __init__(self, step: Step) -> None:
        self.state = 0
        self.input = step.states
        self.weight = self.input + step.inputs
        self.forward = self.weight + step.weights
        # the backward has the sums of the weights' gradients and the gradients of the state besides
        self.total = self.forward
        self.gradient = self.total + step.weights
        self.backward = self.gradient + step.states


def numbers(programs: Programs) -> tuple[float, ...]:
    """The literals of both programs, in the order in which the kernels expect them behind the constants."""
    return tuple(sorted({*literals(*programs), 0.0, 1.0}))


def _fingerprint() -> str:
    """Of the functions that kernels call: Numba's cache knows of a change in the kernel's own file only."""
    parts = [
        (Path(__file__).parent / name).read_bytes() for name in ("numba_math.py", "numba_tiles.py")
    ]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


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
            f"tile[{_at(rows.state + k)}] = {_name(one, names)}"
            for k, one in enumerate(programs.forward.outputs)
        ),
    ]
    out = [_name(one, names) for one in programs.backward.outputs]
    backward = [
        *_load(states, rows.state, programs.backward),
        *_load(inputs, rows.input, programs.backward),
        *_load(weights, rows.weight, programs.backward),
        *_load([f"g{k}" for k in range(step.states)], rows.gradient, programs.backward),
        *_body(programs.backward, names),
        *(f"tile[{_at(rows.gradient + k)}] = {out[k]}" for k in range(step.states)),
        *(f"tile[{_at(rows.input + k)}] = {out[step.states + k]}" for k in range(step.inputs)),
        *(
            f"tile[{_at(rows.total + k)}] += {out[step.states + step.inputs + k]}"
            for k in range(step.weights)
        ),
    ]
    return _MODULE.format(
        name=step.name,
        fingerprint=_fingerprint(),
        lanes=LANES,
        numbers=", ".join(repr(value) for value in values) + ",",
        jit=_JIT,
        given=indent("\n".join(given), "    "),
        forward_tile=indent("\n".join(forward), "        "),
        backward_tile=indent("\n".join(backward), "        "),
        forward=_forward(step, rows),
        backward=_backward(step, rows, programs.backward),
    )


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
    initial = ", ".join(f"initial{k}" for k in range(step.states))
    out = ", ".join(f"out{k}" for k in range(step.states))
    lines = [
        _JIT,
        f"def forward(projected, weights, numbers, {initial}, {out}, first, last):",
        '    """Rows ``first`` to ``last`` of replicates times batch, all steps."""',
        "    replicates, steps, batch, units = out0.shape",
        "    tiles = (units + LANES - 1) // LANES",
        f"    scratch = np.zeros((tiles, {rows.forward} * LANES), projected.dtype)",
        "    for row in range(first, last):",
        "        r, b = row // batch, row % batch",
        *_own("projected", "weights", *(f"initial{k}" for k in range(step.states))),
        "        for k in range(tiles):",
        "            tile, begin = scratch[k], k * LANES",
        "            width = min(LANES, units - begin)",
        *(
            f"            copy(tile, {(rows.weight + k) * LANES}, weights[weights_r, {k}], begin, width)"
            for k in range(step.weights)
        ),
        *(
            f"            copy(tile, {(rows.state + k) * LANES}, initial{k}[initial{k}_r, b], begin, width)"
            for k in range(step.states)
        ),
        "        for t in range(steps):",
        "            given = projected[projected_r, t, b]",
        "            for k in range(tiles):",
        "                tile, begin = scratch[k], k * LANES",
        "                width = min(LANES, units - begin)",
        *(
            f"                copy(tile, {(rows.input + k) * LANES}, given, {k} * units + begin, width)"
            for k in range(step.inputs)
        ),
        "                forward_tile(tile, numbers, width)",
        *(
            f"                copy(out{k}[r, t, b], begin, tile, {(rows.state + k) * LANES}, width)"
            for k in range(step.states)
        ),
    ]
    return "\n".join(lines)


def _backward(step: Step, rows: _Rows, program: Program) -> str:
    read = [k for k in range(step.states) if f"s{k}" in program.reads]
    names = [
        *(f"initial{k}" for k in range(step.states)),
        *(f"out{k}" for k in range(step.states)),
        *(f"gradient{k}" for k in range(step.states)),
        "to_projected",
        "to_weights",
        *(f"to_initial{k}" for k in range(step.states)),
    ]
    copied = [
        f"copy(tile, {(rows.input + k) * LANES}, given, {k} * units + begin, width)"
        for k in range(step.inputs)
        if f"p{k}" in program.reads
    ]
    lines = [
        _JIT,
        f"def backward(projected, weights, numbers, {', '.join(names)}, first, last):",
        '    """The gradients of those rows; a gradient of size 0 stands for zeros."""',
        "    replicates, steps, batch, inputs = to_projected.shape",
        f"    units = inputs // {step.inputs}",
        "    tiles = (units + LANES - 1) // LANES",
        f"    scratch = np.zeros((tiles, {rows.backward} * LANES), projected.dtype)",
        "    for row in range(first, last):",
        "        r, b = row // batch, row % batch",
        *_own("projected", "weights", *names[: 3 * step.states]),
        "        for k in range(tiles):",
        "            tile, begin = scratch[k], k * LANES",
        "            width = min(LANES, units - begin)",
        *(
            f"            copy(tile, {(rows.weight + k) * LANES}, weights[weights_r, {k}], begin, width)"
            for k in range(step.weights)
        ),
        f"            tile[{rows.total * LANES} :] = 0",
        "        for back in range(steps):",
        "            t = steps - 1 - back",
        "            given = projected[projected_r, t, b]",
        "            for k in range(tiles):",
        "                tile, begin = scratch[k], k * LANES",
        "                width = min(LANES, units - begin)",
        *(f"                {one}" for one in copied),
        *_previous(read, rows),
    ]
    for k in range(step.states):
        lines += [
            f"                if gradient{k}.size:",
            (
                f"                    add(tile, {(rows.gradient + k) * LANES}, "
                f"gradient{k}[gradient{k}_r, t, b], begin, width)"
            ),
        ]
    lines += [
        "                backward_tile(tile, numbers, width)",
        *(
            f"                copy(to_projected[r, t, b], {k} * units + begin, tile, "
            f"{(rows.input + k) * LANES}, width)"
            for k in range(step.inputs)
        ),
        "        for k in range(tiles):",
        "            tile, begin = scratch[k], k * LANES",
        "            width = min(LANES, units - begin)",
        *(
            f"            copy(to_weights[r, b, {k}], begin, tile, {(rows.total + k) * LANES}, width)"
            for k in range(step.weights)
        ),
        *(
            f"            copy(to_initial{k}[r, b], begin, tile, {(rows.gradient + k) * LANES}, width)"
            for k in range(step.states)
        ),
    ]
    return "\n".join(lines)


def _previous(read: Sequence[int], rows: _Rows) -> list[str]:
    """The states before the step, those of them that the backward reads."""
    if not read:
        return []
    before = [
        f"copy(tile, {(rows.state + k) * LANES}, out{k}[out{k}_r, t - 1, b], begin, width)"
        for k in read
    ]
    at_first = [
        f"copy(tile, {(rows.state + k) * LANES}, initial{k}[initial{k}_r, b], begin, width)"
        for k in read
    ]
    return [
        "                if t > 0:",
        *(f"                    {one}" for one in before),
        "                else:",
        *(f"                    {one}" for one in at_first),
    ]


def _own(*names: str) -> list[str]:
    return [f"        {name}_r = r if {name}.shape[0] > 1 else 0" for name in names]


_MODULE = '''"""Generated from the step {name!r}; do not edit: `python -m cells.fused` writes it anew."""

# with numba_math and numba_tiles as of {fingerprint}
import math

import numpy as np
from numba import njit

from cells.fused.numba_math import FAST, exp, sigmoid, sign, softlog, tanh
from cells.fused.numba_tiles import add, copy

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
