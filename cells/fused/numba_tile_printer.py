"""The functions of one tile of units in Numba: a step, its decoding, and the gradients of both.

Rows of the arrays around are read and written where they lie, and never overlap; what a tile carries from
step to step lies in its scratch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cells.fused.numba_lines import LANES
from cells.fused.program import Operand, Program, Statement, literals
from cells.fused.step import Step
from cells.fused.trace import Programs

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


class Rows:
    """Where things lie in a tile's scratch, in units of LANES.

    ``input``: those that are made of x (others are read where they lie), and the gradients of all.
    """

    def __init__(self, step: Step) -> None:
        self.state = 0
        self.input = step.states
        self.weight = self.input + step.inputs
        self.forward = self.weight + step.weights
        # the backward has besides the sums of the weights' gradients and the gradients of the states
        self.total = self.forward
        self.gradient = self.total + step.weights
        self.backward = self.gradient + step.states


class Tiles:
    """Prints the functions of a step's tile.

    ``mapped``: whether its inputs are in the tile, where they were made, or are read where they lie;
    ``numbers``: the literals behind the constants, in order.
    """

    def __init__(self, step: Step, programs: Programs, *, mapped: bool) -> None:
        self.step, self.programs, self.rows = step, programs, Rows(step)
        self.mapped = mapped
        self.numbers = tuple(sorted({*literals(*programs), 0.0, 1.0}))
        self._names = {value: f"k{place}" for place, value in enumerate(self.numbers)}
        named = [*(f"c{k}" for k in range(step.constants)), *self._names.values()]
        self._given = [f"{name} = numbers[{k}]" for k, name in enumerate(named)]
        self._given += ["at = np.uintp(begin)"]
        most = max(step.inputs, step.readouts)
        self._given += [f"at{k} = np.uintp({k} * units + begin)" for k in range(most)]

    @property
    def before(self) -> list[int]:
        """The states that the backward reads as they were before the step."""
        return self._read("s", self.step.states, self.programs.backward)

    def source(self) -> str:
        """All of them."""
        functions = [self._forward(), self._backward()]
        if self.step.readouts:
            functions += [self._decode(), self._decode_backward()]
        return "\n\n\n".join(functions)

    def _forward(self) -> str:
        step, program, states = self.step, self.programs.forward, range(self.step.states)
        body = [
            *self._load("s", step.states, self.rows.state, program),
            *self._inputs(program),
            *self._load("w", step.weights, self.rows.weight, program),
            *self._statements(program),
            *(f"tile[{_at(self.rows.state + k)}] = {self._result(program, k)}" for k in states),
            *(f"out{k}[at + j] = {self._result(program, k)}" for k in states),
        ]
        arrays = [*["given"] * (not self.mapped), *(f"out{k}" for k in states)]
        return self._function("forward_tile", "One step.", arrays, body)

    def _backward(self) -> str:
        step, program, rows = self.step, self.programs.backward, self.rows
        states, inputs = range(step.states), range(step.inputs)
        out = [self._result(program, k) for k in range(len(program.outputs))]
        of_inputs = out[step.states : step.states + step.inputs]
        of_weights = out[step.states + step.inputs :]
        body = [
            *self._load("s", step.states, rows.state, program),
            *self._inputs(program),
            *self._load("w", step.weights, rows.weight, program),
            *self._load("g", step.states, rows.gradient, program),
            *self._statements(program),
            *(f"tile[{_at(rows.gradient + k)}] = {out[k]}" for k in states),
            *(f"tile[{_at(rows.input + k)}] = {of_inputs[k]}" for k in inputs),
            *(f"tile[{_at(rows.total + k)}] += {one}" for k, one in enumerate(of_weights)),
        ]
        arrays = ["given"] * (not self.mapped)
        purpose = "Gradients of one step; the weights' are added up."
        return self._function("backward_tile", purpose, arrays, body)

    def _decode(self) -> str:
        program, count = self.programs.decode, self.step.readouts
        body = [
            *self._load("a", self.step.states, self.rows.state, program),
            *self._statements(program),
            *(f"readouts[at{k} + j] = {self._result(program, k)}" for k in range(count)),
        ]
        return self._function("decode_tile", "What is read of the states.", ["readouts"], body)

    def _decode_backward(self) -> str:
        program, states = self.programs.decode_backward, range(self.step.states)
        body = [
            *(f"a{k} = out{k}[at + j]" for k in self._read("a", len(states), program)),
            *(f"q{k} = gradient[at{k} + j]" for k in self._read("q", self.step.readouts, program)),
            *self._statements(program),
            *(
                f"tile[{_at(self.rows.gradient + k)}] += {self._result(program, k)}"
                for k in states
                if program.outputs[k] != 0.0
            ),
        ]
        arrays = ["gradient", *(f"out{k}" for k in states)]
        purpose = "The readouts' gradients, added to those of the states."
        return self._function("decode_backward_tile", purpose, arrays, body)

    def _function(self, name: str, purpose: str, arrays: Sequence[str], body: Sequence[str]) -> str:
        """``body`` for every unit of a tile; ``arrays``: rows of all units."""
        used = {word for line in body for word in re.findall(r"\w+", line)}
        arguments = ["tile", *arrays, "units", "begin", "numbers", "width"]
        return "\n".join(
            [
                "@apart",
                f"def {name}({', '.join(arguments)}):",
                f'    """{purpose}"""',
                *(f"    {line}" for line in self._given if line.partition(" ")[0] in used),
                # unsigned: a signed index might count from the end, which costs a selection per unit
                "    for j in range(np.uintp(width)):",
                *(f"        {line}" for line in body),
            ]
        )

    def _inputs(self, program: Program) -> list[str]:
        if self.mapped:
            return self._load("p", self.step.inputs, self.rows.input, program)
        return [f"p{k} = given[at{k} + j]" for k in self._read("p", self.step.inputs, program)]

    def _load(self, letter: str, count: int, row: int, program: Program) -> list[str]:
        return [f"{letter}{k} = tile[{_at(row + k)}]" for k in self._read(letter, count, program)]

    def _read(self, letter: str, count: int, program: Program) -> list[int]:
        return [k for k in range(count) if f"{letter}{k}" in program.reads]

    def _statements(self, program: Program) -> list[str]:
        return [f"{one.target} = {_expression(one, self._names)}" for one in program.statements]

    def _result(self, program: Program, place: int) -> str:
        return _name(program.outputs[place], self._names)


def _at(row: int) -> str:
    return f"{row * LANES} + j" if row else "j"


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
