"""Programs as Triton source: one lane per unit, its state in registers, a queue of what comes next.

A lane is a unit of one example of one replicate. It walks over time alone, so nothing is added up across
lanes and nothing is atomic: equal runs have equal bits. What a step reads of memory was asked for DEPTH to
2 DEPTH - 1 steps before, all of a chunk at once, since a load takes longer than a step. The last chunk runs
past the end: its loads and stores are masked, and what the backward carries is kept as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

from cells.fused.program import Operand, Program, Statement, literals
from cells.fused.step import Step
from cells.fused.trace import Programs

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "gt": ">", "ge": ">=", "lt": "<", "le": "<=",
    "eq": "==", "ne": "!=", "logical_and": "&", "logical_or": "|",
}  # fmt: skip
_CALLS = {
    "neg": "-{0}",
    "abs": "tl.abs({0})",
    "exp": "tl.exp({0})",
    "softlog": "softlog({0})",
    "log": "tl.log({0})",
    "log1p": "log1p({0})",
    "tanh": "tanh({0})",
    "sigmoid": "sigmoid({0})",
    "sqrt": "tl.sqrt({0})",
    "rsqrt": "1.0 / tl.sqrt({0})",
    "reciprocal": "1.0 / {0}",
    "floor": "tl.floor({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "sign": "sign({0})",
    "relu": "tl.where({0} < 0.0, 0.0, {0})",  # NaN goes through, as in torch
    "maximum": "larger({0}, {1})",
    "minimum": "smaller({0}, {1})",
    "where": "tl.where({0}, {1}, {2})",
    "logical_not": "{0} == 0",
}


def triton_source(step: Step, programs: Programs) -> str:
    """The module of ``step``: kernels ``forward`` and ``backward``, and how much a step of either loads."""
    values = sorted(literals(*programs))
    names = {value: f"k{place}" for place, value in enumerate(values)}
    fixed = [f"c{k} = tl.full((BLOCK,), c{k}, dtype)" for k in range(step.constants)]
    fixed += [
        f"{name} = tl.full((BLOCK,), {_number(value)}, dtype)" for value, name in names.items()
    ]
    states = step.states
    given = ["projected", "weights", *_each("initial{}", states), *_each("out{}", states)]
    readouts = ["readouts"] * bool(step.readouts)
    of_readouts = ["gradient"] * bool(step.readouts)
    found = ["to_projected", "to_weights", *_each("to_initial{}", states)]
    constants = _each("c{}: tl.float64", step.constants)
    strides = ["projected_r", "weights_r", *_each("initial{}_r", states)]
    sizes = "steps batch units lanes".split()
    tuning = ["BLOCK: tl.constexpr", "DEPTH: tl.constexpr"]
    wanted = ["READ: tl.constexpr"] * bool(step.readouts)
    of_states = ["states_r", "gradients_r", *["gradient_r"] * bool(step.readouts)]
    return _MODULE.format(
        name=step.name,
        forward_loads=len(_read("p", step.inputs, programs.forward)),
        backward_loads=len(_read("p", step.inputs, programs.backward))
        + len(_before(step, programs))
        + states
        + step.readouts,
        forward_sizes=[*strides, *sizes],
        backward_sizes=[*strides, *of_states, *sizes],
        forward_arguments=", ".join(
            [*given, *readouts, *constants, *strides, *sizes, *wanted, *tuning]
        ),
        backward_arguments=", ".join(
            [
                *given,
                *_each("gradient{}", states),
                *_each("final{}", states),
                *of_readouts,
                *found,
                *constants,
                *strides,
                *of_states,
                *sizes,
                *_each("GIVEN{}: tl.constexpr", states),
                *_each("FINAL{}: tl.constexpr", states),
                *["GIVEN: tl.constexpr"] * bool(step.readouts),
                *tuning,
            ]
        ),
        lanes=_LANES.format(inputs=step.inputs),
        fixed=indent("\n".join(fixed), "    "),
        forward=indent("\n".join(_forward(step, programs, names)), "    "),
        backward=indent("\n".join(_backward(step, programs, names)), "    "),
    )


def _each(pattern: str, count: int) -> list[str]:
    return [pattern.format(k) for k in range(count)]


def _read(letter: str, count: int, program: Program) -> list[int]:
    return [k for k in range(count) if f"{letter}{k}" in program.reads]


def _before(step: Step, programs: Programs) -> list[int]:
    """The states whose values before the step are loaded: those before this step are after the next."""
    after = _read("a", step.states, programs.decode_backward)
    return sorted({*_read("s", step.states, programs.backward), *after})


def _number(value: float) -> str:
    return f'float("{value}")' if value in (float("inf"), float("-inf")) else repr(value)


def _name(operand: Operand, names: dict[float, str]) -> str:
    return operand if isinstance(operand, str) else names[operand]


def _expression(one: Statement, names: dict[float, str]) -> str:
    operands = [_name(operand, names) for operand in one.operands]
    if one.operation in _INFIX:
        return f"{operands[0]} {_INFIX[one.operation]} {operands[1]}"
    return _CALLS[one.operation].format(*operands)


def _body(program: Program, names: dict[float, str]) -> list[str]:
    return [f"{one.target} = {_expression(one, names)}" for one in program.statements]


def _weights(step: Step, program: Program) -> list[str]:
    return [
        f"w{k} = tl.load(weights + r * weights_r + {k} * units + j, live, other=0.0)"
        for k in _read("w", step.weights, program)
    ]


def _initial(step: Step, name: str, which: Sequence[int]) -> list[str]:
    return [
        f"{name}{k} = tl.load(initial{k} + r * initial{k}_r + b * units + j, live, other=0.0)"
        for k in which
        if k < step.states
    ]


def _queue(loads: dict[str, str], there: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Lines that fill the queue, that load the chunk after, and that make it the present one.

    ``loads``: a variable of the step to its load; ``there``: masks. In both, PLACE stands for the number
    of steps from the beginning of the present chunk.
    """
    fill: list[str] = []
    ahead: list[str] = []
    for lines, prefix, place in ((fill, "queue", "i"), (ahead, "next", "(DEPTH + i)")):
        lines += [f"{prefix}_{name} = ()" for name in loads]
        lines.append("for i in tl.static_range(DEPTH):")
        lines += [f"    {one.replace('PLACE', place)}" for one in there]
        lines += [
            f"    {prefix}_{name} += ({load.replace('PLACE', place)},)"
            for name, load in loads.items()
        ]
    return fill, ahead, [f"queue_{name} = next_{name}" for name in loads]


def _forward(step: Step, programs: Programs, names: dict[float, str]) -> list[str]:
    program, decode = programs.forward, programs.decode
    loads = {
        f"p{k}": f"tl.load(projected + at + ((time + PLACE) * wide + {k} * units), there, other=0.0)"
        for k in _read("p", step.inputs, program)
    }
    fill, ahead, turn = _queue(loads, ["there = live & (time + PLACE < steps)"])
    states = range(step.states)
    lines = [
        *_weights(step, program),
        *_initial(step, "s", states),
        f"at = r * projected_r + b * {step.inputs} * units + j",
        "to = r * steps * row_size + b * units + j",
        *(
            [f"read = r * steps * {step.readouts} * row_size + b * {step.readouts} * units + j"]
            if step.readouts
            else []
        ),
        "time = 0",
        *fill,
        "for done in range(0, steps, DEPTH):",
        "    time = done",
        *(f"    {line}" for line in ahead),
        "    for i in tl.static_range(DEPTH):",
        *(f"        {name} = queue_{name}[i]" for name in loads),
        *(f"        {line}" for line in _body(program, names)),
        *(f"        n{k} = {_name(one, names)}" for k, one in enumerate(program.outputs)),
        "        there = live & (time + i < steps)",
        *(f"        tl.store(out{k} + to + (time + i) * row_size, n{k}, there)" for k in states),
    ]
    if step.readouts:
        lines += [
            "        if READ:",
            *(f"            a{k} = n{k}" for k in _read("a", step.states, decode)),
            *(f"            {line}" for line in _body(decode, names)),
            *(
                f"            tl.store(readouts + read + "
                f"((time + i) * {step.readouts} * row_size + {k} * units), {_name(one, names)}, there)"
                for k, one in enumerate(decode.outputs)
            ),
        ]
    return [
        *lines,
        *(f"        s{k} = n{k}" for k in states),
        *(f"    {line}" for line in turn),
    ]


def _backward(step: Step, programs: Programs, names: dict[float, str]) -> list[str]:
    program, decode = programs.backward, programs.decode_backward
    read = _before(step, programs)
    after = _read("a", step.states, decode)
    states = range(step.states)
    loads = {
        f"p{k}": f"tl.load(projected + at + ((time - PLACE) * wide + {k} * units), there, other=0.0)"
        for k in _read("p", step.inputs, program)
    }
    loads |= {
        f"s{k}": f"tl.load(out{k} + before + (time - PLACE - 1) * row_size, follows, other=first{k})"
        + ("" if f"s{k}" in program.reads else " if GIVEN else zero")
        for k in read
    }
    masks = ["there = live & (time - PLACE >= 0)"]
    if read:
        masks.append("follows = live & (time - PLACE > 0)")
    loads |= {
        f"g{k}": f"tl.load(gradient{k} + later + (time - PLACE) * row_size, there, other=0.0) "
        f"if GIVEN{k} else zero"
        for k in states
    }
    loads |= {
        f"q{k}": f"tl.load(gradient + decoded + ((time - PLACE) * {step.readouts} * row_size + {k} * units), "
        "there, other=0.0) if GIVEN else zero"
        for k in _read("q", step.readouts, decode)
    }
    fill, ahead, turn = _queue(loads, masks)
    out = [_name(one, names) for one in program.outputs]
    to_inputs, to_weights = (
        out[step.states : step.states + step.inputs],
        out[step.states + step.inputs :],
    )
    return [
        *_weights(step, program),
        *_initial(step, "first", read),
        "zero = tl.full((BLOCK,), 0.0, dtype)",
        *(
            f"carry{k} = tl.load(final{k} + lane, live, other=0.0) if FINAL{k} else zero"
            for k in states
        ),
        *(f"total{k} = zero" for k in range(step.weights)),
        f"at = r * projected_r + b * {step.inputs} * units + j",
        f"to = r * steps * wide + b * {step.inputs} * units + j",
        *(["before = r * states_r + b * units + j"] if read else []),
        "later = r * gradients_r + b * units + j",
        *([f"decoded = r * gradient_r + b * {step.readouts} * units + j"] if step.readouts else []),
        *(
            f"a{k} = tl.load(out{k} + before + (steps - 1) * row_size, live & (steps > 0), other=0.0) "
            "if GIVEN else zero"
            for k in after
        ),
        "time = steps - 1",
        *fill,
        "for done in range(0, steps, DEPTH):",
        "    time = steps - 1 - done",
        *(f"    {line}" for line in ahead),
        "    for i in tl.static_range(DEPTH):",
        *(f"        {name} = queue_{name}[i]" for name in loads if not name.startswith("g")),
        *(f"        g{k} = carry{k} + queue_g{k}[i]" for k in states),
        *_of_decoding(decode, names),
        *(f"        {line}" for line in _body(program, names)),
        "        valid = time - i >= 0",
        "        there = live & valid",
        *(
            f"        tl.store(to_projected + to + ((time - i) * wide + {k} * units), {to_inputs[k]}, there)"
            for k in range(step.inputs)
        ),
        *(f"        carry{k} = tl.where(valid, {out[k]}, carry{k})" for k in states),
        *(f"        a{k} = s{k}" for k in after),
        *(
            f"        total{k} = tl.where(valid, total{k} + {to_weights[k]}, total{k})"
            for k in range(step.weights)
        ),
        *(f"    {line}" for line in turn),
        *(
            f"tl.store(to_weights + row * ({step.weights} * units) + {k} * units + j, total{k}, live)"
            for k in range(step.weights)
        ),
        *(f"tl.store(to_initial{k} + lane, carry{k}, live)" for k in states),
    ]


def _of_decoding(decode: Program, names: dict[float, str]) -> list[str]:
    """Lines that add the readouts' gradients, where they are given, to those of the states."""
    if not decode.outputs:
        return []
    added = [
        f"g{k} = g{k} + {_name(one, names)}" for k, one in enumerate(decode.outputs) if one != 0.0
    ]
    lines = [*_body(decode, names), *added]
    return ["        if GIVEN:", *(f"            {line}" for line in lines)] if lines else []


_LANES = """\
    dtype = projected.dtype.element_ty
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    row, j = lane // units, lane % units
    b = row % batch
    r = tl.cast(row // batch, tl.int64)
    row_size = batch * units
    wide = {inputs} * row_size"""

_MODULE = '''"""Generated from the step {name!r}; do not edit: `python -m cells.fused` writes it anew."""

import triton
import triton.language as tl

from cells.fused.triton_math import cos, larger, log1p, sigmoid, sign, sin, smaller, softlog, tanh

FORWARD_LOADS = {forward_loads}
BACKWARD_LOADS = {backward_loads}


# not compiled anew for every size
@triton.jit(do_not_specialize={forward_sizes!r})
def forward({forward_arguments}):
    """The states after every step, of BLOCK lanes per program."""
{lanes}
{fixed}
{forward}


@triton.jit(do_not_specialize={backward_sizes!r})
def backward({backward_arguments}):
    """The gradients; those of results that are not GIVEN, or FINAL, are zero. The weights' are per lane."""
{lanes}
{fixed}
{backward}
'''
